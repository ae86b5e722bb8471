package wire

import (
	"bytes"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Limits of what is accepted. They bound the memory one message can take.
const (
	MaxMessage = 65535 // bytes of a whole message
	MaxHead    = 32768 // bytes of start line and headers
	MaxHeaders = 256   // header lines
	MaxVias    = 70    // Via values
	MaxValue   = 8192  // bytes of one header value
)

const headEnd = "\r\n\r\n"

// Parse reads one datagram: octets after Content-Length are ignored
// (RFC 3261 §18.3). The error is an *Error for a request that is owed an
// answer, any other error means that the datagram is to be dropped.
//
// The message has no Content-Length header: the length is that of its body.
func Parse(b []byte) (sip.Message, error) {
	b = bytes.TrimLeft(b, "\r\n") // RFC 3261 §7.5
	end := bytes.Index(b[:min(len(b), MaxHead)], []byte(headEnd))
	if end < 0 {
		return nil, answerable(truncatedHead(b))
	}
	h := parseHead(string(b[:end]))
	body := b[end+len(headEnd):]
	if h.length > len(body) && h.err == nil { // RFC 4475 §3.1.2.2
		h.refuse(sip.StatusBadRequest, "Content-Length Exceeds Datagram")
	}
	if h.err != nil {
		return nil, answerable(h.refusal())
	}
	if h.length >= 0 {
		body = body[:h.length]
	}
	return h.message(slices.Clone(body)), nil
}

// answerable returns what Parse returns for a bad datagram.
func answerable(e *Error) error {
	if e.Request == nil {
		return errDrop
	}
	return e
}

// head is a parsed start line with its headers.
type head struct {
	msg    sip.Message // without headers and body yet; nil when it is no SIP message at all
	fields []field
	length int    // Content-Length, -1 when absent
	err    *Error // the first thing wrong with it
}

// parseHead reads start line and headers; text ends before the empty line. Lines
// that cannot be read are left out.
func parseHead(text string) head {
	h := head{length: -1}
	line, rest := cutLine(text)
	h.parseStartLine(line)
	if h.msg != nil {
		h.parseHeaders(rest)
	}
	return h
}

// truncatedHead tells what is wrong with a message whose headers do not end.
func truncatedHead(b []byte) *Error {
	h := head{}
	if end := bytes.LastIndex(b[:min(len(b), MaxHead)], []byte("\r\n")); end >= 0 {
		h = parseHead(string(b[:end]))
	}
	h.err = &Error{Status: sip.StatusBadRequest, Reason: "Headers Not Ended"}
	if len(b) > MaxHead {
		h.err = &Error{Status: sip.StatusMessageTooLarge, Reason: "Headers Too Long"}
	}
	return h.refusal()
}

// refuse records the first thing that is wrong.
func (h *head) refuse(status int, reason string) {
	if h.err == nil {
		h.err = &Error{Status: status, Reason: reason}
	}
}

// refusal returns h.err with the request as far as it was read.
func (h *head) refusal() *Error {
	e := refusal(h.message(nil), h.err.Status, h.err.Reason)
	e.fatal = h.err.fatal
	return e
}

// message puts the parts together. The body goes first: sipgo looks through all
// headers for Content-Length, and adds it.
func (h *head) message(body []byte) sip.Message {
	var stack [32]sip.Header
	headers := stack[:0]
	for i := range h.fields {
		headers = append(headers, &h.fields[i])
	}
	switch m := h.msg.(type) {
	case *sip.Request:
		setBody(&m.MessageData, body)
		m.PrependHeader(headers...)
	case *sip.Response:
		setBody(&m.MessageData, body)
		m.PrependHeader(headers...)
	}
	return h.msg
}

// setBody gives a message its body and no Content-Length, which Append writes.
func setBody(m *sip.MessageData, body []byte) {
	if len(body) == 0 {
		return
	}
	m.SetBody(body)
	m.RemoveHeader("Content-Length")
}

// parseHeaders reads the header lines.
func (h *head) parseHeaders(text string) {
	h.fields = make([]field, 0, min(strings.Count(text, "\n")+1, MaxHeaders))
	var line string
	for text != "" {
		line, text = cutLine(text)
		if text != "" && isBlank(text[0]) {
			line, text = unfold(line, text)
		}
		name, value, ok := cutHeader(line)
		switch {
		case !ok:
			h.refuse(sip.StatusBadRequest, "Malformed Header Line")
			// Who ends lines there may see another Content-Length.
			h.err.fatal = h.err.fatal || strings.ContainsAny(line, "\r\n")
		case name == "Content-Length":
			h.setLength(value)
		case len(value) > MaxValue:
			h.refuse(sip.StatusBadRequest, "Header Too Long")
		case len(h.fields) == MaxHeaders:
			h.refuse(sip.StatusBadRequest, "Too Many Headers")
			h.err.fatal = true // Content-Length may be among the rest
			return
		default:
			h.fields = append(h.fields, field{sip.ContentTypeHeader(value), name})
		}
	}
	if h.err != nil && h.length < 0 {
		h.err.fatal = true // it may be in what could not be read
	}
}

// cutLine cuts the first line off.
func cutLine(text string) (line, rest string) {
	if i := strings.Index(text, "\r\n"); i >= 0 {
		return text[:i], text[i+2:]
	}
	return text, ""
}

// unfold joins a line with those that continue it, each fold one blank
// (RFC 3261 §7.3.1).
func unfold(line, text string) (joined, rest string) {
	var b strings.Builder
	b.WriteString(strings.TrimRight(line, " \t"))
	for text != "" && isBlank(text[0]) {
		line, text = cutLine(text)
		if line = trim(line); line != "" {
			b.WriteByte(' ')
			b.WriteString(line)
		}
	}
	return b.String(), text
}

// cutHeader splits a header line and spells its name canonically. ok is false
// when it could mean something else to the next reader.
func cutHeader(line string) (name, value string, ok bool) {
	colon := strings.IndexByte(line, ':')
	if colon <= 0 || isBlank(line[0]) {
		return "", "", false
	}
	name = line[:colon]
	if isBlank(name[len(name)-1]) { // RFC 3261 §25.1: HCOLON takes blanks
		name = trim(name)
	}
	value = trim(line[colon+1:])
	if !isValue(value) {
		return "", "", false
	}
	if standard := standardName(name); standard != "" {
		return standard, value, true
	}
	return name, value, tokens.contains(name)
}

// isValue refuses line ends, and NUL where it is not a quoted-pair
// (RFC 3261 §25.1; RFC 4475 §3.1.1.2 has one).
func isValue(s string) bool {
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		return false
	}
	if strings.IndexByte(s, 0) < 0 {
		return true
	}
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case 0:
			return false
		case '"':
			end := quotedEnd(s[i:])
			if end < 0 || hasBareNUL(s[i:i+end]) {
				return false
			}
			i += end - 1
		}
	}
	return true
}

// hasBareNUL looks for a NUL without backslash in a quoted string.
func hasBareNUL(quoted string) bool {
	for i := 0; i < len(quoted); i++ {
		switch quoted[i] {
		case '\\':
			i++
		case 0:
			return true
		}
	}
	return false
}

// setLength reads Content-Length. Two that differ, or one that is no number,
// leave nobody knowing where the message ends (RFC 4475 §3.1.2.3, §3.3.9).
func (h *head) setLength(value string) {
	n, ok := digits(value, MaxMessage)
	switch {
	case !ok && isNumber(value):
		h.refuse(sip.StatusRequestEntityTooLarge, "Request Entity Too Large")
		h.err.fatal = true
	case !ok || h.length >= 0 && h.length != n:
		h.refuse(sip.StatusBadRequest, "Bad Content-Length")
		h.err.fatal = true
	default:
		h.length = n
	}
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

package call

import (
	"bytes"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// body is what a message carries: a session description, perhaps as one part of
// several, or something else.
type body struct {
	sdp        []byte // nil without a description
	head, tail []byte // what surrounds it: the other parts of a multipart body
	foreign    bool   // there is a body, and no description in it
}

// bodyOf reads the body of a message. An error is a description that would pass
// unread: one that is encoded, or hidden among parts.
func bodyOf(m sip.Message) (body, *server.Error) {
	text := m.Body()
	if len(text) == 0 {
		return body{}, nil
	}
	kind := wire.Header(m, "Content-Type")
	if !isSDP(kind) {
		if main, _, _ := strings.Cut(strings.TrimSpace(kind), "/"); !strings.EqualFold(main, "multipart") {
			return body{foreign: true}, nil
		}
		b := bodyOfParts(text, boundaryOf(kind))
		return b, b.hides(text)
	}
	switch encoding := wire.Header(m, "Content-Encoding"); {
	case encoding == "" || strings.EqualFold(encoding, "identity"):
		return body{sdp: text}, nil
	}
	return body{}, &server.Error{
		Status: sip.StatusUnsupportedMediaType, Warning: "send the session description without Content-Encoding",
		Headers: []sip.Header{wire.H("Accept-Encoding", "identity")},
	}
}

// with is the body with another description in its place.
func (b *body) with(sdp []byte) []byte {
	if len(b.head) == 0 && len(b.tail) == 0 {
		return sdp
	}
	all := make([]byte, 0, len(b.head)+len(sdp)+len(b.tail))
	return append(append(append(all, b.head...), sdp...), b.tail...)
}

const sdpType = "application/sdp"

func isSDP(kind string) bool {
	if kind == sdpType {
		return true
	}
	kind, _, _ = strings.Cut(kind, ";")
	return strings.EqualFold(strings.TrimSpace(kind), sdpType)
}

// boundaryOf returns the boundary of a multipart type (RFC 2046 §5.1.1), "" when it
// has none.
func boundaryOf(kind string) string {
	_, params, _ := strings.Cut(kind, ";")
	for p := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(name), "boundary") {
			return wire.Unquote(strings.TrimSpace(value))
		}
	}
	return ""
}

// bodyOfParts finds the first description among the parts of a multipart body. A
// part begins behind a line of its boundary, with headers, and ends before the
// line end that precedes the next one.
func bodyOfParts(text []byte, boundary string) body {
	if boundary == "" || len(boundary) > 70 {
		return body{foreign: true}
	}
	mark := []byte("--" + boundary)
	for at := bytes.Index(text, mark); at >= 0; {
		at += len(mark)
		end := bytes.Index(text[at:], append([]byte("\r\n"), mark...))
		if end < 0 {
			break // the closing line, or a body that was cut off
		}
		end += at
		if head := bytes.Index(text[at:end], []byte("\r\n\r\n")); head >= 0 && partIsSDP(text[at:at+head]) {
			at += head + len("\r\n\r\n")
			return body{sdp: text[at:end], head: text[:at], tail: text[end:]}
		}
		at = end + len("\r\n")
	}
	return body{foreign: true}
}

// hides refuses a body of several parts with another description than the one that
// was found: a second one, or one in a part that has parts itself. A phone could
// take that one, past the relay.
func (b *body) hides(text []byte) *server.Error {
	mentions := func(text []byte) int { return bytes.Count(bytes.ToLower(text), []byte(sdpType)) }
	hidden := mentions(b.head) + mentions(b.tail) - 1
	if b.foreign {
		hidden = mentions(text)
	}
	if hidden <= 0 {
		return nil
	}
	return &server.Error{Status: sip.StatusNotAcceptableHere, Warning: "send one session description, as the body or as a part of it"}
}

func partIsSDP(headers []byte) bool {
	for line := range strings.SplitSeq(string(headers), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); ok && (strings.EqualFold(name, "Content-Type") || strings.EqualFold(name, "c")) {
			return isSDP(value)
		}
	}
	return false
}

// setBody gives a response that was just received another body, and takes the
// type of one that is gone.
func setBody(res *sip.Response, text []byte) {
	had := len(res.Body()) > 0
	wire.ReplaceBody(res, text)
	switch {
	case len(text) == 0 && had:
		res.RemoveHeader("Content-Type")
		res.RemoveHeader("Content-Disposition")
	case len(text) > 0 && !had:
		res.AppendHeader(wire.H("Content-Type", sdpType))
	}
}

// setEditBody gives a request on its way another body.
func setEditBody(e *wire.Edit, req *sip.Request, text []byte) {
	e.Body, e.SetBody = text, true
	switch had := len(req.Body()) > 0; {
	case len(text) == 0 && had:
		e.Drop = append(e.Drop[:len(e.Drop):len(e.Drop)], "Content-Type", "Content-Disposition")
	case len(text) > 0 && !had:
		e.Add = append(e.Add, wire.H("Content-Type", sdpType))
	}
}

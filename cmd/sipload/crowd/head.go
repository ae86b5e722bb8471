package crowd

import (
	"bytes"
	"errors"
	"strconv"
)

// head is what a phone reads of a message: slices of its bytes.
type head struct {
	request bool
	method  []byte
	uri     []byte
	echo    [][]byte // lines of Via and Record-Route with their CRLF, as a response repeats them
	from    []byte   // values from here on
	to      []byte
	callID  []byte
	cseq    []byte
	id      []byte // Sparkle-Id
	length  int
}

var errHead = errors.New("not the head of a SIP message")

var crlf, blank = []byte("\r\n"), []byte("\r\n\r\n")

// read parses b, which ends with the empty line. The memory of h is used again.
func (h *head) read(b []byte) error {
	*h = head{echo: h.echo[:0]}
	start, rest, ok := bytes.Cut(b, crlf)
	if !ok || !h.start(start) {
		return errHead
	}
	for len(rest) > len(crlf) {
		end := bytes.Index(rest, crlf) + len(crlf)
		h.line(rest[:end])
		rest = rest[end:]
	}
	return nil
}

func (h *head) start(line []byte) bool {
	if bytes.HasPrefix(line, []byte("SIP/2.0 ")) {
		return true
	}
	var ok bool
	h.request = true
	h.method, line, ok = bytes.Cut(line, []byte(" "))
	h.uri, _, _ = bytes.Cut(line, []byte(" "))
	return ok
}

func (h *head) line(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	var room [16]byte
	switch string(lower(room[:0], name)) {
	case "via", "v", "record-route":
		h.echo = append(h.echo, line)
	case "from", "f":
		h.from = value
	case "to", "t":
		h.to = value
	case "call-id", "i":
		h.callID = value
	case "cseq":
		h.cseq = value
	case "sparkle-id":
		h.id = value
	case "content-length", "l":
		n, _ := strconv.ParseUint(string(value), 10, 24)
		h.length = int(n)
	}
}

// lower appends a header name in lower case; longer names than it has room for
// are of no interest.
func lower(b, name []byte) []byte {
	for _, c := range name[:min(len(name), cap(b))] {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

// user is the user part of a SIP URI, or of the first one in a From or To.
func user(b []byte) []byte {
	_, b, ok := bytes.Cut(b, []byte("sip:"))
	if i := bytes.IndexAny(b, "@;>"); ok && i >= 0 {
		return b[:i]
	}
	return nil
}

// appendOK appends a 200 to the request of h. tag is that of the phone, for
// requests outside a dialog; headers are further lines with their CRLF.
func (h *head) appendOK(b []byte, tag, headers string) []byte {
	b = append(b, "SIP/2.0 200 OK\r\n"...)
	for _, line := range h.echo {
		b = append(b, line...)
	}
	b = append(append(b, "From: "...), h.from...)
	b = append(append(b, "\r\nTo: "...), h.to...)
	if !bytes.Contains(h.to, []byte(";tag=")) {
		b = append(append(b, ";tag="...), tag...)
	}
	b = append(append(b, "\r\nCall-ID: "...), h.callID...)
	b = append(append(b, "\r\nCSeq: "...), h.cseq...)
	b = append(append(b, "\r\n"...), headers...)
	return append(b, "Content-Length: 0\r\n\r\n"...)
}

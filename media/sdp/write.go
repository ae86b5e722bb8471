package sdp

import (
	"net/netip"
	"slices"
	"strconv"
)

// Writer appends the lines of a description. The zero value is ready.
type Writer struct{ b []byte }

// Bytes is what was written. It is valid until more is written.
func (w *Writer) Bytes() []byte { return w.b }

// Grow makes room for n bytes more.
func (w *Writer) Grow(n int) { w.b = slices.Grow(w.b, n) }

// Line writes a line; parts are put together without anything between. A byte
// that would end the line becomes a space.
func (w *Writer) Line(kind byte, parts ...string) {
	w.b = append(w.b, kind, '=')
	w.end(parts)
}

// Attribute writes "a=name" and, with parts, ":" and the parts.
func (w *Writer) Attribute(name string, parts ...string) {
	w.b = append(w.b, "a="...)
	w.b = append(w.b, name...)
	if len(parts) > 0 {
		w.b = append(w.b, ':')
	}
	w.end(parts)
}

func (w *Writer) end(parts []string) {
	for _, part := range parts {
		begin := len(w.b)
		w.b = append(w.b, part...)
		for i := begin; i < len(w.b); i++ {
			if c := w.b[i]; c == '\r' || c == '\n' || c == 0 {
				w.b[i] = ' '
			}
		}
	}
	w.b = append(w.b, "\r\n"...)
}

// Media writes an m-line; what belongs to it follows.
func (w *Writer) Media(kind string, port uint16, proto, formats string) {
	w.Line('m', kind, " ", strconv.Itoa(int(port)), " ", proto, " ", formats)
}

// Connection writes c=.
func (w *Writer) Connection(a netip.Addr) {
	w.Line('c', Address(a))
}

// Address is how c=, o= and a=rtcp write an address: "IN IP4 192.0.2.1".
func Address(a netip.Addr) string {
	if a = a.Unmap(); a.Is6() {
		return "IN IP6 " + a.WithZone("").String()
	}
	return "IN IP4 " + a.String()
}

// ParseAddress reads what Address writes, with the time to live and number that
// multicast has behind it. False: it is no IP address, but perhaps a name.
func ParseAddress(value string) (netip.Addr, bool) {
	_, rest := cutWord(value)
	_, rest = cutWord(rest)
	text, _ := cutWord(rest)
	for i := range len(text) {
		if text[i] == '/' {
			text = text[:i]
			break
		}
	}
	a, err := netip.ParseAddr(text)
	return a.Unmap().WithZone(""), err == nil
}

package wire

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Headers builds the headers of a message in few pieces of memory: one for all
// texts, one for all fields. The zero value is ready.
type Headers struct {
	text   strings.Builder
	fields []field
}

// NewHeaders makes room for n headers with about size bytes of values.
func NewHeaders(n, size int) *Headers {
	b := &Headers{fields: make([]field, 0, n)}
	b.text.Grow(size)
	return b
}

// Add adds a header as [H] makes it; its value is the parts one after the other.
func (b *Headers) Add(name string, parts ...string) {
	var value string
	if len(parts) == 1 {
		value = clean(parts[0])
	} else {
		start := b.text.Len()
		for _, part := range parts {
			b.text.WriteString(clean(part))
		}
		value = b.text.String()[start:] // stays as it is when the builder moves on
	}
	b.fields = append(b.fields, field{sip.ContentTypeHeader(value), canonical(clean(name))})
}

// List returns the headers in their order, and more behind them: those that
// several messages share. Nothing may be added afterwards.
func (b *Headers) List(more ...sip.Header) []sip.Header {
	list := make([]sip.Header, len(b.fields), len(b.fields)+len(more))
	for i := range b.fields {
		list[i] = &b.fields[i]
	}
	return append(list, more...)
}

package wire

import (
	"io"

	"github.com/emiago/sipgo/sip"
)

// field is a header kept as text. The fields of a received message lie in one
// slice, so that they cost one allocation and not one each. [sip.Header] has
// methods that only sipgo can declare: the embedded type brings them, and holds
// the value.
type field struct {
	sip.ContentTypeHeader
	name string
}

func newField(name, value string) sip.Header {
	return &field{sip.ContentTypeHeader(value), name}
}

// Name returns the name of the header.
func (f *field) Name() string { return f.name }

// String returns the line without its end.
func (f *field) String() string { return f.name + ": " + f.Value() }

// StringWrite writes what String returns.
func (f *field) StringWrite(w io.StringWriter) { _, _ = w.WriteString(f.String()) }

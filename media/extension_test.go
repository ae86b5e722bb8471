package media

import (
	"bytes"
	"testing"

	"github.com/sparkleim/sparkle/media/rtp"
)

// header is an RTP header with an extension.
func header(profile [2]byte, content ...byte) []byte {
	b := append(make([]byte, 12), profile[0], profile[1], 0, byte(len(content)/4))
	b[0] = 0x80 | hasExtension
	return append(b, content...)
}

var (
	short = [2]byte{0xbe, 0xde}
	long  = [2]byte{0x10, 0x00}
)

// TestExtensions finds elements and takes those away that must not pass.
func TestExtensions(t *testing.T) {
	for _, test := range []struct {
		name   string
		header []byte
		value  string // of 4, "" for none
		keeps2 []byte // the content when only 2 passes
	}{
		{"one", header(short, 0x40, 'a', 0, 0), "a", []byte{0, 0, 0, 0}},
		{"two", header(short, 0x20, 'x', 0x41, 'a', 'b', 0, 0, 0), "ab", []byte{0x20, 'x', 0, 0, 0, 0, 0, 0}},
		{"padding first", header(short, 0, 0, 0x40, 'a'), "a", []byte{0, 0, 0, 0}},
		{"long form", header(long, 2, 1, 'x', 4, 2, 'a', 'b', 0), "ab", []byte{2, 1, 'x', 0, 0, 0, 0, 0}},
		{"long form, empty", header(long, 4, 0, 2, 0), "", []byte{0, 0, 2, 0}},
		{"end mark", header(short, 0xf0, 0, 0x40, 'a'), "", []byte{0xf0, 0, 0x40, 'a'}},
		{"beyond the end", header(short, 0x4f, 'a', 'b', 'c'), "", []byte{0x4f, 'a', 'b', 'c'}},
		{"of something else", header([2]byte{0xab, 0xcd}, 0x40, 'a', 0, 0), "", []byte{0x40, 'a', 0, 0}},
	} {
		if n, ok := rtp.Check(test.header); !ok || n != len(test.header) {
			t.Fatalf("%s: the test's header is wrong", test.name)
		}
		if value, _ := extension(test.header, 4); string(value) != test.value {
			t.Errorf("%s: value %q, want %q", test.name, value, test.value)
		}
		scrub(test.header, 1<<2)
		if got := test.header[16:]; !bytes.Equal(got, test.keeps2) {
			t.Errorf("%s: %x is left, want %x", test.name, got, test.keeps2)
		}
	}
}

// FuzzExtensions goes through whatever header a peer may send.
func FuzzExtensions(f *testing.F) {
	f.Add(header(short, 0x40, 'a', 0, 0))
	f.Add(header(long, 4, 2, 'a', 'b'))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, ok := rtp.Check(b)
		if !ok || b[0]&hasExtension == 0 {
			return
		}
		extension(b[:n], 4)
		scrub(b[:n], 0)
		if value, ok := extension(b[:n], 4); ok && len(bytes.Trim(value, "\x00")) > 0 {
			t.Errorf("%x passed", value)
		}
	})
}

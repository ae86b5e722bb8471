package media

import (
	"encoding/binary"
	"iter"
	"slices"

	"github.com/sparkleim/sparkle/media/negotiate"
)

// hasExtension is the bit of the first byte of RTP that tells of a header
// extension (RFC 3550 §5.1).
const hasExtension = 0x10

// element is one header extension.
type element struct {
	id         int
	all, value []byte // all: with what tells ID and length
}

// elements goes through the header extensions of a packet (RFC 8285 §4.2, §4.3)
// whose header was checked.
func elements(header []byte) iter.Seq[element] {
	return func(yield func(element) bool) {
		at := 12 + 4*int(header[0]&0x0f)
		profile, b := binary.BigEndian.Uint16(header[at:]), header[at+4:]
		long := profile&0xfff0 == 0x1000
		if !long && profile != 0xbede {
			return
		}
		for len(b) > 1 {
			if b[0] == 0 { // padding
				b = b[1:]
				continue
			}
			id, start, n := int(b[0]>>4), 1, int(b[0]&0x0f)+2
			if long {
				id, start, n = int(b[0]), 2, int(b[1])+2
			}
			if n > len(b) || !long && id == 15 || !yield(element{id, b[:n], b[start:n]}) {
				return
			}
			b = b[n:]
		}
	}
}

// extension finds the value of a header extension.
func extension(header []byte, id int) (value []byte, ok bool) {
	if header[0]&hasExtension == 0 {
		return nil, false
	}
	for e := range elements(header) {
		if e.id == id {
			return e.value, true
		}
	}
	return nil, false
}

// scrub makes padding of the extensions that the other leg did not agree to: its
// numbers mean something else, and a MID is of one leg only.
func scrub(header []byte, keep uint16) {
	for e := range elements(header) {
		if e.id > 14 || keep&(1<<e.id) == 0 {
			clear(e.all)
		}
	}
}

// shared are the extensions with the same ID and meaning at two streams, a bit
// an ID, without those that name a transport.
func shared(a, b *negotiate.Stream) (ids uint16) {
	for _, e := range a.Exts {
		if e.ID > 0 && e.ID < 15 && e.ID != a.MIDExt && e.ID != b.MIDExt && slices.Contains(b.Exts, e) {
			ids |= 1 << e.ID
		}
	}
	return ids
}

package rtp

import (
	"bytes"
	"testing"

	"github.com/pion/rtp"
)

func TestCheck(t *testing.T) {
	fixed := func(first byte, more ...byte) []byte {
		return append([]byte{first, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}, more...)
	}
	for name, c := range map[string]struct {
		b      []byte
		header int
		ok     bool
	}{
		"nothing":                      {nil, 0, false},
		"eleven bytes":                 {fixed(0x80)[:11], 0, false},
		"header alone":                 {fixed(0x80), 12, true},
		"version 1":                    {fixed(0x40), 0, false},
		"version 3":                    {fixed(0xC0), 0, false},
		"two CSRCs":                    {fixed(0x82, make([]byte, 8)...), 20, true},
		"two CSRCs, half of one":       {fixed(0x82, make([]byte, 6)...), 20, false},
		"empty extension":              {fixed(0x90, 0xBE, 0xDE, 0, 0), 16, true},
		"extension of a word":          {fixed(0x90, 0xBE, 0xDE, 0, 1, 1, 2, 3, 4, 5), 20, true},
		"extension longer than packet": {fixed(0x90, 0xBE, 0xDE, 0xFF, 0xFF), 16 + 4*0xFFFF, false},
		"extension without length":     {fixed(0x90, 0xBE, 0xDE), 0, false},
		"encrypted padding":            {fixed(0xA0, 200), 12, true},
	} {
		if header, ok := Check(c.b); ok != c.ok || ok && header != c.header {
			t.Errorf("%s: %d, %v", name, header, ok)
		}
	}
}

func TestFields(t *testing.T) {
	b := packet(0xFFFFFFFF, 0xFFFF, 0xFFFFFFFF, 127, 9)
	SetMarker(b, true)
	SetPayloadType(b, 5)
	SetSequence(b, 6)
	SetTimestamp(b, 7)
	SetSSRC(b, 8)
	if PayloadType(b) != 5 || b[1] != 0x85 || Sequence(b) != 6 || Timestamp(b) != 7 || SSRC(b) != 8 {
		t.Errorf("wrote one thing and read another: %x", b)
	}
	SetMarker(b, false)
	SetPayloadType(b, 0x85)
	if p := read(t, b); p.Marker || p.PayloadType != 5 || p.SequenceNumber != 6 || p.Timestamp != 7 || p.SSRC != 8 || p.Payload[0] != 9 {
		t.Errorf("%+v", p)
	}
}

// FuzzPacket holds Check against another reader, and sends what passes through
// all machines.
func FuzzPacket(f *testing.F) {
	f.Add(packet(1, 2, 3, 0, 1, 2, 3), uint8(3))
	f.Add(packet(1, 2, 3, 101, 5, 0, 1, 2), uint8(9))
	f.Add([]byte("\xb1\x65\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\xbe\xde\x00\x01\x10\x01\x00\x00\x05\x00\x00\x04"), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, repeats uint8) {
		header, ok := Check(b)
		var theirs rtp.Header
		if n, err := theirs.Unmarshal(b); err == nil && theirs.Version == 2 && (!ok || n != header) {
			t.Fatalf("header of %d bytes, we say %d, %v", n, header, ok)
		}
		if !ok {
			return
		}
		var receiver Receiver
		rewriter := NewRewriter(Video, true)
		for i := range repeats {
			c := bytes.Clone(b)
			SetSequence(c, Sequence(c)+uint16(i)*977)
			receiver.Receive(c, header, digits, int64(i)*ms)
			if rewriter.Rewrite(c, header, digits, int64(i)*ms) == Pass && SSRC(c) != rewriter.SSRC() {
				t.Fatal("another SSRC went out")
			}
		}
	})
}

package rtp

import "testing"

// Somebody dials 1, 1, # and holds a key for long, over a line that loses and
// repeats packets.
func TestKeys(t *testing.T) {
	var e Events
	var dialled []byte
	press := func(ssrc, ts uint32, code byte, duration uint16, end bool) {
		t.Helper()
		flags := byte(10)
		if end {
			flags |= 0x80
		}
		b := packet(ssrc, 0, ts, 101, code, flags, byte(duration>>8), byte(duration))
		if key, ok := e.Receive(b, 12, digits); ok {
			dialled = append(dialled, key)
		}
	}
	expect := func(want string) {
		t.Helper()
		if string(dialled) != want {
			t.Fatalf("dialled %q, want %q", dialled, want)
		}
	}
	for d := uint16(160); d <= 800; d += 160 {
		press(1, 1000, 1, d, false)
	}
	for range 3 {
		press(1, 1000, 1, 960, true)
	}
	expect("1")
	press(1, 5000, 1, 960, true) // only its end arrived
	expect("11")
	press(1, 1000, 1, 960, true) // the first one's, late
	expect("11")
	press(1, 9000, 11, 160, false)
	expect("11#")
	press(1, 20_000, 15, 65_535, false)
	press(1, 20_000+65_535, 15, 800, true) // RFC 4733 §2.5.1.3
	expect("11#D")
	press(1, 100_000, 16, 160, false) // a hook flash is no key
	press(2, 7, 0, 160, false)        // after a transfer another phone
	expect("11#D0")
}

func TestNoKeys(t *testing.T) {
	var e Events
	padded := packet(1, 0, 5, 101, 1, 0, 0, 9)
	padded[0] |= 0x20 // the last byte says 9 bytes of padding
	for name, b := range map[string][]byte{
		"short":       packet(1, 0, 5, 101, 1, 0, 0),
		"empty":       packet(1, 0, 5, 101),
		"all padding": padded,
	} {
		if key, ok := e.Receive(b, 12, digits); ok {
			t.Errorf("%s: %c", name, key)
		}
	}
	if _, ok := e.Receive(packet(1, 0, 5, 0, 1, 2, 3, 4), 12, pcmu); ok {
		t.Error("voice was taken for a key")
	}
	if _, ok := e.Receive(packet(1, 0, 5, 0, 1, 2, 3, 4), 12, nil); ok {
		t.Error("an unknown payload was taken for a key")
	}
}

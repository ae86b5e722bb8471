package media_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// TestDigitsBetweenClocks presses keys at a phone whose events have the clock of
// Opus, for one that knows them by 8 kHz only, and back: each hears them under its
// own number, as long as they were pressed.
func TestDigitsBetweenClocks(t *testing.T) {
	e := newEngine(t)
	caller, callee := newPhone(t, plainPhone, "audio"), newPhone(t, sdesPhone, "audio")
	caller.lines[0].codecs = []codec{{96, "opus/48000/2"}, {97, "telephone-event/48000"}}
	callee.lines[0].codecs = []codec{{96, "opus/48000/2"}, {101, "telephone-event/8000"}}
	c := newCall(t, e, caller, callee)
	c.talk(5)
	c.press(caller.lines[0], 960, callee.lines[0], 160)
	c.press(callee.lines[0], 320, caller.lines[0], 1920)
	c.talk(5)
}

// press sends an event of so long that the other side must hear as so long, by the
// ticks of their clocks.
func (c *call) press(from *line, ticks uint16, to *line, want uint16) {
	c.t.Helper()
	before := to.count()
	p := from.next()
	p.PayloadType, p.Payload = from.eventNumber(), binary.BigEndian.AppendUint16([]byte{5, 10}, ticks)
	from.media.conn.WriteToUDPAddrPort(from.seal(p), from.remote)
	to.await("the key", func() bool { return len(to.heard) > before })
	got := to.heard[before]
	if got.PayloadType != to.eventNumber() || len(got.Payload) != 4 || got.Payload[0] != 5 || binary.BigEndian.Uint16(got.Payload[2:]) != want {
		c.t.Errorf("number %d, payload %x, want number %d and %d ticks", got.PayloadType, got.Payload, to.eventNumber(), want)
	}
}

// eventNumber is the payload number of telephone events (RFC 4733) that was agreed.
func (l *line) eventNumber() uint8 {
	i := slices.IndexFunc(l.codecs, func(c codec) bool { return strings.HasPrefix(c.name, "telephone-event/") })
	if i < 0 {
		l.phone.Fatalf("%s has no telephone events: %v", l.phone.name, l.codecs)
	}
	return l.codecs[i].number
}

package rtp

import "encoding/binary"

const (
	eventSize    = 4 // bytes, RFC 4733 §2.3
	longestEvent = 0xffff
	eventKeys    = "0123456789*#ABCD" // RFC 4733 §3.2
)

// Events finds the keys that a peer presses (RFC 4733). Its zero value is ready.
type Events struct {
	began    bool
	code     byte
	ssrc     uint32
	ts       uint32
	duration uint16
}

// Receive reads a packet of a telephone-event payload and tells each key once,
// with its first packet that arrives: 0-9, *, #, A-D. What was pressed may be a
// secret: not for logs.
func (e *Events) Receive(b []byte, header int, p *Payload) (key byte, ok bool) {
	body := payload(b, header)
	if p == nil || !p.Event || len(body) < eventSize || int(body[0]) >= len(eventKeys) {
		return 0, false
	}
	now := Events{true, body[0], SSRC(b), Timestamp(b), binary.BigEndian.Uint16(body[2:])}
	if e.began && e.ssrc == now.ssrc {
		switch ahead := int32(now.ts - e.ts); {
		case ahead < 0:
			return 0, false // of a key before
		case ahead == 0:
			e.duration = max(e.duration, now.duration)
			return 0, false
		case now.code == e.code && e.duration == longestEvent && ahead == longestEvent:
			*e = now // RFC 4733 §2.5.1.3: the next segment of a long press
			return 0, false
		}
	}
	*e = now
	return eventKeys[now.code], true
}

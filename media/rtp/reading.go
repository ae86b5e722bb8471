package rtp

import (
	"encoding/binary"
	"time"
)

// Blocks of extended reports (RFC 3611 §4).
const (
	blockReference = 4
	blockDLRR      = 5
	blockVoIP      = 7
)

// Heard is what an RTCP packet held.
type Heard struct {
	Bye      bool  // a source of the peer ended; others go on, so does the call
	Feedback Kinds // give it to Feedback.Translate when not 0
}

// Read takes what the peer sent, decrypted. false: it is malformed and had no
// effect. Reduced size (RFC 5506) is accepted.
func (r *Reports) Read(b []byte, now int64) (Heard, bool) {
	var heard Heard
	if !wellFormed(b) {
		return heard, false
	}
	for len(b) > 0 {
		var c control
		c, b = next(b)
		switch c.kind {
		case typeSR:
			r.readSender(c.body, now)
			r.readBlocks(c.body[4+senderInfo:], int(c.count), now)
		case typeRR:
			r.readBlocks(c.body[4:], int(c.count), now)
		case typeBYE:
			for i := range int(c.count) {
				r.in.goodbye(binary.BigEndian.Uint32(c.body[4*i:]))
				heard.Bye = true
			}
		case typeXR:
			r.readExtended(c.body, now)
		default:
			heard.Feedback |= c.feedback()
		}
	}
	return heard, true
}

// readSender keeps the clock of a source that we know. A sender without a wall
// clock says 0 (RFC 3550 §6.4.1).
func (r *Reports) readSender(body []byte, now int64) {
	s, ntp := r.in.known(binary.BigEndian.Uint32(body)), binary.BigEndian.Uint64(body[4:])
	if s != nil && ntp != 0 {
		s.clock = senderClock{ntp: ntp, ts: binary.BigEndian.Uint32(body[12:]), at: now}
	}
}

// readBlocks takes what the peer says about our stream.
func (r *Reports) readBlocks(b []byte, count int, now int64) {
	for ; count > 0; count, b = count-1, b[reportBlock:] {
		if binary.BigEndian.Uint32(b) != r.out.SSRC() {
			continue
		}
		r.heard.Fraction = float64(b[4]) / 256
		lost := int32(binary.BigEndian.Uint32(b[4:])<<8) >> 8 // RFC 3550 §6.4.1: signed, 24 bits
		r.heard.Lost = uint64(max(0, lost))
		r.heard.Jitter = duration(binary.BigEndian.Uint32(b[12:]), r.out.rate())
		r.measure(binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:]), now)
	}
}

// measure finds the round trip: since a sender report of ours, less the time the
// peer kept it (RFC 3550 §6.4.1).
func (r *Reports) measure(middle, kept uint32, now int64) {
	for _, s := range r.sent {
		if s.at == 0 || s.middle != middle {
			continue
		}
		if trip := now - s.at - fromMiddle(kept); trip > 0 {
			r.heard.RoundTrip = time.Duration(trip)
		}
		return
	}
}

// readExtended reads the blocks that are of use here.
func (r *Reports) readExtended(body []byte, now int64) {
	sender := binary.BigEndian.Uint32(body)
	for b := body[4:]; len(b) > 0; {
		size := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		block := b[4:size]
		switch {
		case b[0] == blockReference && len(block) >= 8:
			r.asker = reference{sender, middle(binary.BigEndian.Uint64(block)), now}
		case b[0] == blockVoIP && len(block) >= 32 && binary.BigEndian.Uint32(block) == r.out.SSRC():
			r.readVoIP(block)
		}
		b = b[size:]
	}
}

// readVoIP takes the conversational MOS, or that of listening alone (RFC 3611
// §4.7.5: in tenths, 127 for unknown).
func (r *Reports) readVoIP(block []byte) {
	for _, mos := range [2]uint8{block[23], block[22]} {
		if mos >= 10 && mos <= 50 {
			r.heard.MOS = float64(mos) / 10
			return
		}
	}
}

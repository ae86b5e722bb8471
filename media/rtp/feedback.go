package rtp

import (
	"encoding/binary"
	"time"
)

// Kinds is a set of feedback messages, each named as a=rtcp-fb offers it.
type Kinds uint16

const (
	PLI   Kinds = 1 << iota // picture loss (RFC 4585 §6.3.1): "nack pli"
	SLI                     // slice loss (RFC 4585 §6.3.2): "nack sli"
	RPSI                    // reference picture (RFC 4585 §6.3.3): "ack rpsi", "nack rpsi"
	NACK                    // lost packets (RFC 4585 §6.2.1): "nack"
	FIR                     // full intra request (RFC 5104 §4.3.1): "ccm fir"
	TMMBR                   // bit rate limit and its notification (RFC 5104 §4.2): "ccm tmmbr"
	REMB                    // estimated bit rate: "goog-remb"
)

// Formats of feedback (RFC 4585 §6.2, §6.3, RFC 5104 §4).
const (
	formatNACK  = 1 // RTPFB
	formatTMMBR = 3
	formatTMMBN = 4

	formatPLI  = 1 // PSFB
	formatSLI  = 2
	formatRPSI = 3
	formatFIR  = 4
	formatAFB  = 15 // application layer: REMB
)

// pictureGap is the least time between two requests for a whole picture: one is
// on its way already, and pictures are expensive.
const pictureGap = int64(200 * time.Millisecond)

// Feedback is what one peer asks and is asked about one stream.
type Feedback struct {
	out     *Rewriter
	allowed Kinds

	pictureAt int64 // when the peer was last asked for a picture, 0: never
	commands  uint8 // number of the last FIR to the peer (RFC 5104 §4.3.1.1)

	asked   int       // number of the last FIR of the peer that was passed, -1: none
	passed  uint8     // the number that it got
	askedOf *Feedback // and whom it went to
}

// NewFeedback of one stream: out is what the peer is sent; allowed is what the
// peer understands when it is asked.
func NewFeedback(out *Rewriter, allowed Kinds) *Feedback {
	return &Feedback{out: out, allowed: allowed, asked: -1}
}

// SetAllowed after a new offer and answer.
func (f *Feedback) SetAllowed(k Kinds) { f.allowed = k }

// feedback tells of which kind a packet is, 0 for none that is passed on.
func (c control) feedback() Kinds {
	switch {
	case c.kind == typeOldFIR:
		return FIR
	case c.kind == typeRTPFB && c.count == formatNACK:
		return NACK
	case c.kind == typeRTPFB && (c.count == formatTMMBR || c.count == formatTMMBN):
		return TMMBR
	case c.kind != typePSFB:
		return 0
	}
	switch c.count {
	case formatPLI:
		return PLI
	case formatSLI:
		return SLI
	case formatRPSI:
		return RPSI
	case formatFIR:
		return FIR
	case formatAFB:
		if len(c.body) >= feedbackHead+8 && string(c.body[feedbackHead:feedbackHead+4]) == remb {
			return REMB
		}
	}
	return 0
}

// Translate appends to dst what the peer of f asks in the RTCP packet b, as the
// peer of to has to read it; dst comes back as it was when there is nothing to
// pass. A request for a picture in a form that to does not know takes one that
// it knows; other feedback that it does not know is dropped.
func (f *Feedback) Translate(dst, b []byte, to *Feedback, now int64) []byte {
	media, ok := f.out.Source()
	if !ok || !wellFormed(b) {
		return dst
	}
	for len(b) > 0 {
		var c control
		c, b = next(b)
		switch kind := c.feedback(); kind {
		case 0:
		case PLI, FIR:
			dst = f.picture(dst, c, to, media, now)
		default:
			if to.allowed&kind != 0 {
				dst = f.pass(dst, c, kind, to, media)
			}
		}
	}
	return dst
}

// pass translates what is no request for a picture.
func (f *Feedback) pass(dst []byte, c control, kind Kinds, to *Feedback, media uint32) []byte {
	listed := kind == TMMBR || kind == REMB // the entries name the SSRC, the head is 0 (RFC 5104 §4.2.1.2)
	if !listed && binary.BigEndian.Uint32(c.body[4:]) != f.out.SSRC() {
		return dst
	}
	start := len(dst)
	dst = appendControl(dst, c.count, c.kind, to.out.SSRC())
	if listed {
		dst = append(dst, 0, 0, 0, 0)
	} else {
		dst = binary.BigEndian.AppendUint32(dst, media)
	}
	body, entries := c.body[feedbackHead:], len(dst)
	switch kind {
	case NACK:
		dst = f.appendLost(dst, body)
	case SLI:
		dst = append(dst, body...)
	case RPSI:
		dst = f.appendReference(dst, body)
	case TMMBR:
		dst = f.appendLimits(dst, body, media)
	case REMB:
		dst = f.appendEstimate(dst, body, media)
	}
	lifted := kind == TMMBR && c.count == formatTMMBN && len(body) == 0 // RFC 5104 §4.2.2.1: no limit holds
	if len(dst) == entries && !lifted {
		return dst[:start]
	}
	return finish(dst, start)
}

// picture passes a request for a whole picture.
func (f *Feedback) picture(dst []byte, c control, to *Feedback, media uint32, now int64) []byte {
	switch {
	case c.kind == typeOldFIR: // its SSRC is that of the one or of the other
		return to.request(dst, media, FIR, now)
	case c.count == formatFIR:
		return f.command(dst, c.body[feedbackHead:], to, media, now)
	case binary.BigEndian.Uint32(c.body[4:]) == f.out.SSRC():
		return to.request(dst, media, PLI, now)
	}
	return dst
}

// command passes a FIR, whose entries are an SSRC and a command number each (RFC
// 5104 §4.3.1.1). A number that was seen before is the same command, repeated in
// case it was lost: it keeps the number that it got.
func (f *Feedback) command(dst, entries []byte, to *Feedback, media uint32, now int64) []byte {
	for len(entries) >= 8 && binary.BigEndian.Uint32(entries) != f.out.SSRC() {
		entries = entries[8:]
	}
	if len(entries) < 8 {
		return dst
	}
	number := int(entries[4])
	if number == f.asked && f.askedOf == to && to.allowed&FIR != 0 {
		return to.appendFIR(dst, media, f.passed)
	}
	start := len(dst)
	if dst = to.request(dst, media, FIR, now); len(dst) > start {
		f.asked, f.passed, f.askedOf = number, to.commands, to
	}
	return dst
}

// Picture appends a request of our own for a whole picture to the peer, whose
// video SSRC is source: PLI or FIR, nothing when neither is allowed or when one
// was sent in the last 200 ms.
func (f *Feedback) Picture(dst []byte, source uint32, now int64) []byte {
	return f.request(dst, source, PLI, now)
}

// request asks for a picture in the form that is wanted, or the other.
func (f *Feedback) request(dst []byte, source uint32, wanted Kinds, now int64) []byte {
	if f.pictureAt != 0 && now-f.pictureAt < pictureGap {
		return dst
	}
	if f.allowed&wanted == 0 {
		wanted = (PLI | FIR) &^ wanted & f.allowed
	}
	switch wanted {
	case PLI:
		start := len(dst)
		dst = appendControl(dst, formatPLI, typePSFB, f.out.SSRC())
		dst = finish(binary.BigEndian.AppendUint32(dst, source), start)
	case FIR:
		f.commands++
		dst = f.appendFIR(dst, source, f.commands)
	default:
		return dst
	}
	f.pictureAt = now
	return dst
}

// appendFIR appends a full intra request (RFC 5104 §4.3.1.1).
func (f *Feedback) appendFIR(dst []byte, source uint32, number uint8) []byte {
	start := len(dst)
	dst = appendControl(dst, formatFIR, typePSFB, f.out.SSRC())
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, source)
	return finish(append(dst, number, 0, 0, 0), start)
}

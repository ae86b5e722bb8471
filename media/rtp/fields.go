package rtp

import (
	"encoding/binary"
	"math/bits"
)

const remb = "REMB"

// appendLost translates the entries of a NACK: a packet number and a bit for
// each of the 16 after it (RFC 4585 §6.2.1). Numbers of an earlier source are
// left out: nobody has those packets any more.
func (f *Feedback) appendLost(dst, entries []byte) []byte {
	for ; len(entries) >= 4; entries = entries[4:] {
		first := binary.BigEndian.Uint16(entries)
		lost := uint32(binary.BigEndian.Uint16(entries[2:]))<<1 | 1 // bit i: first+i
		for left := lost; left != 0; left &= left - 1 {
			i := bits.TrailingZeros32(left)
			if _, ok := f.out.origin(first + uint16(i)); !ok {
				lost &^= 1 << i
			}
		}
		if lost == 0 {
			continue
		}
		skip := bits.TrailingZeros32(lost)
		origin, _ := f.out.origin(first + uint16(skip))
		dst = binary.BigEndian.AppendUint16(dst, origin)
		dst = binary.BigEndian.AppendUint16(dst, uint16(lost>>skip>>1))
	}
	return dst
}

// appendReference translates a reference picture selection, which names a
// payload number (RFC 4585 §6.3.3.2).
func (f *Feedback) appendReference(dst, body []byte) []byte {
	p := f.out.payload
	if len(body) < 4 || p == nil || body[1]&0x7f != p.To {
		return dst
	}
	at := len(dst)
	dst = append(dst, body...)
	dst[at+1] = p.From
	return dst
}

// appendLimits translates the entries of TMMBR and TMMBN that are about our
// stream or were set by us: an SSRC, a bit rate and an overhead (RFC 5104 §4.2.1.1,
// §4.2.2.1).
func (f *Feedback) appendLimits(dst, entries []byte, ssrc uint32) []byte {
	for ; len(entries) >= 8; entries = entries[8:] {
		if binary.BigEndian.Uint32(entries) == f.out.SSRC() {
			dst = binary.BigEndian.AppendUint32(dst, ssrc)
			dst = append(dst, entries[4:8]...)
		}
	}
	return dst
}

// appendEstimate translates a REMB: its name, a count and a bit rate, then the
// SSRCs that share it (draft-alvestrand-rmcat-remb §2.2).
func (f *Feedback) appendEstimate(dst, body []byte, ssrc uint32) []byte {
	ours := false
	for list := body[8:]; len(list) >= 4; list = list[4:] {
		ours = ours || binary.BigEndian.Uint32(list) == f.out.SSRC()
	}
	if !ours {
		return dst
	}
	dst = append(dst, body[:8]...)
	dst[len(dst)-4] = 1
	return binary.BigEndian.AppendUint32(dst, ssrc)
}

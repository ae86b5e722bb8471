package rtp

import "encoding/binary"

// Packet types of RTCP (RFC 3550 §12.1, RFC 4585 §6.1, RFC 3611 §2).
const (
	typeOldFIR = 192 // RFC 2032 §5.2.1: a whole picture, as old phones ask for it
	typeSR     = 200
	typeRR     = 201
	typeSDES   = 202
	typeBYE    = 203
	typeAPP    = 204
	typeRTPFB  = 205
	typePSFB   = 206
	typeXR     = 207
)

const (
	controlHeader = 4  // bytes before the body of an RTCP packet
	senderInfo    = 20 // of an SR
	reportBlock   = 24
	feedbackHead  = 8 // SSRC of the sender and of the media
)

// control is one packet of a compound.
type control struct {
	count uint8 // or the format of feedback
	kind  uint8
	body  []byte // after the first word, without padding
}

// wellFormed tells whether b is RTCP from end to end (RFC 3550 A.2), and every
// packet in it long enough for what it says to hold. Nobody looks into b before.
// What comes first is free (RFC 5506).
func wellFormed(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for len(b) > 0 {
		if len(b) < controlHeader || b[0]>>6 != 2 {
			return false
		}
		size := controlHeader + 4*int(binary.BigEndian.Uint16(b[2:]))
		if size > len(b) {
			return false
		}
		if b[0]&0x20 != 0 { // RFC 3550 §6.4.1: in the last packet only, whole words
			padding := int(b[size-1])
			if size != len(b) || padding == 0 || padding%4 != 0 || padding > size-controlHeader {
				return false
			}
		}
		var c control
		if c, b = next(b); !c.complete() {
			return false
		}
	}
	return true
}

// next cuts the first packet off a well-formed compound.
func next(b []byte) (c control, rest []byte) {
	size := controlHeader + 4*int(binary.BigEndian.Uint16(b[2:]))
	end := size
	if b[0]&0x20 != 0 {
		end -= int(b[size-1])
	}
	return control{count: b[0] & 0x1f, kind: b[1], body: b[controlHeader:end]}, b[size:]
}

// complete tells whether the body holds what the header says.
func (c control) complete() bool {
	n := len(c.body)
	switch c.kind {
	case typeSR:
		return n >= 4+senderInfo+int(c.count)*reportBlock
	case typeRR:
		return n >= 4+int(c.count)*reportBlock
	case typeBYE:
		return n >= 4*int(c.count)
	case typeRTPFB, typePSFB:
		return n >= feedbackHead
	case typeXR:
		return n >= 4 && blocksFit(c.body[4:])
	case typeAPP:
		return n >= 8
	case typeOldFIR:
		return n >= 4
	default:
		// RFC 5761 §4: these are the types of RTCP; unknown ones are passed over.
		return c.kind >= 192 && c.kind <= 223
	}
}

// blocksFit tells whether the report blocks of an XR packet fill it (RFC 3611 §3).
func blocksFit(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 4 {
			return false
		}
		size := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if size > len(b) {
			return false
		}
		b = b[size:]
	}
	return true
}

// appendControl begins an RTCP packet; finish sets its length.
func appendControl(dst []byte, count, kind uint8, ssrc uint32) []byte {
	dst = append(dst, 0x80|count, kind, 0, 0)
	return binary.BigEndian.AppendUint32(dst, ssrc)
}

// finish sets the length of the packet that began at start (RFC 3550 §6.4.1:
// words less one).
func finish(dst []byte, start int) []byte {
	binary.BigEndian.PutUint16(dst[start+2:], uint16((len(dst)-start)/4-1))
	return dst
}

// appendName appends SDES with the canonical name alone (RFC 3550 §6.5.1).
func appendName(dst []byte, ssrc uint32, cname string) []byte {
	start := len(dst)
	dst = appendControl(dst, 1, typeSDES, ssrc)
	dst = append(dst, 1, uint8(len(cname)))
	dst = append(dst, cname...)
	for dst = append(dst, 0); (len(dst)-start)%4 != 0; {
		dst = append(dst, 0)
	}
	return finish(dst, start)
}

// appendBye says that ssrc ended.
func appendBye(dst []byte, ssrc uint32) []byte {
	start := len(dst)
	return finish(appendControl(dst, 1, typeBYE, ssrc), start)
}

// toNTP is a time in nanoseconds as seconds and their fraction of 2^32 (RFC 3550
// §4). Its zero is that of our clock: only differences have a meaning.
func toNTP(ns int64) uint64 {
	const second = 1_000_000_000
	return uint64(ns/second)<<32 | uint64(ns%second)<<32/second
}

// middle is the part of an NTP time that reports return.
func middle(ntp uint64) uint32 { return uint32(ntp >> 16) }

// fromMiddle is a span of 1/65536 s in nanoseconds.
func fromMiddle(span uint32) int64 { return int64(span) * 1_000_000_000 >> 16 }

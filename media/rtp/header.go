package rtp

import "encoding/binary"

const fixedHeader = 12 // bytes, RFC 3550 §5.1

// Check tells whether b is an RTP packet, and the length of its header with
// CSRCs and extension in bytes. It does not look at padding, which may be encrypted.
func Check(b []byte) (header int, ok bool) {
	if len(b) < fixedHeader || b[0]>>6 != 2 {
		return 0, false
	}
	n := fixedHeader + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 { // RFC 3550 §5.3.1: the extension counts its words
		if len(b) < n+4 {
			return 0, false
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(b[n+2:]))
	}
	return n, n <= len(b)
}

// PayloadType is the payload number of a packet that passed [Check].
func PayloadType(b []byte) uint8 { return b[1] & 0x7f }

// SetPayloadType changes the payload number.
func SetPayloadType(b []byte, pt uint8) { b[1] = b[1]&0x80 | pt&0x7f }

// SetMarker changes the marker bit.
func SetMarker(b []byte, on bool) {
	b[1] &= 0x7f
	if on {
		b[1] |= 0x80
	}
}

// Sequence is the sequence number.
func Sequence(b []byte) uint16 { return binary.BigEndian.Uint16(b[2:]) }

// SetSequence changes the sequence number.
func SetSequence(b []byte, seq uint16) { binary.BigEndian.PutUint16(b[2:], seq) }

// Timestamp is the timestamp, in ticks of the payload's clock.
func Timestamp(b []byte) uint32 { return binary.BigEndian.Uint32(b[4:]) }

// SetTimestamp changes the timestamp.
func SetTimestamp(b []byte, ts uint32) { binary.BigEndian.PutUint32(b[4:], ts) }

// SSRC is the synchronisation source.
func SSRC(b []byte) uint32 { return binary.BigEndian.Uint32(b[8:]) }

// SetSSRC changes the synchronisation source.
func SetSSRC(b []byte, ssrc uint32) { binary.BigEndian.PutUint32(b[8:], ssrc) }

// payload is what follows the header without padding, nil when the padding lies.
func payload(b []byte, header int) []byte {
	end := len(b)
	if b[0]&0x20 != 0 && end > 0 {
		padding := int(b[end-1]) // RFC 3550 §5.1: it counts itself
		if padding == 0 || padding > end-header {
			return nil
		}
		end -= padding
	}
	return b[header:end]
}

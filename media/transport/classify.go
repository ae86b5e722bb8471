package transport

import "encoding/binary"

// Class of a datagram by its first bytes.
type Class uint8

const (
	Unknown Class = iota
	STUN
	DTLS
	RTP
	RTCP
	ZRTP
)

const (
	stunCookie = 0x2112A442 // RFC 8489 §5
	zrtpCookie = 0x5A525450 // "ZRTP", RFC 6189 §5
)

// Classify tells what a datagram is (RFC 7983 §7, RFC 5761 §4). What is too short
// for its class is Unknown.
func Classify(b []byte) Class {
	if len(b) < 8 {
		return Unknown
	}
	cookie := binary.BigEndian.Uint32(b[4:])
	switch first := b[0]; {
	case first < 4:
		if len(b) >= 20 && cookie == stunCookie {
			return STUN
		}
	case first < 20 && first >= 16:
		if len(b) >= 12 && cookie == zrtpCookie {
			return ZRTP
		}
	case first >= 20 && first < 64:
		if len(b) >= 13 { // RFC 6347 §4.1: the header of a record
			return DTLS
		}
	case first >= 128 && first < 192:
		if b[1] >= 192 && b[1] < 224 { // RFC 5761 §4: payload types 64 to 95 are not RTP
			return RTCP
		}
		if len(b) >= 12 {
			return RTP
		}
	}
	return Unknown
}

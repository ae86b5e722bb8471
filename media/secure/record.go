package secure

import (
	"encoding/binary"
	"strconv"
)

// Content types of records (RFC 6347 §4.1).
const (
	changeCipherSpec = 20
	alert            = 21
	handshake        = 22

	recordHeader = 13 // type, version, epoch, sequence number, length
)

// isFlight tells whether a datagram begins with a record of a handshake.
func isFlight(b []byte) bool {
	return len(b) > 0 && (b[0] == handshake || b[0] == changeCipherSpec)
}

// harmless tells whether a handshake may see a datagram. Its state machine ends
// by alerts, application data and malformed records in plaintext, which anybody
// can send; RFC 6347 §4.1.2.7 lets us ignore them. What is encrypted it checks
// itself.
func harmless(b []byte) bool {
	for len(b) > 0 {
		if len(b) < recordHeader {
			return false
		}
		kind, epoch := b[0], binary.BigEndian.Uint16(b[3:])
		end := recordHeader + int(binary.BigEndian.Uint16(b[11:]))
		if end > len(b) {
			return false
		}
		body := b[recordHeader:end]
		switch {
		case epoch > 0 || kind == handshake:
		case kind == changeCipherSpec && len(body) == 1 && body[0] == 1:
		default:
			return false
		}
		b = b[end:]
	}
	return true
}

// plaintextAlert is what an unencrypted alert says, for whoever looks for the
// reason of a handshake that came to no end; "" for other datagrams.
func plaintextAlert(b []byte) string {
	if len(b) != recordHeader+2 || b[0] != alert || binary.BigEndian.Uint16(b[3:]) != 0 {
		return ""
	}
	switch code := b[recordHeader+1]; code {
	case 0:
		return "close_notify"
	case 40:
		return "handshake_failure"
	case 42:
		return "bad_certificate"
	case 46:
		return "certificate_unknown"
	case 70:
		return "protocol_version"
	case 71:
		return "insufficient_security"
	default:
		return "alert " + strconv.Itoa(int(code))
	}
}

package negotiate

import "strings"

// class is what the transport of an m-line means.
type class uint8

const (
	unknown class = iota // nothing that we relay
	avp                  // RTP (RFC 3551)
	savp                 // SRTP by SDES (RFC 3711)
	tls                  // SRTP by DTLS (RFC 5764 §8)
	udptl                // T.38 (ITU-T T.38 Annex D): opaque datagrams
)

// classify reads the transport of an m-line; with feedback, it is one of the
// profiles with an F at the end (RFC 4585 §4.1, RFC 5124).
func classify(proto string) (c class, feedback bool) {
	switch strings.ToUpper(proto) {
	case "RTP/AVP":
		return avp, false
	case "RTP/AVPF":
		return avp, true
	case "RTP/SAVP":
		return savp, false
	case "RTP/SAVPF":
		return savp, true
	case "UDP/TLS/RTP/SAVP":
		return tls, false
	case "UDP/TLS/RTP/SAVPF":
		return tls, true
	case "UDPTL":
		return udptl, false
	}
	return unknown, false
}

// proto is the opposite of classify, for RTP.
func (c class) proto(feedback bool) string {
	name := "RTP/AVP"
	switch c {
	case savp:
		name = "RTP/SAVP"
	case tls:
		name = "UDP/TLS/RTP/SAVP"
	}
	if feedback {
		name += "F"
	}
	return name
}

package negotiate

import (
	"net/netip"

	"github.com/sparkleim/sparkle/media/secure"
)

// Plan is what offer and answer agreed: how to move the packets of a leg. It
// never changes.
type Plan struct {
	Streams []Stream // one an m-line, in their order
}

// Stream is one m-line of a plan.
type Stream struct {
	Kind   string
	Active bool // false: refused or ended (port 0), and nothing else is set
	Opaque bool // not RTP: datagrams pass as they are (T.38)
	// Carrier is the index of the stream whose ports carry this one: its own, or
	// the first of a bundle.
	Carrier  int
	MID      string // of a bundled stream, "" otherwise
	MIDExt   int    // the header extension that has it (RFC 9143 §15), 0: none
	Local    Local
	Remote   netip.AddrPort // zero: unknown yet, or on hold by c=0.0.0.0
	RTCP     netip.AddrPort // as Remote when Mux
	Mux      bool           // RTCP comes and goes by the port of RTP
	Send     bool           // the peer wants to receive
	Receive  bool           // the peer may send
	Keying   Keying
	Inbound  secure.Crypto // SDES: what the peer encrypts with
	Outbound secure.Crypto // SDES: what we encrypt with
	// Client tells for DTLS that we send the ClientHello; Prints are what the
	// certificate of the peer must match, one of them. Other prints or another
	// TLSID than before want a new association (RFC 8842 §4).
	Client bool
	Prints []string
	TLSID  string
	ICE    *ICE // nil: none; otherwise only nominated addresses are sent to
	ZRTP   bool // the peers may key from end to end inside plain RTP
	// Sending are the codecs with the numbers that the peer expects, the first is
	// its favourite; Receiving those that it uses towards us.
	Sending, Receiving []Codec
	Exts               []Extension
	RSize              bool // reduced-size RTCP (RFC 5506) is understood
	Feedback           Feedback
	SSRCs              []uint32 // that the peer announced
}

// Feedback is a set of what both sides of a leg may ask of a sender of video
// (RFC 4585, RFC 5104).
type Feedback uint8

const (
	NACK  Feedback = 1 << iota // "nack"
	PLI                        // "nack pli"
	SLI                        // "nack sli"
	FIR                        // "ccm fir"
	TMMBR                      // "ccm tmmbr"
	REMB                       // "goog-remb"
)

// Drop marks a payload number in a [Map] that has no place at the other leg.
const Drop = 0xff

// Map gives for every payload number of the RTP that comes from one leg the one
// at another, or [Drop].
type Map [128]uint8

// Pair is two streams that are each other's other side.
type Pair struct {
	A, B   int // indices in the plans
	AB, BA Map // from A to B, from B to A
	// Untouched tells that packets pass as they are: both are plain with the same
	// numbers, so that ZRTP inside them works.
	Untouched bool
}

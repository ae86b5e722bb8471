package negotiate

import (
	"net/netip"

	"github.com/sparkleim/sparkle/media/sdp"
	"github.com/sparkleim/sparkle/media/secure"
)

// Remote is what a peer's description says, one entry an m-line.
type Remote struct {
	Lines   []Line
	Bundle  []string // the mids that share one transport (RFC 9143), of the first group
	ICELite bool     // RFC 8839 §5.3
}

// Line is an m-line of a peer.
type Line struct {
	Kind      string         // "audio", "video", "image"…
	Proto     string         // as written: "RTP/SAVP", "UDP/TLS/RTP/SAVPF", "udptl"…
	Port      int            // 0: refused, or no longer used
	Address   netip.AddrPort // zero: nowhere yet (hold by c=0.0.0.0, or ICE will tell)
	RTCP      netip.AddrPort // a=rtcp (RFC 3605), or the port above
	Mux       bool           // a=rtcp-mux
	Direction Direction      // from the peer's side
	Codecs    []Codec        // in its order, with its numbers
	Formats   string         // of a line that is not RTP: as written
	Crypto    []secure.Crypto
	Prints    []string // a=fingerprint of the line, else of the session
	Setup     string   // a=setup (RFC 4145 §4) in lower case; "" when missing
	TLSID     string   // a=tls-id (RFC 8842 §4)
	ICE       *ICE     // nil: no ICE, or none that works
	ZRTP      bool     // a=zrtp-hash
	MID       string   // RFC 5888
	SSRCs     []uint32 // RFC 5576
	Exts      []Extension
	RSize     bool // a=rtcp-rsize (RFC 5506)

	class    class
	keying   Keying     // how it is keyed when we take it
	refused  string     // why we do not take it, "" when we do
	insecure bool       // for want of SRTP
	mismatch bool       // ICE mismatch (RFC 8839 §4.2.5)
	pass     []sdp.Line // what the other side may see
	feedback []feedback
}

// Direction of a stream as its description says (RFC 3264 §5.1): a set of
// [Sends] and [Receives].
type Direction uint8

const (
	Sends    Direction = 1 << iota // towards us
	Receives                       // from us
	Inactive Direction = 0
	SendRecv           = Sends | Receives
)

// ICE is what a peer's description says for ICE (RFC 8839).
type ICE struct {
	Ufrag, Pwd string
	Candidates []Candidate // over UDP with an address; ICE-lite needs none of them
}

// Candidate of a peer.
type Candidate struct {
	Component int // 1: RTP, 2: RTCP
	Address   netip.AddrPort
}

// Extension is a header extension (RFC 8285).
type Extension struct {
	ID  int
	URI string
}

// Codec is a payload format under a number.
type Codec struct {
	Number   uint8
	Name     string // as written; compared without case
	Rate     int    // of the clock, Hz
	Channels int    // 1 when not told
	Params   string // a=fmtp
}

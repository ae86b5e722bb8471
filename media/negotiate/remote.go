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

// Media is what a description says of the media, whoever sends it from wherever.
type Media struct {
	Kind      string // "audio", "video", "image"…
	Direction Direction
	Codecs    []Codec // in order of preference
	Formats   string  // of a line that is not RTP: as written
	Exts      []Extension
	RSize     bool // a=rtcp-rsize (RFC 5506)

	hashes   []string // a=zrtp-hash (RFC 6189 §8)
	pass     []sdp.Line
	feedback []feedback
}

// Line is an m-line of a peer.
type Line struct {
	Media
	Proto   string         // as written: "RTP/SAVP", "UDP/TLS/RTP/SAVPF", "udptl"…
	Port    int            // 0: refused, or no longer used
	Address netip.AddrPort // zero: nowhere yet (hold by c=0.0.0.0, or ICE will tell)
	RTCP    netip.AddrPort // a=rtcp (RFC 3605), or the port above
	Mux     bool           // a=rtcp-mux
	Crypto  []secure.Crypto
	Prints  []string // a=fingerprint of the line, else of the session
	Setup   string   // a=setup (RFC 4145 §4) in lower case; "" when missing
	TLSID   string   // a=tls-id (RFC 8842 §4)
	ICE     *ICE     // nil: no ICE, or none that works
	MID     string   // RFC 5888
	SSRCs   []uint32 // RFC 5576

	class    class
	profileF bool   // the transport is one of those with feedback
	keying   Keying // how it is keyed when we take it
	refusal  refusal
	mismatch bool // of ICE (RFC 8839 §4.2.5)
	hold     bool // c=0.0.0.0
	bundled  bool // shares the transport of the first bundled line
}

// Direction of a stream as its description says (RFC 3264 §5.1): a set of
// [Sends] and [Receives].
type Direction uint8

const (
	Sends    Direction = 1 << iota // towards whom the description is for
	Receives                       // from there
	Inactive Direction = 0
	SendRecv           = Sends | Receives
)

func (d Direction) String() string {
	return [...]string{"inactive", "sendonly", "recvonly", "sendrecv"}[d&SendRecv]
}

// reverse is how the other side calls it (RFC 3264 §6.1).
func (d Direction) reverse() Direction { return (d&Sends)<<1 | (d&Receives)>>1 }

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

// refusal is why we do not take an m-line.
type refusal uint8

const (
	taken        refusal = iota
	ended                // port 0
	noTransport          // a transport that we do not relay
	noCodec              // no format that we know the name of
	noSRTP               // plain RTP where SRTP is required
	noKeys               // SRTP whose keys we cannot or must not use
	plainOnly            // SRTP where the profile forbids it
	noConnection         // setup:holdconn
	noAddress            // neither c= with an address nor ICE
)

func (r refusal) String() string {
	return [...]string{"taken", "port 0", "unknown transport", "no codec in common", "SRTP is required",
		"no SRTP key that can be used (an unknown suite, or the signalling is not encrypted)",
		"SRTP is not allowed here", "DTLS is not wanted now", "no IP address"}[r]
}

// live tells whether packets can be exchanged for the line.
func (l *Line) live() bool { return l.refusal == taken }

// webRTC tells whether the peer is a browser or alike.
func (r *Remote) webRTC() bool { return len(r.Bundle) > 0 && len(r.Lines) > 0 && r.Lines[0].Mux }

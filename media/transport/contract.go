package transport

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrExhausted tells that no pair of ports is free on an address.
var ErrExhausted = errors.New("no media ports are free")

// Config of a network.
type Config struct {
	FirstPort, LastPort int           // inclusive; RTP gets even ones
	Loops               int           // 0: one a processor
	Rest                time.Duration // of a port before it is used again, 0: 30 s
	Log                 *slog.Logger
	Metrics             prometheus.Registerer
}

// Network is the loops and ports of one engine.
type Network struct{}

// New starts the loops.
func New(c Config) (*Network, error) { panic("contract") }

// Close ends the loops and closes all sockets.
func (n *Network) Close() error { panic("contract") }

// Loop gives the loop with the least sockets.
func (n *Network) Loop() *Loop { panic("contract") }

// Free is how many pairs could be opened on an address.
func (n *Network) Free(a netip.Addr) int { panic("contract") }

// Loop reads sockets.
type Loop struct{}

// Do runs f on the loop and waits for it. Not to be called on the loop itself.
func (l *Loop) Do(f func()) { panic("contract") }

// Go runs f on the loop, soon.
func (l *Loop) Go(f func()) { panic("contract") }

// Every calls f on the loop about every d until stop is called on the loop.
func (l *Loop) Every(d time.Duration, f func(now int64)) (stop func()) { panic("contract") }

// Open binds a pair on address a. Handlers are called on the loop.
func (l *Loop) Open(a netip.Addr, rtp, rtcp Handler) (*Pair, error) { panic("contract") }

// Pair is an even port and the odd one above it.
type Pair struct {
	RTP, RTCP *Socket
}

// Close gives the ports back. No handler is called any more when it returns on the loop.
func (p *Pair) Close() { panic("contract") }

// CloseRTCP closes the odd port alone, when RTCP goes over the even one (RFC 5761).
func (p *Pair) CloseRTCP() { panic("contract") }

// Handler takes what a socket receives.
type Handler interface {
	// Packet may change b, of which 64 bytes more can be appended in place and
	// which is not to be kept. at is nanoseconds on the monotonic clock, of the
	// moment the loop woke up.
	Packet(b []byte, from netip.AddrPort, at int64)
}

// Socket is one UDP port.
type Socket struct{}

// Local is its address.
func (s *Socket) Local() netip.AddrPort { panic("contract") }

// Send writes one datagram without waiting: what does not fit is dropped and
// counted. It may be called from any goroutine.
func (s *Socket) Send(b []byte, to netip.AddrPort) { panic("contract") }

// LatchKind says by what a latch learns where the peer is.
type LatchKind uint8

const (
	Proven    LatchKind = iota // by packets that were authenticated: SRTP
	Strict                     // plain RTP of a carrier: the address of the SDP, nothing else
	Learn                      // plain RTP of a user behind NAT
	Nominated                  // by ICE only
)

// Latch is where the peer of one socket is. It is a pure state machine: time
// comes in with each packet.
type Latch struct{}

// NewLatch starts with what the SDP says (signalled is where the peer's
// signalling comes from); allowed judges every address.
func NewLatch(k LatchKind, sdp netip.AddrPort, signalled netip.Addr, allowed func(netip.Addr) bool) *Latch {
	panic("contract")
}

// Remote is where to send, false when nobody may be sent to yet.
func (l *Latch) Remote(at int64) (netip.AddrPort, bool) { panic("contract") }

// Candidate tells whether a plain packet from there is the peer's; it may move
// the latch. header is the packet's RTP header, for SSRC, sequence and payload type.
func (l *Latch) Candidate(from netip.AddrPort, header []byte, at int64) bool { panic("contract") }

// Authenticated tells that a packet from there was proven; it may move the latch.
func (l *Latch) Authenticated(from netip.AddrPort, at int64) { panic("contract") }

// ICE answers the connectivity checks of one peer (RFC 8445 as ICE-lite agent).
type ICE struct{}

// NewICE makes fresh credentials.
func NewICE() *ICE { panic("contract") }

// Local are our ice-ufrag and ice-pwd.
func (i *ICE) Local() (ufrag, pwd string) { panic("contract") }

// SetRemote sets the peer's.
func (i *ICE) SetRemote(ufrag, pwd string) { panic("contract") }

// Check answers a STUN message that came to s. nominated: the peer chose from as
// the address of this component; alive: consent was renewed (RFC 7675).
func (i *ICE) Check(s *Socket, b []byte, from netip.AddrPort) (nominated, alive bool) {
	panic("contract")
}

// Class of a datagram by its first byte (RFC 7983).
type Class uint8

const (
	Unknown Class = iota
	STUN
	DTLS
	RTP
	RTCP
	ZRTP
)

// Classify tells what a datagram is (RFC 7983, RFC 5761 §4).
func Classify(b []byte) Class { panic("contract") }

package media

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Errors that callers tell apart; they wrap a text that helps and leaks nothing.
var (
	ErrMalformed     = errors.New("malformed session description")
	ErrNotAcceptable = errors.New("session description not acceptable") // no common ground, an address that is not allowed
	ErrInsecure      = errors.New("SRTP is required")                   // the profile requires it and the peer does not do it
	ErrState         = errors.New("offer or answer out of turn")        // RFC 3264 §4: glare, an answer without offer
	ErrExhausted     = errors.New("no media ports are free")
)

// Config is what an engine is made of.
type Config struct {
	// Addresses are the relay's own. A leg uses the one whose Bind is its
	// Profile.Local; without any, Profile.Local itself.
	Addresses           []Address
	FirstPort, LastPort int           // 0: 16384 to 32767; RTP even, RTCP odd
	Loops               int           // 0: one a processor
	Silence             time.Duration // no packet at all after the answer for so long: EventSilent; 0: 60 s (on hold: 1 h)
	Log                 *slog.Logger
	Metrics             prometheus.Registerer
}

// Address is one of the relay's: where it binds and, behind a 1:1 NAT, what it
// tells others.
type Address struct{ Bind, Advertise netip.Addr }

// Policy says whether a leg uses SRTP.
type Policy uint8

const (
	Require Policy = iota // no call without
	Prefer                // offered, and taken when offered; plain RTP otherwise
	Forbid                // plain RTP only: a carrier that knows nothing else
)

// Keying is how SRTP keys are agreed in an offer of ours.
type Keying uint8

const (
	SDES  Keying = iota // a=crypto (RFC 4568)
	DTLS                // a=fingerprint (RFC 5763)
	Plain               // none: RTP/AVP
)

// Profile is what one side of a call may and must do.
type Profile struct {
	SRTP   Policy
	Offer  Keying     // in an offer of ours; answers take what is offered, within SRTP
	Secure bool       // signalling is encrypted: keys may be in the SDP
	Local  netip.Addr // the address of ours that the peer's signalling came to
	Peer   netip.Addr // the address that the peer's signalling comes from
	NAT    bool       // the addresses in the peer's SDP may be wrong: learn them (users); false: only what SDP says (carriers)
	// Networks is where media may go to and come from; nil: everywhere but
	// loopback, link-local, multicast and unspecified addresses, unless Peer
	// itself is there.
	Networks []netip.Prefix
	ICE      bool // offer ICE-lite; answers do ICE when it is offered
}

// EventKind is something that a session tells its owner.
type EventKind uint8

const (
	EventSilent EventKind = iota // nothing was received on Leg for Config.Silence: end the call
	EventFailed                  // the media of this session ended by an internal error
	EventAttack                  // many packets that nobody of this call sent; once a minute at most
)

// Event of a session.
type Event struct {
	Kind EventKind
	Leg  *Leg
	Text string // for the log
}

// Engine relays for many sessions. It is safe for concurrent use.
type Engine struct{}

// New makes an engine.
func New(c Config) (*Engine, error) { panic("contract") }

// NewSession makes a session. on is called on a goroutine of the engine and must
// not block; nil for nobody.
func (e *Engine) NewSession(on func(Event)) *Session { panic("contract") }

// Close ends all sessions.
func (e *Engine) Close(ctx context.Context) error { panic("contract") }

// Usage of an engine, for status pages and tests.
type Usage struct {
	Sessions, Legs, Ports, FreePorts int
}

// Usage tells what is in use.
func (e *Engine) Usage() Usage { panic("contract") }

// Session is the media of one call. Its methods and those of its legs are safe
// for concurrent use.
type Session struct{}

// NewLeg makes a leg. It opens no port before its first offer or answer.
func (s *Session) NewLeg(p Profile) *Leg { panic("contract") }

// Connect lets media flow between two legs, and no longer between them and
// whomever they were connected to.
func (s *Session) Connect(a, b *Leg) { panic("contract") }

// Close gives every port back. What Report returned before it stays valid.
func (s *Session) Close() { panic("contract") }

// Leg is one side of a call: a party, or a branch that rings.
type Leg struct{}

// TakeOffer reads an offer of the peer.
func (l *Leg) TakeOffer(sdp []byte) error { panic("contract") }

// MakeAnswer answers the peer's pending offer with what the peer of from
// answered: the same m-lines, in this leg's addresses, keys and numbers.
func (l *Leg) MakeAnswer(from *Leg) ([]byte, error) { panic("contract") }

// MakeOffer offers to the peer what the peer of from offered. from nil: audio in
// the codecs that everybody knows.
func (l *Leg) MakeOffer(from *Leg) ([]byte, error) { panic("contract") }

// TakeAnswer reads an answer to our offer. A later answer to the same offer
// replaces it.
func (l *Leg) TakeAnswer(sdp []byte) error { panic("contract") }

// Rollback takes the pending offer back, whose ever it is: the leg goes on as
// before it (RFC 3261 §14.1, a re-INVITE that was refused).
func (l *Leg) Rollback() { panic("contract") }

// Refuse answers the peer's pending offer with what holds already, as for a
// re-INVITE that changes nothing (session refresh).
func (l *Leg) Refuse() ([]byte, error) { panic("contract") }

// Keying tells what the peer's last offer or answer used for its first stream.
func (l *Leg) Keying() Keying { panic("contract") }

// Held tells whether the peer has put the other side on hold (RFC 3264 §8.4).
func (l *Leg) Held() bool { panic("contract") }

// Close gives the ports of a branch back that did not win.
func (l *Leg) Close() { panic("contract") }

// Report is what was measured on a leg so far, one entry a stream.
func (l *Leg) Report() []StreamReport { panic("contract") }

// StreamReport is the quality of one stream of a leg. "Received" is what came
// from the peer, "sent" what we sent to it.
type StreamReport struct {
	Kind            string // "audio", "video" …
	Codec           string // "opus/48000"
	Security        string // "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"…, with "DTLS " in front; "" for plain RTP; "ZRTP"
	PacketsReceived uint64
	PacketsSent     uint64
	BytesReceived   uint64
	BytesSent       uint64
	Lost            uint64            // of what the peer sent
	LostRemote      uint64            // of what we sent, as the peer reports
	Jitter          time.Duration     // of what the peer sent
	RoundTrip       time.Duration     // 0: unknown
	MOS             float64           // 1 to 4.5 of what the peer sent (G.107), 0: unknown
	Dropped         map[string]uint64 // packets not relayed, by reason
}

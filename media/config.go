package media

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/transport"
)

// Errors that callers tell apart; they wrap a text that helps and leaks nothing.
var (
	ErrMalformed     = negotiate.ErrMalformed     // not a session description
	ErrNotAcceptable = negotiate.ErrNotAcceptable // no common ground, an address that is not allowed
	ErrInsecure      = negotiate.ErrInsecure      // the profile requires SRTP and the peer does not do it
	ErrState         = negotiate.ErrState         // RFC 3264 §4: glare, an answer without offer; or the leg is closed
	ErrExhausted     = transport.ErrExhausted     // no media ports are free
)

// Config is what an engine is made of.
type Config struct {
	// Addresses are the relay's own. A leg uses the one whose Bind is its
	// Profile.Local; without any, Profile.Local itself.
	Addresses           []Address
	FirstPort, LastPort int           // 0: 16384 to 32767; RTP even, RTCP odd
	Reserved            []uint16      // other ports of this program: no peer's media is there
	Loops               int           // 0: one a processor
	Rest                time.Duration // of a port before it is used again, 2 s when no other is free; 0: 30 s
	Silence             time.Duration // no packet at all after the answer for so long: EventSilent; 0: 60 s (on hold: 1 h)
	Log                 *slog.Logger
	Metrics             prometheus.Registerer
}

// withDefaults fills in what zero values stand for.
func (c Config) withDefaults() Config {
	if c.FirstPort == 0 {
		c.FirstPort = 16384
	}
	if c.LastPort == 0 {
		c.LastPort = 32767
	}
	if c.Silence == 0 {
		c.Silence = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Address is one of the relay's: where it binds and, behind a 1:1 NAT, what it
// tells others.
type Address struct{ Bind, Advertise netip.Addr }

// Policy says whether a leg uses SRTP.
type Policy = negotiate.Policy

const (
	Require = negotiate.Require // no call without
	Prefer  = negotiate.Prefer  // offered, and taken when offered; plain RTP otherwise
	Forbid  = negotiate.Forbid  // plain RTP only: a carrier that knows nothing else
)

// Keying is how SRTP keys are agreed in an offer of ours.
type Keying = negotiate.Keying

const (
	SDES  = negotiate.SDES  // a=crypto (RFC 4568)
	DTLS  = negotiate.DTLS  // a=fingerprint (RFC 5763)
	Plain = negotiate.Plain // none: RTP/AVP
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
	Modest   bool // offer without the profiles for feedback (RFC 4585), which old phones refuse
}

// allows tells whether media may go to, and come from, an address.
func (p *Profile) allows(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if p.Networks == nil {
		peer := p.Peer.Unmap().WithZone("")
		return negotiate.Routable(a) || a.IsLoopback() && peer.IsLoopback() || a.IsLinkLocalUnicast() && a == peer
	}
	for _, n := range p.Networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// rules are the profile as offers and answers to an engine see it.
func (p *Profile) rules(e *Engine) *negotiate.Profile {
	return &negotiate.Profile{
		SRTP: p.SRTP, Offer: p.Offer, Secure: p.Secure, ICE: p.ICE,
		Modest:  p.Modest,
		Mux:     p.SRTP != Forbid, // carriers get what they have always got
		Either:  p.NAT,            // users' phones do one of the two, whatever is offered
		Allowed: func(to netip.AddrPort) bool { return p.allows(to.Addr()) && !e.isOurs(to, p) },
	}
}

package negotiate

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/sparkleim/sparkle/media/secure"
)

// Errors that callers tell apart. Their texts say what was wrong, without
// addresses or keys.
var (
	ErrMalformed     = errors.New("malformed session description")
	ErrNotAcceptable = errors.New("session description not acceptable")
	ErrInsecure      = errors.New("SRTP is required")
	ErrState         = errors.New("offer or answer out of turn")
)

// Policy says whether a leg uses SRTP.
type Policy uint8

const (
	Require Policy = iota // nothing without: such an m-line is refused
	Prefer                // offered beside plain RTP (RFC 8643), and taken when offered
	Forbid                // plain RTP only
)

// Keying is how the keys of SRTP are agreed.
type Keying uint8

const (
	SDES  Keying = iota // a=crypto (RFC 4568)
	DTLS                // a=fingerprint (RFC 5763)
	Plain               // none: RTP, or what is relayed unseen
)

// Profile is what one leg may and must do.
type Profile struct {
	SRTP   Policy
	Offer  Keying // in offers of ours; answers take what is offered, within SRTP
	Secure bool   // signalling is encrypted: keys may be in the description (RFC 4568 §8.3)
	Either bool   // offer DTLS beside SDES, for phones that do one of them: the peer chooses (RFC 8643 §3.1)
	ICE    bool   // offer ICE-lite; answers do ICE whenever it is offered
	Mux    bool   // offer rtcp-mux; answers take it whenever it is offered
	Modest bool   // offer without the profiles for feedback (RFC 4585), which old phones refuse
	// Allowed says whether media may go to an address and port of the peer's
	// description; nil: wherever [Routable] says.
	Allowed func(netip.AddrPort) bool
}

// Routable tells whether media may go to a: neither loopback, link-local,
// multicast, broadcast, unspecified, nor where clouds tell their secrets.
func Routable(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return false
	}
	return a != broadcast && !slices.Contains(metadata[:], a) && !thisNetwork.Contains(a)
}

func (p *Profile) allows(to netip.AddrPort) bool {
	if p.Allowed != nil {
		return p.Allowed(to)
	}
	return Routable(to.Addr())
}

// Want is what an m-line of ours needs.
type Want struct {
	Line    int    // its index: the same line wants the same ports again
	Kind    string // "audio", "video", "image"…
	ICE     bool   // credentials
	Restart bool   // fresh ones: the peer restarts ICE (RFC 8839 §4.4.1)
	DTLS    bool   // a fingerprint
}

// Local is what the relay has for an m-line.
type Local struct {
	Address     netip.Addr // as told to the peer
	RTP, RTCP   uint16     // ports
	Ufrag, Pwd  string     // of ICE, when wanted
	Fingerprint string     // of our certificate, "sha-256 AB:…", when wanted
}

// Locals gives what a line needs. It is asked once a description for every line
// that is not refused (of those that are bundled, once for all). Key makes a
// master key; a line keeps its keys as long as the leg lives.
type Locals struct {
	Line func(Want) (Local, error)
	Key  func(secure.Suite) secure.Key
}

// Where no media may go: two of RFC 1122 §3.2.1.3, and where clouds tell of
// themselves beside link-local addresses.
var (
	thisNetwork = netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 8)
	broadcast   = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	metadata    = [...]netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.AddrFrom4([4]byte{100, 100, 100, 200})}
)

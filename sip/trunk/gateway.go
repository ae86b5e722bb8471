package trunk

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// The states of a gateway in [GatewayStatus].
const (
	stateUp      = "up"
	stateDown    = "down"
	stateOut     = "out"
	stateUnknown = "unknown"
)

// When the circuit of a gateway opens, and closes again.
const (
	failedCalls  = 3                // in a row
	failedProbes = 2                // in a row: R9, two intervals
	halfOpen     = 30 * time.Second // after which one call may try a gateway that is not probed
)

// health is the circuit breaker of one gateway: it is told what happened and
// knows whether to try it. Its owner guards it.
type health struct {
	state         string // up, down or unknown
	since         time.Time
	calls, probes int       // failures in a row
	tried         time.Time // of the last call that a half-open circuit let through
	probed        bool      // somebody asks it with OPTIONS
}

func (h *health) set(state string, now time.Time) {
	if h.state != state {
		h.state, h.since = state, now
	}
}

// succeeded is an answer of any kind to a probe or a call.
func (h *health) succeeded(now time.Time) {
	h.calls, h.probes = 0, 0
	h.set(stateUp, now)
}

// callAnswered is a call that the gateway took up. Where probes decide, it does
// not close a circuit that they opened.
func (h *health) callAnswered(now time.Time) {
	if h.state == stateDown && h.probed {
		return
	}
	h.succeeded(now)
}

func (h *health) callFailed(now time.Time) {
	if h.calls++; h.calls >= failedCalls || h.state == stateDown {
		h.set(stateDown, now)
	}
}

func (h *health) probeFailed(now time.Time) {
	if h.probes++; h.probes >= failedProbes || h.state == stateDown {
		h.set(stateDown, now)
	}
}

// allows tells whether a call may try the gateway. A circuit that no probe will
// close lets one call through now and then.
func (h *health) allows(now time.Time) bool {
	if h.state != stateDown {
		return true
	}
	if h.probed || now.Sub(h.since) < halfOpen || now.Sub(h.tried) < halfOpen {
		return false
	}
	h.tried = now
	return true
}

// gateway is one peer of a trunk. Its settings never change: a trunk that is
// changed gets new ones.
type gateway struct {
	store.Gateway
	trunk   *group
	uri     sip.Uri // what is looked up
	sources []netip.Prefix
	tlsName string
	digest  *digest // nil: its challenges are not answered

	mu         sync.Mutex
	health     health
	out        bool
	hops       []transport.Hop
	local      netip.Addr // ours towards the first hop
	latency    time.Duration
	failure    string     // the last one
	registered *time.Time // until when
}

func newGateway(c store.Gateway, t *group) (*gateway, error) {
	g := &gateway{Gateway: c, trunk: t}
	host, port, err := splitAddress(c.Address)
	if err != nil {
		return nil, err
	}
	g.uri = sip.Uri{Scheme: "sip", Host: host, Port: port, UriParams: sip.HeaderParams{{K: "transport", V: c.Transport}}}
	g.tlsName = strings.ToLower(or(c.TLSName, host))
	for _, text := range c.Sources {
		network, err := parseNetwork(text)
		if err != nil {
			return nil, err
		}
		g.sources = append(g.sources, network)
	}
	if t.Username != "" {
		g.digest = &digest{username: t.Username, password: t.Password, realm: t.Realm}
	}
	g.health = health{state: stateUnknown, since: time.Now(), probed: c.Probe >= 0}
	return g, nil
}

// domain is the host that we call the carrier by.
func (g *gateway) domain() string { return hostText(or(g.trunk.Domain, g.uri.Host)) }

// hostText puts brackets round an IPv6 address.
func hostText(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// probeEvery is the time between OPTIONS, 0 for never.
func (g *gateway) probeEvery() time.Duration {
	switch {
	case g.Probe < 0:
		return 0
	case g.Probe == 0:
		return 30 * time.Second
	}
	return time.Duration(g.Probe) * time.Second
}

// status is what an administrator sees.
func (g *gateway) status() GatewayStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := GatewayStatus{
		Name: g.Name, State: g.health.state, Since: g.health.since,
		Registered: g.registered, Latency: g.latency, Error: g.failure,
	}
	if g.out {
		s.State = stateOut
	}
	return s
}

// usable tells whether a call may try this gateway now. Emergency calls try those
// that are down, too.
func (g *gateway) usable(now time.Time, emergency bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.out && (emergency || g.health.allows(now))
}

// open tells the same without using up the try of a half-open circuit.
func (g *gateway) open(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.health
	return !g.out && h.allows(now)
}

// note records what became of something that was sent to the gateway.
func (g *gateway) note(how func(h *health, now time.Time), failure string) (changed bool, state string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.health.state
	how(&g.health, time.Now())
	if failure != "" {
		g.failure = failure
	}
	return before != g.health.state, g.health.state
}

// order is the gateways of a trunk as one call tries them: the lowest priority
// first, of equal ones each by its weight. pick returns a number below its
// argument.
func order(all []*gateway, pick func(int) int) []*gateway {
	rest := slices.Clone(all)
	slices.SortStableFunc(rest, func(a, b *gateway) int { return cmp.Compare(a.Priority, b.Priority) })
	var ordered []*gateway
	for len(rest) > 0 {
		total, same := 0, 0
		for same < len(rest) && rest[same].Priority == rest[0].Priority {
			total += max(rest[same].Weight, 1)
			same++
		}
		n, i := pick(total), 0
		for n -= max(rest[i].Weight, 1); n >= 0; n -= max(rest[i].Weight, 1) {
			i++
		}
		ordered = append(ordered, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return ordered
}

// lookUp finds the addresses of the gateway and remembers them; the old ones
// stay when the name servers do not answer. It blocks.
func (b *Border) lookUp(ctx context.Context, g *gateway) error {
	hops, err := b.cfg.Names.Resolve(ctx, &g.uri)
	if err == nil && len(hops) == 0 {
		err = errNoAddress
	}
	if err != nil {
		return err
	}
	for i := range hops {
		hops[i].Host = or(g.TLSName, hops[i].Host) // what its certificate must show
	}
	local := facing(hops[0].Addr)
	g.mu.Lock()
	changed := !sameAddrs(hops, g.hops)
	g.hops, g.local = hops, local
	g.mu.Unlock()
	if changed {
		b.watchSources()
	}
	return nil
}

func sameAddrs(a, b []transport.Hop) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(h transport.Hop) bool {
		return !slices.ContainsFunc(b, func(o transport.Hop) bool { return h.Addr == o.Addr && h.Transport == o.Transport })
	})
}

func (g *gateway) addresses() []transport.Hop {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hops
}

var errNoAddress = errors.New("the gateway's name has no address")

// dial opens a flow to a hop; over UDP at once, else later, on another goroutine.
// then is told in both cases.
func (b *Border) dial(hop transport.Hop, then func(*transport.Flow, error)) {
	if hop.Transport == transport.UDP {
		then(b.cfg.Stack.UDPFlow(netip.AddrPort{}, hop.Addr))
		return
	}
	go b.guard(func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerTime)
		defer cancel()
		then(b.cfg.Stack.Dial(ctx, hop))
	})
}

// shownBy tells whether a peer has shown a certificate of this gateway: one that
// names its host in the subjectAltName, as a SIP URI without user or as a DNS
// name, and not by a wildcard (RFC 5922 §7.1 and §7.2).
func (g *gateway) shownBy(state *tls.ConnectionState) bool {
	if state == nil || len(state.VerifiedChains) == 0 || len(state.PeerCertificates) == 0 {
		return false
	}
	leaf := state.PeerCertificates[0]
	named := false
	for _, u := range leaf.URIs {
		if strings.EqualFold(u.Scheme, "sip") && !strings.Contains(u.Opaque, "@") {
			named = true
			if strings.EqualFold(u.Opaque, g.tlsName) {
				return true
			}
		}
	}
	if a, err := netip.ParseAddr(g.tlsName); err == nil { // a gateway without a name
		return slices.ContainsFunc(leaf.IPAddresses, func(ip net.IP) bool { return ip.Equal(a.AsSlice()) })
	}
	return !named && slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, g.tlsName) })
}

// sentTo is how a record names an attempt at this gateway.
func (g *gateway) sentTo(u *sip.Uri) string { return "gateway " + g.Name + " " + wire.URIString(u) }

package trunk

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// group is a trunk as it works: its settings, which never change, its gateways,
// and its usage, which a change of the settings does not reset.
type group struct {
	store.Trunk
	plan     plan
	gateways []*gateway
	serves   prefixes
	media    Media
	*usage
	stop    context.CancelFunc // ends its keepers; nil when they do not run
	keepers sync.WaitGroup
}

// usage of one trunk.
type usage struct {
	mu      sync.Mutex
	in, out int
	hour    hourly // outward
}

func newGroup(t store.Trunk) (*group, error) {
	g := &group{Trunk: t, plan: newPlan(t.Numbers), serves: prefixes{t.Prefixes, t.Deny}, usage: new(usage)}
	g.media = Media{SRTP: or(t.SRTP, "forbid"), Secure: true}
	for _, text := range t.Networks {
		p, err := parseNetwork(text)
		if err != nil {
			return nil, err
		}
		g.media.Networks = append(g.media.Networks, p)
	}
	for _, c := range t.Gateways {
		c.Transport = or(c.Transport, "udp")
		gw, err := newGateway(c, g)
		if err != nil {
			return nil, err
		}
		g.gateways = append(g.gateways, gw)
		g.media.Secure = g.media.Secure && c.Transport == "tls"
	}
	return g, nil
}

// inherit takes over what is known from the group that g replaces.
func (g *group) inherit(old *group) {
	g.usage = old.usage
	for _, gw := range g.gateways {
		i := slices.IndexFunc(old.gateways, func(o *gateway) bool {
			return o.Name == gw.Name && o.Address == gw.Address && o.Transport == gw.Transport
		})
		if i < 0 {
			continue
		}
		o := old.gateways[i]
		o.mu.Lock()
		gw.hops, gw.out, gw.latency = o.hops, o.out, o.latency
		gw.health.state, gw.health.since = o.health.state, o.health.since
		o.mu.Unlock()
	}
}

// room tells which limit stops another call outward, "" for none.
func (g *group) room(now time.Time) string {
	g.usage.mu.Lock()
	defer g.usage.mu.Unlock()
	return g.full(now)
}

func (g *group) full(now time.Time) string {
	switch {
	case g.MaxOut > 0 && g.usage.out >= g.MaxOut, g.MaxCalls > 0 && g.usage.in+g.usage.out >= g.MaxCalls:
		return deniedTrunkCalls
	case g.CallsPerHour > 0 && g.usage.hour.count(now) >= g.CallsPerHour:
		return deniedTrunkHour
	}
	return ""
}

// enterOut counts a call outward in, unless the trunk is full.
func (g *group) enterOut(now time.Time, emergency bool) (limit string) {
	g.usage.mu.Lock()
	defer g.usage.mu.Unlock()
	if limit = g.full(now); limit != "" && !emergency {
		return limit
	}
	g.usage.out++
	g.usage.hour.add(now)
	return ""
}

func (g *group) enterIn() bool {
	g.usage.mu.Lock()
	defer g.usage.mu.Unlock()
	if g.MaxIn > 0 && g.usage.in >= g.MaxIn || g.MaxCalls > 0 && g.usage.in+g.usage.out >= g.MaxCalls {
		return false
	}
	g.usage.in++
	return true
}

func (u *usage) leave(in, out int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.in, u.out = u.in-in, u.out-out
}

func (u *usage) calls() (in, out int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.in, u.out
}

// Media is what a trunk demands of media.
type Media struct {
	SRTP     string         // "forbid", "prefer", "require"
	Secure   bool           // signalling is TLS
	Networks []netip.Prefix // nil: what SDP says
	Local    netip.Addr     // ours towards the carrier; the flow of our agent says nothing about it
	Peer     netip.Addr     // of the carrier's signalling
}

// mediaTo is the media of a call to the trunk: towards the gateway that is tried
// first.
func (g *group) mediaTo(now time.Time) Media {
	m := g.media
	best := g.gateways
	if open := slices.DeleteFunc(slices.Clone(best), func(gw *gateway) bool { return !gw.open(now) }); len(open) > 0 {
		best = open
	}
	first := slices.MinFunc(best, func(a, b *gateway) int { return cmp.Compare(a.Priority, b.Priority) })
	first.mu.Lock()
	defer first.mu.Unlock()
	if len(first.hops) > 0 {
		m.Local, m.Peer = first.local, first.hops[0].Addr.Addr()
	}
	return m
}

// mediaFrom is the media of a call that came by f.
func (g *group) mediaFrom(f *transport.Flow) Media {
	m := g.media
	m.Secure = f.Secure()
	m.Peer = f.Remote.Addr().Unmap()
	if m.Local = f.Local.Addr().Unmap(); !m.Local.IsValid() || m.Local.IsUnspecified() {
		m.Local = facing(f.Remote)
	}
	return m
}

// facing is the address of this computer that a peer is reached from, by its
// routing table. Nothing is sent for that.
func facing(peer netip.AddrPort) netip.Addr {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(peer))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	a, _ := netip.AddrFromSlice(conn.LocalAddr().(*net.UDPAddr).IP)
	return a.Unmap()
}

// all trunks, the lowest priority first. The list is not changed.
func (b *Border) all() []*group {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trunks
}

func byPriority(a, b *group) int {
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Name, b.Name))
}

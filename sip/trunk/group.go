package trunk

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

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
	stop context.CancelFunc // ends its keepers; nil when they do not run
}

// usage of one trunk.
type usage struct {
	mu      sync.Mutex
	in, out int
	hour    hourly // outward
}

func newGroup(t store.Trunk) (*group, error) {
	g := &group{Trunk: t, plan: plan{t.Numbers}, serves: prefixes{t.Prefixes, t.Deny}, usage: new(usage)}
	g.media = Media{SRTP: or(t.SRTP, "forbid"), Secure: true}
	for _, text := range t.Networks {
		p, err := parseNetwork(text)
		if err != nil {
			return nil, err
		}
		g.media.Networks = append(g.media.Networks, p)
	}
	for _, c := range t.Gateways {
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

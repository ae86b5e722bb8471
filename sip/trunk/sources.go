package trunk

import (
	"net/netip"
	"slices"

	"github.com/sparkleim/sparkle/sip/transport"
)

// sources tells which gateways send from where. It never changes: names that
// lead elsewhere make a new one.
type sources struct {
	addrs    map[netip.Addr][]place
	networks []network
	secure   []*gateway // those that prove themselves by a certificate
}

// place is an address of a gateway with its port.
type place struct {
	port uint16
	over string
	gw   *gateway
}

type network struct {
	prefix netip.Prefix
	gw     *gateway
}

// watchSources makes the table anew.
func (b *Border) watchSources() {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &sources{addrs: make(map[netip.Addr][]place)}
	for _, t := range b.trunks {
		if t.Disabled {
			continue
		}
		for _, g := range t.gateways {
			s.add(g)
		}
	}
	b.sources.Store(s)
}

func (s *sources) add(g *gateway) {
	if g.Transport == "tls" {
		s.secure = append(s.secure, g)
	}
	for _, hop := range g.addresses() {
		a := hop.Addr.Addr()
		s.addrs[a] = append(s.addrs[a], place{hop.Addr.Port(), hop.Transport, g})
	}
	for _, p := range g.sources {
		s.networks = append(s.networks, network{p, g})
	}
}

// of returns the gateways that a flow may come from.
//
// Over TLS only the name in a certificate counts: theirs as client, or as the
// server that we dialled. Otherwise the address does; of a gateway with networks
// of its own only these. Loopback is no address of anybody in particular: there
// the port counts too.
func (s *sources) of(f *transport.Flow) (from []*gateway) {
	remote := f.Remote.Addr().Unmap()
	if f.Secure() {
		return s.proven(f)
	}
	for _, p := range s.addrs[remote] {
		switch {
		case p.over == transport.TLS, len(p.gw.sources) > 0 && !f.Outbound:
		case remote.IsLoopback() && p.port != f.Remote.Port():
		case !slices.Contains(from, p.gw):
			from = append(from, p.gw)
		}
	}
	for _, n := range s.networks {
		if n.gw.Transport != "tls" && n.prefix.Contains(remote) && !slices.Contains(from, n.gw) {
			from = append(from, n.gw)
		}
	}
	return from
}

// proven returns the gateways that a TLS flow has proved to come from.
func (s *sources) proven(f *transport.Flow) (from []*gateway) {
	if len(s.secure) == 0 {
		return nil // most servers: nobody's certificate is looked at
	}
	state := f.TLS()
	for _, g := range s.secure {
		if g.shownBy(state) || f.Outbound && g.leadsTo(f) {
			from = append(from, g)
		}
	}
	return from
}

// leadsTo tells whether a connection of ours goes to the gateway.
func (g *gateway) leadsTo(f *transport.Flow) bool {
	return slices.ContainsFunc(g.addresses(), func(h transport.Hop) bool {
		return h.Addr == f.Remote && h.Transport == f.Transport
	})
}

// trusts tells whether an address may be sent to in a dialog with this gateway,
// although a name from outside would not lead there.
func (g *gateway) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(g.addresses(), func(h transport.Hop) bool { return h.Addr.Addr() == a }) ||
		slices.ContainsFunc(g.sources, func(p netip.Prefix) bool { return p.Contains(a) })
}

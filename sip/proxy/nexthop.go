package proxy

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// hop is where one copy of a request goes.
type hop struct {
	flow *transport.Flow
	uri  sip.Uri // the Request-URI
	path []string
	user store.UserID // whose device it is, 0 when unknown
}

// hopTo is the hop to a registered device.
func hopTo(t *registrar.Target) hop {
	h := hop{flow: t.Flow, uri: t.Contact, path: t.Path, user: t.User}
	h.uri.Headers = nil // RFC 3261 §19.1.5: headers in a Contact never become headers
	return h
}

// nextHop finds the device at the other side of a dialog by the flow that it had.
// ok is false when that is gone, or says nothing about who is there: then h is
// what [Proxy.relocate] starts from.
func (p *Proxy) nextHop(d *dialogRoute) (h hop, ok bool) {
	h = hop{flow: p.flowOf(d.next), uri: d.uri, user: d.next.user}
	gruu := p.isGRUU(&d.uri)
	switch {
	case h.flow == nil:
		return h, false
	case h.flow.Reliable() && !gruu:
		return h, true // most requests
	}
	here := p.cfg.Locations.ByFlow(h.flow)
	if !gruu {
		return h, len(here) > 0
	}
	t := named(here, &d.uri)
	if t == nil {
		return h, false
	}
	h.uri = t.Contact // RFC 5627 §5.1
	return h, true
}

// named finds the device whose public GRUU is u, nil when it is not here.
func named(here []registrar.Target, u *sip.Uri) *registrar.Target {
	for i := range here {
		t := &here[i]
		if t.GRUU == "" {
			continue
		}
		if g, err := wire.ParseURI(t.GRUU); err == nil && wire.EqualURI(&g, u) {
			return t
		}
	}
	return nil
}

// relocate looks for the device by its Contact or GRUU among the devices of the
// same user, and gives it to then, at once or, when the registrar must look the
// user up, later; ok is false when it cannot be reached now. stay is used when
// its flow is alive and nothing better is known.
func (p *Proxy) relocate(d dialogRoute, stay hop, then func(h hop, ok bool)) {
	if t, ok := p.cfg.Locations.ByContact(&d.uri); ok && reachable(&t) && t.User == d.next.user {
		then(hopTo(&t), true)
		return
	}
	if !p.isGRUU(&d.uri) {
		then(stay, stay.flow != nil)
		return
	}
	choose := func(found registrar.Resolved) {
		for i := range found.Targets {
			t := &found.Targets[i]
			if reachable(t) && t.User == d.next.user {
				then(hopTo(t), true)
				return
			}
		}
		then(stay, stay.flow != nil)
	}
	if found, ok := p.cfg.Locations.Resolve(&d.uri, choose); ok {
		choose(found)
	}
}

// flowOf returns the flow that a token names, nil when it is gone.
func (p *Proxy) flowOf(t token) *transport.Flow {
	if t.remote.IsValid() {
		f, err := p.cfg.Flows.UDPFlow(t.local, t.remote)
		if err != nil {
			return nil // the socket is no longer open
		}
		return f
	}
	f, ok := p.cfg.Flows.Flow(t.flow)
	if !ok || !f.Alive() {
		return nil
	}
	return f
}

// isGRUU tells whether u is a GRUU of our domains.
func (p *Proxy) isGRUU(u *sip.Uri) bool {
	_, ok := wire.URIParam(u, "gr")
	return ok && p.serves(u.Host)
}

func reachable(t *registrar.Target) bool { return t.Flow != nil && t.Flow.Alive() }

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
func hopTo(t registrar.Target) hop {
	h := hop{flow: t.Flow, uri: t.Contact, path: t.Path, user: t.User}
	h.uri.Headers = nil // RFC 3261 §19.1.5: headers in a Contact never become headers
	return h
}

// nextHop finds the device at the other side of a dialog and gives it to then,
// at once or, when the registrar must look its user up, later. ok is false when
// it cannot be reached now.
func (p *Proxy) nextHop(d dialogRoute, then func(h hop, ok bool)) {
	stay := hop{flow: p.flowOf(d.next), uri: d.uri, user: d.next.user}
	gruu := p.isGRUU(&d.uri)
	switch {
	case stay.flow == nil:
		p.relocate(d, stay, then)
		return
	case stay.flow.Reliable() && !gruu:
		then(stay, true) // most requests
		return
	}
	here := p.cfg.Locations.ByFlow(stay.flow)
	t, ok := named(here, &d.uri)
	switch {
	case gruu && ok: // RFC 5627 §5.1: it becomes the Contact
		stay.uri = hopTo(t).uri
		then(stay, true)
	case !gruu && len(here) > 0:
		then(stay, true)
	default:
		p.relocate(d, stay, then)
	}
}

// named finds the device whose public GRUU is u.
func named(here []registrar.Target, u *sip.Uri) (registrar.Target, bool) {
	for _, t := range here {
		if t.GRUU == "" {
			continue
		}
		if g, err := wire.ParseURI(t.GRUU); err == nil && wire.EqualURI(&g, u) {
			return t, true
		}
	}
	return registrar.Target{}, false
}

// relocate looks for the device by its Contact or GRUU among the devices of the
// same user: the flow of the token is gone, or says nothing about who is there.
// stay is used when its flow is alive and nothing better is known.
func (p *Proxy) relocate(d dialogRoute, stay hop, then func(h hop, ok bool)) {
	if t, ok := p.cfg.Locations.ByContact(&d.uri); ok && reachable(t) && t.User == d.next.user {
		then(hopTo(t), true)
		return
	}
	if !p.isGRUU(&d.uri) {
		then(stay, stay.flow != nil)
		return
	}
	choose := func(found registrar.Resolved) {
		for _, t := range found.Targets {
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

func reachable(t registrar.Target) bool { return t.Flow != nil && t.Flow.Alive() }

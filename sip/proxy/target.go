package proxy

import (
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
)

// serveInitial forwards a request that is outside of dialogs, or inside one
// that we know nothing of: to the devices of the user it names. w is nil for
// most.
func (p *Proxy) serveInitial(r *server.Request, w Watcher) {
	hash, breadth, err := p.spread(r)
	if err != nil || r.Transaction() == nil {
		return
	}
	p.Targets(&r.Recipient, func(found registrar.Resolved) {
		defer p.caught(r)
		var room [2]candidate
		set, err := targetSet(room[:0], r, found)
		if err != nil {
			p.refuse(r, nobodyThere, err)
			return
		}
		c := p.newContext(r, r.Transaction(), w)
		c.initial(hash, breadth)
		if err := c.aim(set); err != nil {
			p.metrics.open.Dec()
			p.refuse(r, breadthUsedUp, err)
			return
		}
		c.start()
	})
}

// spread tells how often r may be forwarded (RFC 5393): its hash and its
// breadth. An error was answered.
func (p *Proxy) spread(r *server.Request) (hash string, breadth int, err *server.Error) {
	hash = p.loopHash(r)
	if p.looped(r, hash) {
		err = &server.Error{Status: sip.StatusLoopDetected}
		p.refuse(r, loopFound, err)
		return "", 0, err
	}
	breadth, ok := p.breadth(r)
	if !ok {
		err = errBreadth()
		p.refuse(r, breadthUsedUp, err)
	}
	return hash, breadth, err
}

// Targets finds who is meant by a Request-URI: the devices of an
// address-of-record or the one of a GRUU in our domains, elsewhere the device
// that registered exactly this Contact. Nothing else is a target: we relay to
// nowhere else (RFC 3261 §16.5). In our domains a Contact means nothing: whoever
// registered somebody's address-of-record as his Contact must not get the calls.
// then is called at once or, when the store must be asked, later.
func (p *Proxy) Targets(uri *sip.Uri, then func(registrar.Resolved)) {
	u := p.asSIP(uri)
	ours := p.serves(u.Host)
	if !ours || isSocket(u) {
		if t, ok := p.cfg.Locations.ByContact(u); ok || !ours {
			then(registrar.Resolved{Found: ok, Targets: []registrar.Target{t}})
			return
		}
	}
	if found, ok := p.cfg.Locations.Resolve(u, then); ok {
		then(found)
	}
}

// isSocket tells whether a URI names an address and port: a Contact, also where
// the address is ours because the device runs on this computer.
func isSocket(u *sip.Uri) bool {
	if u.Port == 0 {
		return false // most
	}
	_, err := netip.ParseAddr(u.Host)
	return err == nil
}

// asSIP is the Request-URI without headers; a telephone number becomes a user
// part of our first domain (RFC 3261 §19.1.6).
func (p *Proxy) asSIP(u *sip.Uri) *sip.Uri {
	switch {
	case u.Scheme == "tel":
		// RFC 3966 §3: visual separators mean nothing
		number := strings.NewReplacer("-", "", ".", "", "(", "", ")", "").Replace(u.User)
		return &sip.Uri{Scheme: "sip", User: number, Host: p.cfg.Domains[0]}
	case u.Headers != nil:
		plain := *u
		plain.Headers = nil
		return &plain
	}
	return u
}

// candidate is a target with its place in the order of trying.
type candidate struct {
	hop
	target   *registrar.Target
	instance string
	q        int
	group    int // of equal q, 0 is the best
	after    int // index of the better flow of the same device that must fail first, or -1
}

// targetSet appends to set what was found, in the order of trying. Who is
// disabled does not exist (DESIGN.md law 5).
func targetSet(set []candidate, r *server.Request, found registrar.Resolved) ([]candidate, *server.Error) {
	if found.Err != nil {
		return nil, &server.Error{Status: sip.StatusServiceUnavailable, RetryAfter: 5}
	}
	if !found.Found || found.Disabled {
		return nil, &server.Error{Status: sip.StatusNotFound}
	}
	if set = appendTargets(set, r, found.Targets); len(set) == 0 {
		return nil, &server.Error{Status: sip.StatusTemporarilyUnavailable}
	}
	return set, nil
}

// appendTargets appends to set those targets that r can go to now.
func appendTargets(set []candidate, r *server.Request, targets []registrar.Target) []candidate {
	for i := range targets {
		t := &targets[i]
		if reachable(t) && !isSender(r, t) && (r.Recipient.Scheme != "sips" || t.Flow.Secure()) {
			set = append(set, place(set, t))
		}
	}
	return set
}

// place finds the place of t behind those of a better or equal q. A further flow
// of a device stands where its first one does (RFC 5626 §6).
func place(set []candidate, t *registrar.Target) candidate {
	next := candidate{hop: hopTo(t), target: t, instance: t.Instance, q: t.Q, after: -1}
	if len(set) == 0 {
		return next
	}
	last := set[len(set)-1]
	next.group = last.group
	for i := len(set) - 1; i >= 0 && t.Instance != ""; i-- {
		if set[i].instance == t.Instance {
			next.q, next.group, next.after = set[i].q, set[i].group, i
			return next
		}
	}
	if t.Q != last.q {
		next.group++
	}
	return next
}

// isSender keeps a request to one's own address away from the device that sent
// it: it goes to the user's other devices.
func isSender(r *server.Request, t *registrar.Target) bool {
	return t.User == r.Sender.User && t.Flow.ID == r.Flow.ID
}

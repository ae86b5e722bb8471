package proxy

import (
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Claims tells whether r proves to be inside a dialog of ours: it carries the
// token of its side where it routes to us first. Such a request needs no
// challenge, and a challenge would be wrong for many (RFC 3261 §22.1).
func (p *Proxy) Claims(r *server.Request) bool {
	if r.ToTag == "" {
		return false
	}
	if _, ok := p.tokens.open(r.Recipient.User, r.CallID); ok {
		return true // from a strict router
	}
	for first := range wire.All(r.Request, "Route") {
		_, ok, _ := p.readRoute(r, first)
		return ok
	}
	return false
}

// serveDialog forwards a request that has a To tag.
func (p *Proxy) serveDialog(r *server.Request) {
	d, err := p.route(r)
	if err != nil {
		p.refuse(r, tokenForged, err)
		return
	}
	var w Watcher
	if p.dialogs != nil {
		if w, err = p.dialogs.InDialog(r); err != nil {
			p.refuse(r, notWatched, err) // an ACK gets no answer
			return
		}
	}
	if d.claimed {
		p.follow(r, d, w)
		return
	}
	// The client lost our Route, or it never had one because its contact was told
	// to it by REFER. It was challenged; only our own devices can be meant.
	p.serveInitial(r, w)
}

// dialogRoute is what the Route of a request inside a dialog says to us.
type dialogRoute struct {
	claimed bool     // at least one value was sealed by us for this Call-ID
	from    token    // the first of our own values: the side of the sender
	next    token    // the last of them: the other side
	uri     sip.Uri  // the Request-URI
	rest    []string // the route set after us
}

// route takes our own values from the top of the route set: the side that the
// request came by and the side where it goes to; more when it passed here
// twice. (RFC 3261 §16.4, RFC 5658)
func (p *Proxy) route(r *server.Request) (dialogRoute, *server.Error) {
	d := dialogRoute{uri: r.Recipient}
	d.uri.Headers = nil // RFC 3261 §19.1.5: never become headers
	var room [4]string
	routes := room[:0]
	for v := range wire.All(r.Request, "Route") {
		routes = append(routes, v)
	}
	routes = p.undoStrictRouter(r, &d, routes)
	for len(routes) > 0 {
		t, ok, forged := p.readRoute(r, routes[0])
		if forged {
			// RFC 5626 §5.3: a token that was tampered with
			return d, &server.Error{Status: sip.StatusForbidden, Warning: "the Route of this request belongs to another dialog"}
		}
		if !ok {
			break
		}
		d.claim(t)
		routes = routes[1:]
	}
	d.rest = append(d.rest, routes...) // nil nearly always: we are the only proxy
	return d, nil
}

// undoStrictRouter puts the Request-URI back in its place when the previous hop
// was a strict router and put our Record-Route value there (RFC 3261 §16.4). It
// returns the routes that are left.
func (p *Proxy) undoStrictRouter(r *server.Request, d *dialogRoute, routes []string) []string {
	t, ok := p.tokens.open(d.uri.User, r.CallID)
	if !ok || len(routes) == 0 {
		return routes
	}
	last := len(routes) - 1
	target, err := wire.ParseNameAddr(routes[last])
	if err != nil {
		return routes
	}
	d.uri = target.URI
	d.uri.Headers = nil
	d.claim(t)
	return routes[:last]
}

func (d *dialogRoute) claim(t token) {
	if !d.claimed {
		d.from = t
	}
	d.claimed, d.next = true, t
}

// readRoute opens one Route value. forged: it names us and its user part is not
// a token of this dialog.
func (p *Proxy) readRoute(r *server.Request, value string) (t token, ok, forged bool) {
	if t, ok = p.tokens.open(userPart(value), r.CallID); ok {
		return t, true, false
	}
	na, err := wire.ParseNameAddr(value)
	if err != nil {
		return token{}, false, false
	}
	return token{}, false, na.URI.User != "" && p.isUs(r, &na.URI)
}

// userPart cuts what may be a token out of a Route value in the form that we
// write. What else it returns does not open.
func userPart(value string) string {
	value, _ = strings.CutPrefix(value, "<sip:")
	user, _, _ := strings.Cut(value, "@")
	return user
}

// isUs tells whether a URI names this server as the sender of r knows it.
func (p *Proxy) isUs(r *server.Request, u *sip.Uri) bool {
	host, port := p.cfg.Flows.Local(r.Flow)
	return p.serves(u.Host) || u.Host == host && (u.Port == port || u.Port == 0)
}

// follow sends a request of a dialog to the other side.
func (p *Proxy) follow(r *server.Request, d dialogRoute, w Watcher) {
	if r.Method != sip.ACK && r.Transaction() == nil {
		return
	}
	if h, ok := p.nextHop(&d); ok {
		p.followTo(r, h, &d, w)
	} else {
		p.followElsewhere(r, h, d, w)
	}
}

// followElsewhere is follow where the flow of the dialog is not enough. stay is
// what is known of the other side.
func (p *Proxy) followElsewhere(r *server.Request, stay hop, d dialogRoute, w Watcher) {
	p.relocate(d, stay, func(h hop, ok bool) {
		defer p.caught(r)
		switch {
		case ok:
			p.followTo(r, h, &d, w)
		case r.Method != sip.ACK:
			// RFC 5626 §5.3.1; unlike 481 it leaves the dialog alive for a
			// device that comes back
			p.refuse(r, deviceGone, &server.Error{Status: statusFlowFailed})
		}
	})
}

// followTo forwards an ACK without state (RFC 3261 §16.11, it has no response),
// everything else with.
func (p *Proxy) followTo(r *server.Request, h hop, d *dialogRoute, w Watcher) {
	if r.Method == sip.ACK {
		p.forwardACK(r, h, d.rest, w)
		return
	}
	c := p.newContext(r, r.Transaction(), w)
	c.inDialog(h, d)
	c.start()
}

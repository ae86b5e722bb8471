package trunk

import (
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Inbound is what the border knows of a call that it brings inside.
type Inbound struct {
	Trunk   string
	Caller  string // E.164, "" withheld
	Dialled string // as the carrier wrote it
	Number  string // E.164
	Media   Media
}

// Inbound tells about the INVITE with that Call-ID which came by the border's agent.
func (b *Border) Inbound(callID string) (Inbound, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, ok := b.inside[callID]
	return in, ok
}

// inward is a call from a carrier.
type inward struct {
	*bridge
	t      *group
	callID string // inside
}

// bringIn takes an INVITE of a carrier.
func (b *Border) bringIn(r *server.Request) {
	g, number, to := b.called(r)
	switch {
	case g == nil: // the trunk was taken away in this moment
		r.Reply(sip.StatusForbidden, "")
		return
	case r.MaxForwards <= 1:
		r.Reply(sip.StatusTooManyHops, "")
		return
	case to == "":
		b.log.Warn("a carrier called a number that leads nowhere", "trunk", g.trunk.Name, "gateway", g.Name, "number", number, "trace", r.TraceID)
		b.metrics.calls.WithLabelValues(g.trunk.Name, "in", "unknown").Inc()
		r.Reply(sip.StatusNotFound, "")
		return
	}
	tx := r.Transaction()
	if tx == nil {
		return
	}
	t := g.trunk
	if !t.enterIn() {
		b.metrics.calls.WithLabelValues(t.Name, "in", "full").Inc()
		r.Reply(sip.StatusBusyHere, "", wire.H("Retry-After", "10"))
		return
	}
	x := &inward{t: t, callID: wire.NewCallID()}
	strand := b.outer.Strand()
	x.bridge = b.newBridge(strand, r.Request, x.done)
	x.about = Inbound{
		Trunk: t.Name, Caller: callerNumber(t.plan, r), Dialled: dialledText(t, r), Number: number, Media: t.mediaFrom(r.Flow),
	}
	var authorize func(*sip.Response, string, string) []sip.Header
	if g.digest != nil {
		authorize = g.digest.authorize
	}
	strand.Do(func() {
		x.from = b.outer.Accept(r.Incoming, tx, strand, x.fromEvents(func() {}), authorize)
		if x.from == nil {
			x.end(nil, "")
			return
		}
		b.metrics.live.WithLabelValues(t.Name, "in").Inc()
		x.place(r, to)
	})
}

// done counts the call out.
func (x *inward) done() {
	x.t.leave(1, 0)
	if x.from != nil {
		x.b.metrics.live.WithLabelValues(x.t.Name, "in").Dec()
	}
	result := "failed"
	if x.answered {
		result = "answered"
	}
	x.b.metrics.calls.WithLabelValues(x.t.Name, "in", result).Inc()
}

// place calls inside.
func (x *inward) place(r *server.Request, to string) {
	b := x.b
	uri := sip.Uri{Scheme: "sip", User: wire.EscapeUser(to), Host: b.cfg.Domain}
	c := b.callInside(x.about, uri)
	c.CallID, c.Strand, c.Content = x.callID, x.strand, dialog.ContentOf(r.Request)
	c.MaxForwards = r.MaxForwards - 1
	c.Reliable = !x.late && (wire.Has(r.Request, "Supported", "100rel") || wire.Has(r.Request, "Require", "100rel"))
	x.remember(x.callID, x.about)
	x.to = b.caller.Call(c, x.toEvents(x.failed, nil, func() {}))
}

// callInside is an INVITE inside for somebody outside.
func (b *Border) callInside(about Inbound, uri sip.Uri) dialog.Call {
	c := dialog.Call{URI: uri, From: `"Anonymous" <sip:anonymous@anonymous.invalid>`}
	if n := about.Caller; n != "" {
		c.From = "<" + numberURI(n, hostText(b.cfg.Domain)) + ">"
		c.Headers = append(c.Headers, wire.H("P-Asserted-Identity", c.From)) // RFC 3325 §5: a trusted peer has said so
	} else {
		c.Headers = append(c.Headers, wire.H("Privacy", "id"))
	}
	return c
}

// forget ends what [Border.Inbound] tells about a call.
func (b *Border) forget(callID string) {
	b.mu.Lock()
	delete(b.inside, callID)
	b.mu.Unlock()
}

// failed tells the carrier that nobody answers.
func (x *inward) failed(res *sip.Response, err error) {
	if x.over {
		return
	}
	status, hs := sip.StatusTemporarilyUnavailable, []sip.Header(nil)
	if err == nil {
		status = insideStatus(res.StatusCode)
		if reason := plainReason(wire.Header(res, "Reason")); reason != "" {
			hs = append(hs, wire.H("Reason", reason))
		}
		if retry := wire.Header(res, "Retry-After"); retry != "" {
			hs = append(hs, wire.H("Retry-After", retry))
		}
	}
	x.from.Reject(status, "", hs...)
	x.end(nil, "")
}

// called finds the gateway, the number called and where it leads; to is "" for a
// number that is not ours. Several trunks may share the address of a carrier: the
// one that has the number is meant.
func (b *Border) called(r *server.Request) (g *gateway, number, to string) {
	for _, gw := range b.sources.Load().of(r.Flow) {
		if g == nil {
			g = gw
		}
		n, err := gw.trunk.plan.received(dialledText(gw.trunk, r))
		if err != nil {
			continue
		}
		if target := gw.trunk.plan.target(n); target != "" {
			return gw, n, target
		}
		number = n
	}
	return g, number, ""
}

// dialledText is where the carrier has written the number: in the Request-URI, or
// where that is only our registered Contact, in P-Called-Party-ID or To.
func dialledText(t *group, r *server.Request) string {
	if u := r.Recipient.User; u != "" && (t.Username == "" || !strings.EqualFold(u, wire.EscapeUser(t.Username))) {
		return wire.URIString(&r.Recipient)
	}
	if id, err := wire.ParseNameAddr(wire.Header(r.Request, "P-Called-Party-ID")); err == nil {
		return wire.URIString(&id.URI)
	}
	return wire.URIString(&r.To.URI)
}

// callerNumber is the number that the carrier vouches for, "" when the caller
// withholds it (RFC 3323 §4.2, RFC 3325 §7) or it is none.
func callerNumber(p plan, r *server.Request) string {
	if isAnonymous(r) {
		return ""
	}
	for value := range wire.All(r.Request, "P-Asserted-Identity") {
		id, err := wire.ParseNameAddr(value)
		if err != nil {
			continue
		}
		if n, err := p.received(wire.URIString(&id.URI)); err == nil {
			return n
		}
	}
	n, err := p.received(wire.URIString(&r.From.URI))
	if err != nil {
		return ""
	}
	return n
}

func isAnonymous(r *server.Request) bool {
	for list := range wire.All(r.Request, "Privacy") {
		for value := range strings.SplitSeq(list, ";") {
			switch strings.ToLower(strings.TrimSpace(value)) {
			case "id", "user", "header":
				return true
			}
		}
	}
	u := &r.From.URI
	return strings.EqualFold(u.User, "anonymous") || strings.EqualFold(u.Host, "anonymous.invalid")
}

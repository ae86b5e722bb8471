package dialog

import (
	"slices"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Dialog is a peer that rings or has answered (RFC 3261 §12). Its methods are
// called on the strand of its session.
type Dialog struct {
	// Value is for the owner of the session.
	Value any

	s           *Session
	localTag    string
	remoteTag   string
	local       string // From of our requests, without tag
	remote      string // To of our requests, without tag
	target      sip.Uri
	routes      []string
	localSeq    uint32
	remoteSeq   uint32
	flow        *transport.Flow
	next        string // the hop that flow leads to, "" for the first one
	waiting     []func(*transport.Flow, error)
	updates     bool    // the peer allows UPDATE
	description Content // the last session description that we sent

	// Glare, RFC 3261 §14 and RFC 3311 §5
	inviteOut, inviteIn bool
	updateOut, updateIn bool

	proof   []sip.Header // credentials of our last INVITE, which its ACK shows again
	ack     *sip.Request // to the INVITE numbered ackSeq, repeated with its 2xx
	ackSeq  uint32
	repeats []*repeat // 2xx of ours without ACK

	rseq  uint32 // of the last reliable provisional response of the peer
	timer timer
}

// Session of the dialog.
func (d *Dialog) Session() *Session { return d.s }

// dialogOfResponse makes the dialog of a response to our INVITE
// (RFC 3261 §12.1.2).
func (s *Session) dialogOfResponse(tag string, res *sip.Response) *Dialog {
	o := &s.outgoing
	d := &Dialog{
		s: s, localTag: o.tag, remoteTag: tag, local: o.call.From, remote: o.call.To,
		target: o.call.URI, localSeq: o.seq, flow: o.call.Flow, proof: o.proof,
	}
	d.routes = append(d.routes, o.call.Routes...)
	d.learn(res)
	s.dialogs = append(s.dialogs, d)
	return d
}

// learn takes target, route set and abilities from a response that makes the
// dialog.
func (d *Dialog) learn(res *sip.Response) {
	if routes := wire.Values(res, "Record-Route"); routes != nil {
		slices.Reverse(routes)
		d.routes = routes
	}
	d.refreshTarget(res)
}

// refreshTarget is RFC 3261 §12.2.1.2 and §12.2.2.
func (d *Dialog) refreshTarget(m sip.Message) {
	if contact, err := wire.ParseNameAddr(wire.Header(m, "Contact")); err == nil && contact.URI.Host != "" && !contact.URI.Wildcard {
		contact.URI.Headers = nil // RFC 3261 §19.1.5
		d.target = contact.URI
	}
	if wire.Header(m, "Allow") != "" {
		d.updates = wire.Has(m, "Allow", "UPDATE")
	}
}

// dialogOfRequest makes a dialog of an INVITE that came (RFC 3261 §12.1.1).
func (s *Session) dialogOfRequest(in *Incoming) *Dialog {
	d := &Dialog{
		s: s, localTag: wire.NewTag(), remoteTag: in.FromTag,
		local:  wire.Header(in.Request, "To"),
		remote: wire.FormatNameAddr(in.From.Display, wire.URIString(&in.From.URI)),
		target: in.From.URI, remoteSeq: in.CSeq, flow: in.Flow,
		routes: wire.Values(in.Request, "Record-Route"),
	}
	d.refreshTarget(in.Request)
	s.dialogs = append(s.dialogs, d)
	s.ua.enter(d.localTag, s)
	return d
}

// hop gives then the flow to the next hop, now or when it has been found.
func (d *Dialog) hop(then func(*transport.Flow, error)) {
	route := d.s.ua.cfg.Route
	if route == nil {
		then(d.flow, nil)
		return
	}
	uri := d.nextURI()
	text := wire.URIString(&uri)
	if len(d.waiting) == 0 && d.next == text && d.flow.Alive() {
		then(d.flow, nil)
		return
	}
	d.waiting = append(d.waiting, then)
	if len(d.waiting) > 1 {
		return
	}
	route(uri, d.flow, func(f *transport.Flow, err error) {
		d.s.strand.Do(func() { d.routed(text, f, err) })
	})
}

// routed lets go what waited for the flow.
func (d *Dialog) routed(next string, f *transport.Flow, err error) {
	if err == nil {
		d.flow, d.next = f, next
	}
	waiting := d.waiting
	d.waiting = nil
	for _, then := range waiting {
		then(f, err)
	}
}

// nextURI is the first route, or the target (RFC 3261 §12.2.1.1 and §8.1.2).
func (d *Dialog) nextURI() sip.Uri {
	if len(d.routes) > 0 {
		if first, err := wire.ParseNameAddr(d.routes[0]); err == nil {
			return first.URI
		}
	}
	return d.target
}

// request builds a request inside the dialog (RFC 3261 §12.2.1.1).
func (d *Dialog) request(method string, seq uint32, f *transport.Flow, c Content, hs []sip.Header) *sip.Request {
	u := d.s.ua
	uri, routes := d.target, d.routes
	if strict, ok := strictRouter(routes); ok {
		uri = strict
		routes = append(slices.Clone(routes[1:]), "<"+wire.URIString(&d.target)+">")
	}
	all := make([]sip.Header, 0, 12+len(routes)+len(hs))
	all = append(all, wire.H("Via", u.Via(f)), wire.H("Max-Forwards", "70"))
	for _, r := range routes {
		all = append(all, wire.H("Route", r))
	}
	all = append(all,
		wire.H("From", d.local+";tag="+d.localTag),
		wire.H("To", tagged(d.remote, d.remoteTag)),
		wire.H("Call-ID", d.s.callID),
		wire.H("CSeq", strconv.FormatUint(uint64(seq), 10)+" "+method),
	)
	if method == "INVITE" || method == "UPDATE" {
		all = append(all, wire.H("Contact", "<"+u.Contact(d.localTag, f)+">"),
			wire.H("Allow", u.cfg.Allow), wire.H("Supported", "timer"))
	}
	all = u.agent("User-Agent", all)
	all = append(append(all, hs...), c.Headers...)
	return wire.NewRequest(method, uri, c.Body, all...)
}

// strictRouter is the first route when it does not know loose routing.
func strictRouter(routes []string) (sip.Uri, bool) {
	if len(routes) == 0 {
		return sip.Uri{}, false
	}
	first, err := wire.ParseNameAddr(routes[0])
	if err != nil {
		return sip.Uri{}, false
	}
	_, loose := wire.URIParam(&first.URI, "lr")
	return first.URI, !loose
}

// tagged adds a tag unless the peer has none (RFC 2543).
func tagged(value, tag string) string {
	if tag == "" {
		return value
	}
	return value + ";tag=" + tag
}

func (d *Dialog) contactHeader() sip.Header {
	return wire.H("Contact", "<"+d.s.ua.Contact(d.localTag, d.flow)+">")
}

// described remembers what we told the peer about media, for a refresh.
func (d *Dialog) described(c Content, m sip.Message) {
	if isSDP(m) {
		d.description = c
	}
}

// hangUp sends BYE, after the ACK where one is owed (RFC 3261 §15).
func (d *Dialog) hangUp(reason string) {
	if len(d.repeats) > 0 {
		for _, r := range d.repeats {
			r.then = func() { d.hangUp(reason) }
		}
		return
	}
	d.bye(reason)
	d.s.finish()
}

// bye sends BYE and cares for nothing more. The session may be over.
func (d *Dialog) bye(reason string) {
	var hs []sip.Header
	if reason != "" {
		hs = append(hs, wire.H("Reason", reason))
	}
	d.exchange(&exchange{method: "BYE", headers: hs, then: func(*sip.Response, error) {}})
}

// stop ends the clocks of the dialog.
func (d *Dialog) stop() {
	d.timer.stop()
	for _, r := range d.repeats {
		r.clock.Stop()
	}
	d.repeats = nil
}

// repeat is a 2xx to INVITE that goes out again until its ACK comes
// (RFC 3261 §13.3.1.4). It does so over every transport: hops behind the next
// one may be unreliable.
type repeat struct {
	in     *Incoming
	res    *sip.Response
	wait   time.Duration
	giveUp time.Time
	clock  *time.Timer
	then   func() // what waits for the ACK, nil for nothing
}

func (d *Dialog) repeatUntilACK(in *Incoming, res *sip.Response) {
	r := &repeat{in: in, res: res, wait: t1, giveUp: time.Now().Add(64 * t1)}
	d.repeats = append(d.repeats, r)
	d.describedBy(res)
	_ = in.tx.Respond(res) // a broken flow shows by the missing ACK
	r.clock = d.s.strand.After(r.wait, func() { d.again(r) })
}

func (d *Dialog) describedBy(res *sip.Response) { d.described(ContentOf(res), res) }

func (d *Dialog) again(r *repeat) {
	if !slices.Contains(d.repeats, r) {
		return
	}
	if !time.Now().Before(r.giveUp) {
		d.unacknowledged(r)
		return
	}
	_ = r.in.tx.Respond(r.res)
	r.wait = min(2*r.wait, t2)
	r.clock.Reset(min(r.wait, time.Until(r.giveUp)))
}

// unacknowledged ends the session of a 2xx whose ACK never came
// (RFC 3261 §13.3.1.4, §14.2).
func (d *Dialog) unacknowledged(r *repeat) {
	d.s.ua.metrics.noACK.Inc()
	d.repeats = slices.DeleteFunc(d.repeats, func(x *repeat) bool { return x == r })
	if r.then != nil { // we wanted to hang up anyway
		r.then()
		return
	}
	d.bye("")
	d.s.ended(d, End{Cause: "no ACK"})
}

// acknowledged takes the ACK of a 2xx.
func (d *Dialog) acknowledged(in *Incoming) {
	i := slices.IndexFunc(d.repeats, func(r *repeat) bool { return r.in.CSeq == in.CSeq })
	if i < 0 {
		return // a repeated ACK
	}
	r := d.repeats[i]
	r.clock.Stop()
	d.repeats = slices.Delete(d.repeats, i, i+1)
	if r.then != nil {
		r.then()
		return
	}
	if d.s.on.Acknowledged != nil {
		d.s.on.Acknowledged(d, in.Request)
	}
}

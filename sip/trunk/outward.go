package trunk

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// answerTime is how long a gateway may say nothing at all before the next one is
// tried: under 4 s to the INVITE at the second one.
const answerTime = 3500 * time.Millisecond

// planned is a call that is expected at the border's agent.
type planned struct {
	route  Route
	caller Caller
	on     func(store.CallAttempt)
	made   time.Time
}

// Target is the device that stands for a route: a branch to it calls the
// gateways. on is told of each attempt as it begins and ends; nil for nothing.
func (b *Border) Target(r Route, c Caller, on func(store.CallAttempt)) registrar.Target {
	if on == nil {
		on = func(store.CallAttempt) {}
	}
	token := wire.NewTag()
	b.mu.Lock()
	b.plans[token] = planned{r, c, on, time.Now()}
	b.mu.Unlock()
	return registrar.Target{
		User: c.User, Flow: b.callee.Flow(), Q: 1000,
		Contact: sip.Uri{Scheme: "sip", User: token, Host: b.cfg.Domain},
	}
}

// outward is a call to a carrier.
type outward struct {
	*bridge
	t       *group
	p       planned
	invite  *dialog.Incoming
	left    []*gateway // not tried yet
	hops    []transport.Hop
	gw      *gateway // being tried
	n       int      // number of the attempt
	heard   bool     // it has said something
	rang    bool
	attempt store.CallAttempt
	silence *time.Timer
	hop     transport.Hop
	reason  string // of the last failure
}

// takeOut takes the INVITE that Target leads here.
func (b *Border) takeOut(in *transaction.Incoming, tx *transaction.Server) {
	b.mu.Lock()
	p, ok := b.plans[in.Recipient.User]
	delete(b.plans, in.Recipient.User)
	b.mu.Unlock()
	t := b.byName(p.route.Trunk)
	switch {
	case !ok || t == nil:
		_ = tx.Respond(wire.NewResponse(in.Request, sip.StatusNotFound, ""))
		return
	case in.MaxForwards <= 1: // loops through a carrier must end
		_ = tx.Respond(wire.NewResponse(in.Request, sip.StatusTooManyHops, ""))
		return
	case !p.route.Emergency && t.Disabled:
		_ = tx.Respond(wire.NewResponse(in.Request, sip.StatusServiceUnavailable, ""))
		return
	}
	if limit := t.enterOut(time.Now(), p.route.Emergency); limit != "" {
		b.metrics.denied.WithLabelValues(limit).Inc()
		_ = tx.Respond(wire.NewResponse(in.Request, sip.StatusServiceUnavailable, "", wire.H("Retry-After", "10")))
		return
	}
	o := &outward{t: t, p: p, left: order(t.gateways, rand.IntN)}
	strand := b.callee.Strand()
	o.bridge = b.newBridge(strand, in.Request, o.done)
	o.about = Inbound{Trunk: t.Name, Caller: p.route.Number, Media: p.route.Media}
	strand.Do(func() {
		o.from = b.callee.Accept(in, tx, strand, o.fromEvents(o.gaveUp))
		if o.from == nil {
			o.end(nil, "")
			return
		}
		o.invite = o.from.Request()
		b.metrics.live.WithLabelValues(t.Name, "out").Inc()
		o.next()
	})
}

// done counts the call out. The gauge only had it when the session began.
func (o *outward) done() {
	o.t.leave(0, 1)
	if o.from != nil {
		o.b.metrics.live.WithLabelValues(o.t.Name, "out").Dec()
	}
	result := "failed"
	if o.answered {
		result = "answered"
	}
	o.b.metrics.calls.WithLabelValues(o.t.Name, "out", result).Inc()
}

// next tries the next address, or tells the caller that there is none.
func (o *outward) next() {
	if o.over {
		return
	}
	now := time.Now()
	for len(o.hops) == 0 {
		if len(o.left) == 0 {
			o.from.Reject(sip.StatusServiceUnavailable, "", o.reasonHeader()...)
			o.end(nil, "")
			return
		}
		o.gw, o.left = o.left[0], o.left[1:]
		if !o.gw.usable(now, o.p.route.Emergency) {
			continue
		}
		if o.hops = o.gw.addresses(); len(o.hops) == 0 {
			o.begin(transport.Hop{})
			o.failed(sip.StatusServiceUnavailable, errNoAddress.Error())
			return
		}
		o.hops = o.hops[:min(len(o.hops), maxHops)]
	}
	hop := o.hops[0]
	o.hops = o.hops[1:]
	o.begin(hop)
	n := o.n
	o.b.dial(hop, func(f *transport.Flow, err error) {
		o.strand.Do(func() {
			if n != o.n || o.over {
				return
			}
			if err != nil {
				o.failed(sip.StatusServiceUnavailable, err.Error())
				return
			}
			o.place(f)
		})
	})
}

// maxHops is how many addresses of one gateway a call tries.
const maxHops = 2

// begin starts an attempt and its clock.
func (o *outward) begin(hop transport.Hop) {
	o.n++
	o.hop, o.heard, o.rang = hop, false, false
	uri := o.requestURI()
	o.attempt = store.CallAttempt{
		Target: o.gw.sentTo(&uri), Trunk: o.t.Name, Number: uri.User, Started: time.Now(),
	}
	o.p.on(o.attempt)
	n := o.n
	o.silence = o.strand.After(answerTime, func() {
		if n == o.n && !o.heard && !o.over {
			o.failed(sip.StatusRequestTimeout, "no answer at all")
		}
	})
}

// place sends the INVITE to the gateway.
func (o *outward) place(f *transport.Flow) {
	n := o.n
	current := func(f func()) func() {
		return func() {
			if n == o.n && !o.over {
				f()
			}
		}
	}
	failed := func(res *sip.Response, err error) {
		current(func() { o.refused(res, err) })()
	}
	events := o.toEvents(failed, current(o.taken), current(o.up))
	progress := events.Progress
	events.Progress = func(d *dialog.Dialog, res *sip.Response) {
		current(func() {
			o.rang = true
			progress(d, res)
		})()
	}
	call := o.call(f)
	call.Strand = o.strand
	o.to = o.b.outer.Call(call, events)
}

// taken is the first sign of life of the gateway.
func (o *outward) taken() {
	o.heard = true
	o.silence.Stop()
}

// up is the answer.
func (o *outward) up() {
	o.gw.note((*health).callAnswered, "")
	o.close("answered", sip.StatusOK, "", 0)
}

// refused takes a negative final response, or none.
func (o *outward) refused(res *sip.Response, err error) {
	switch {
	case errors.Is(err, transaction.ErrOverload): // ours: no gateway is to blame
		o.close("failed", sip.StatusServiceUnavailable, err.Error(), 0)
		o.from.Reject(sip.StatusServiceUnavailable, "", wire.H("Retry-After", "5"))
		o.end(nil, "")
		return
	case err != nil:
		o.failed(sip.StatusRequestTimeout, err.Error())
		return
	}
	reason := wire.Header(res, "Reason")
	if o.isGatewayTrouble(res.StatusCode) {
		o.reason = reason
		o.failed(res.StatusCode, res.Reason)
		return
	}
	o.gw.note((*health).callAnswered, "")
	o.close("refused", res.StatusCode, res.Reason, q850(reason))
	o.reason = reason
	o.from.Reject(insideStatus(res.StatusCode), "", o.reasonHeader()...)
	o.end(nil, "")
}

// isGatewayTrouble tells whether another gateway may do better: 408 unless it
// rang, 5xx, credentials that are not taken, and redirections, which we do not
// follow (sip.md C18). What the callee himself has said (other 4xx, 6xx) counts.
func (o *outward) isGatewayTrouble(status int) bool {
	switch {
	case status == sip.StatusRequestTimeout:
		return !o.rang
	case status == sip.StatusUnauthorized, status == sip.StatusProxyAuthRequired:
		return true
	}
	return status < 400 || status >= 500 && status < 600
}

// failed ends an attempt that is the gateway's failure and goes on to the next.
func (o *outward) failed(status int, why string) {
	changed, state := o.gw.note((*health).callFailed, why)
	if changed {
		o.b.tell(o.gw, state)
	}
	if o.hop.Addr.IsValid() {
		o.b.cfg.Names.Failed(o.hop)
	}
	o.b.log.Warn("a gateway did not take a call", "trunk", o.t.Name, "gateway", o.gw.Name, "status", status, "why", why)
	o.close("failed", status, why, 0)
	o.n++ // nothing that still comes of it counts
	abandoned := o.to
	o.to = nil
	if abandoned != nil {
		abandoned.HangUp("")
	}
	o.next()
}

// gaveUp is the caller who hung up before anybody answered.
func (o *outward) gaveUp() {
	if o.attempt.Target != "" && o.attempt.Ended.IsZero() {
		o.close("cancelled", sip.StatusRequestTerminated, "", 0)
	}
}

// close ends the record of the attempt.
func (o *outward) close(result string, status int, reason string, cause int) {
	if o.silence != nil {
		o.silence.Stop()
	}
	o.b.metrics.attempts.WithLabelValues(o.t.Name, o.gw.Name, result).Inc()
	o.attempt.Ended, o.attempt.Status, o.attempt.Reason, o.attempt.Cause = time.Now(), status, reason, cause
	o.p.on(o.attempt)
}

func (o *outward) reasonHeader() []sip.Header {
	if reason := plainReason(o.reason); reason != "" {
		return []sip.Header{wire.H("Reason", reason)}
	}
	return nil
}

// call is the INVITE for the gateway. Nothing of the one inside is in it but the
// body and the number of hops that are left.
func (o *outward) call(f *transport.Flow) dialog.Call {
	r, domain := &o.p.route, o.gw.domain()
	uri := o.requestURI()
	c := dialog.Call{
		URI: uri, Flow: f, To: "<" + wire.URIString(&uri) + ">",
		MaxForwards: o.invite.MaxForwards - 1,
		Reliable:    !o.late && (wire.Has(o.invite.Request, "Supported", "100rel") || wire.Has(o.invite.Request, "Require", "100rel")),
		Content:     dialog.ContentOf(o.invite.Request),
	}
	if o.gw.digest != nil {
		c.Authorize = o.gw.digest.authorize
	}
	plan := o.t.plan
	switch {
	case r.Shown != "":
		c.From = "<" + numberURI(plan.from(r.Shown), domain) + ">"
	default: // RFC 3323 §4.1.1.3
		c.From = `"Anonymous" <sip:anonymous@anonymous.invalid>`
		if !r.Emergency {
			c.Headers = append(c.Headers, wire.H("Privacy", "id"))
		}
	}
	if r.own != "" && plan.Asserted != formatNone { // RFC 3325 §9.1
		c.Headers = append(c.Headers, wire.H("P-Asserted-Identity", "<"+numberURI(plan.asserted(r.own), domain)+">"))
	}
	if r.diverted { // RFC 5806 §4
		c.Headers = append(c.Headers, wire.H("Diversion", "<"+numberURI(plan.diversion(r.own), domain)+">;reason=unknown;counter=1"))
	}
	if r.Emergency {
		c.Headers = append(c.Headers, wire.H("Priority", "emergency")) // RFC 3261 §20.26
	}
	return c
}

// requestURI is the number as this carrier wants it.
func (o *outward) requestURI() sip.Uri {
	number := o.t.plan.out(o.p.route.Number)
	u := sip.Uri{Scheme: "sip", User: number, Host: o.gw.uri.Host, Port: o.gw.uri.Port, UriParams: sip.HeaderParams{{K: "user", V: "phone"}}}
	if o.t.Domain != "" {
		u.Host, u.Port = strings.Trim(o.t.Domain, "[]"), 0
	}
	return u
}

func numberURI(number, domain string) string { return "sip:" + number + "@" + domain + ";user=phone" }

// tell logs and shows that the state of a gateway has changed.
func (b *Border) tell(g *gateway, state string) {
	b.metrics.gateway(g)
	b.log.Warn("the state of a gateway has changed", "trunk", g.trunk.Name, "gateway", g.Name, "state", state, "last_error", g.status().Error)
}

package trunk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// patience is how long a gateway may take to answer OPTIONS or REGISTER.
const patience = 5 * time.Second

// lookUpEvery is how often the name of a gateway that is not probed is looked up.
const lookUpEvery = 30 * time.Second

// start begins to keep the gateways of a trunk: one goroutine probes, one
// registers.
func (b *Border) start(ctx context.Context, t *group) {
	if t.Disabled {
		return
	}
	ctx, t.stop = context.WithCancel(ctx)
	b.metrics.begin(t)
	for _, g := range t.gateways {
		t.keepers.Go(func() { b.withoutEnd(ctx, func() { b.probe(ctx, g) }) })
		if t.Register {
			t.keepers.Go(func() { b.withoutEnd(ctx, func() { b.register(ctx, g) }) })
		}
	}
}

// withoutEnd runs work until ctx ends, again after a panic: nothing that a
// carrier answers stops the process or the keeping (DESIGN.md law 6).
func (b *Border) withoutEnd(ctx context.Context, work func()) {
	for ctx.Err() == nil {
		b.guard(work)
		sleep(ctx, afterPanic)
	}
}

const afterPanic = time.Minute

// guard runs what no strand and no chain guards.
func (b *Border) guard(work func()) {
	defer func() {
		if p := recover(); p != nil {
			b.log.Error("the border panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	work()
}

// sleep waits; false: ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// probe looks the gateway up and asks it with OPTIONS, again and again.
func (b *Border) probe(ctx context.Context, g *gateway) {
	every := g.probeEvery()
	for {
		began := time.Now()
		err := b.lookUp(ctx, g)
		if every > 0 {
			if err == nil || len(g.addresses()) > 0 {
				err = b.probeOnce(ctx, g)
			}
			if ctx.Err() == nil {
				b.probed(g, err, time.Since(began))
			}
		}
		if !sleep(ctx, max(time.Second, or0(every, lookUpEvery)-time.Since(began))) {
			return
		}
	}
}

func or0(a, b time.Duration) time.Duration {
	if a != 0 {
		return a
	}
	return b
}

// probeOnce asks each address until one answers.
func (b *Border) probeOnce(ctx context.Context, g *gateway) error {
	err := errNoAddress
	for _, hop := range g.addresses() {
		var res *sip.Response
		res, err = b.ask(ctx, hop, func(f *transport.Flow) *sip.Request { return b.options(g, f) })
		switch {
		case err != nil:
		case res.StatusCode == sip.StatusRequestTimeout, res.StatusCode == sip.StatusServiceUnavailable:
			err = fmt.Errorf("it answers OPTIONS with %d %s", res.StatusCode, res.Reason)
		default: // whatever it says, it is there
			return nil
		}
		b.cfg.Names.Failed(hop)
	}
	return err
}

func (b *Border) probed(g *gateway, err error, took time.Duration) {
	how, text := (*health).succeeded, ""
	if err != nil {
		how, text = (*health).probeFailed, err.Error()
	}
	changed, state := g.note(how, text)
	if err == nil {
		g.mu.Lock()
		g.latency = took
		g.mu.Unlock()
	}
	if changed {
		b.tell(g, state)
	}
}

// options is RFC 3261 §11.
func (b *Border) options(g *gateway, f *transport.Flow) *sip.Request {
	uri := sip.Uri{Scheme: "sip", Host: strings.Trim(g.domain(), "[]")}
	if g.trunk.Domain == "" {
		uri.Port = g.uri.Port
	}
	to := "<" + wire.URIString(&uri) + ">"
	return b.request("OPTIONS", uri, f, to, to, wire.NewCallID(), 1, wire.H("Accept", "application/sdp"))
}

// request builds a request outside of dialogs.
func (b *Border) request(method string, uri sip.Uri, f *transport.Flow, from, to, callID string, seq int, hs ...sip.Header) *sip.Request {
	all := []sip.Header{
		wire.H("Via", b.outer.Via(f)), wire.H("Max-Forwards", "70"),
		wire.H("From", from+";tag="+wire.NewTag()), wire.H("To", to),
		wire.H("Call-ID", callID), wire.H("CSeq", strconv.Itoa(seq)+" "+method),
		wire.H("User-Agent", userAgent),
	}
	return wire.NewRequest(method, uri, nil, append(all, hs...)...)
}

// ask sends a request to a hop and waits for the final response.
func (b *Border) ask(ctx context.Context, hop transport.Hop, build func(*transport.Flow) *sip.Request) (*sip.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f, err := b.cfg.Stack.Dial(ctx, hop)
	if err != nil {
		return nil, err
	}
	type result struct {
		res *sip.Response
		err error
	}
	results := make(chan result, 1)
	tx := b.cfg.Transactions.Send(build(f), f, func(_ *transaction.Client, res *sip.Response, err error) {
		if err == nil && res.StatusCode < 200 {
			return
		}
		select {
		case results <- result{res, err}:
		default:
		}
	})
	select {
	case r := <-results:
		return r.res, r.err
	case <-ctx.Done():
		tx.Stop()
		return nil, fmt.Errorf("no answer from %s over %s in %v", hop.Addr, hop.Transport, patience)
	}
}

// The times of registering.
const (
	defaultExpires = 600
	firstRetry     = 2 * time.Second
	lastRetry      = 5 * time.Minute
)

// registration is our binding at one gateway (RFC 3261 §10.2). Its goroutine owns
// it.
type registration struct {
	b       *Border
	g       *gateway
	digest  *digest
	callID  string
	seq     int
	expires int // seconds to ask for
}

// register keeps us registered until ctx ends, and takes the binding back then.
func (b *Border) register(ctx context.Context, g *gateway) {
	r := &registration{b: b, g: g, digest: g.digest, callID: wire.NewCallID(), expires: g.trunk.Expires}
	if r.expires == 0 {
		r.expires = defaultExpires
	}
	retry := firstRetry
	for {
		granted, err := r.refresh(ctx, r.expires)
		if ctx.Err() != nil {
			break
		}
		wait := retry/2 + rand.N(retry)
		if err != nil {
			retry = min(2*retry, lastRetry)
			b.log.Warn("a trunk is not registered", "trunk", g.trunk.Name, "gateway", g.Name, "error", err, "again_in", wait)
		} else {
			retry, wait = firstRetry, refreshAfter(granted)
		}
		r.show(granted, err)
		if !sleep(ctx, wait) {
			break
		}
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if g.status().Registered != nil {
		_, _ = r.refresh(bye, 0) // best effort: it runs out by itself
	}
	r.show(0, nil)
}

// refreshAfter leaves time for a try that fails: half a minute, or a fifth of
// what is short.
func refreshAfter(granted int) time.Duration {
	d := time.Duration(granted) * time.Second
	return d - min(30*time.Second, d/5)
}

// show keeps what an administrator sees.
func (r *registration) show(granted int, err error) {
	g := r.g
	g.mu.Lock()
	switch {
	case err != nil:
		g.failure = "register: " + err.Error()
		if g.registered != nil && time.Now().After(*g.registered) {
			g.registered = nil
		}
	case granted == 0:
		g.registered = nil
	default:
		until := time.Now().Add(time.Duration(granted) * time.Second)
		g.registered = &until
	}
	g.mu.Unlock()
	r.b.metrics.gateway(g)
}

// refresh registers at the first address that takes it.
func (r *registration) refresh(ctx context.Context, expires int) (granted int, err error) {
	if err = r.b.lookUp(ctx, r.g); err != nil && len(r.g.addresses()) == 0 {
		return 0, err
	}
	err = errNoAddress
	for _, hop := range r.g.addresses() {
		if granted, err = r.at(ctx, hop, expires); err == nil {
			return granted, nil
		}
	}
	return 0, err
}

var errRefused = errors.New("the carrier refuses our username or password")

// at registers at one address: challenged, or told a longer time, it asks again
// (RFC 3261 §10.2.8, §22.2).
func (r *registration) at(ctx context.Context, hop transport.Hop, expires int) (granted int, err error) {
	var challenge *sip.Response // that the next request answers
	for range 4 {
		var contact string
		var credentials []sip.Header
		res, err := r.b.ask(ctx, hop, func(f *transport.Flow) *sip.Request {
			contact = r.b.outer.Contact(wire.EscapeUser(r.g.trunk.Username), f)
			credentials = r.digest.authorize(challenge, "REGISTER", r.uriText())
			return r.request(f, contact, expires, credentials)
		})
		switch {
		case err != nil:
			r.b.cfg.Names.Failed(hop)
			return 0, err
		case res.StatusCode == sip.StatusUnauthorized, res.StatusCode == sip.StatusProxyAuthRequired:
			if challenge != nil && (credentials == nil || !dialog.IsStale(res)) {
				return 0, errRefused
			}
			challenge = res
		case res.StatusCode == sip.StatusIntervalToBrief:
			challenge = nil
			least, err := strconv.Atoi(strings.TrimSpace(wire.Header(res, "Min-Expires")))
			if err != nil || least <= expires || least > 86400 {
				return 0, fmt.Errorf("%d %s with Min-Expires %q", res.StatusCode, res.Reason, wire.Header(res, "Min-Expires"))
			}
			expires, r.expires = least, least
		case res.StatusCode >= 300:
			return 0, fmt.Errorf("%d %s", res.StatusCode, res.Reason)
		default:
			return grantedTo(res, contact, expires), nil
		}
	}
	return 0, errRefused
}

func (r *registration) uri() sip.Uri {
	u := sip.Uri{Scheme: "sip", Host: strings.Trim(r.g.domain(), "[]")}
	if r.g.trunk.Domain == "" {
		u.Port = r.g.uri.Port
	}
	return u
}

func (r *registration) uriText() string { u := r.uri(); return wire.URIString(&u) }

func (r *registration) request(f *transport.Flow, contact string, expires int, credentials []sip.Header) *sip.Request {
	r.seq++
	aor := "<sip:" + wire.EscapeUser(r.g.trunk.Username) + "@" + r.g.domain() + ">"
	hs := append([]sip.Header{
		wire.H("Contact", "<"+contact+">"), wire.H("Expires", strconv.Itoa(expires)), wire.H("Allow", allow),
	}, credentials...)
	return r.b.request("REGISTER", r.uri(), f, aor, aor, r.callID, r.seq, hs...)
}

// grantedTo is for how many seconds our Contact is bound (RFC 3261 §10.2.4).
func grantedTo(res *sip.Response, contact string, asked int) int {
	granted := asked
	if n, err := strconv.Atoi(strings.TrimSpace(wire.Header(res, "Expires"))); err == nil {
		granted = n
	}
	ours, err := wire.ParseURI(contact)
	if err != nil {
		return granted
	}
	for value := range wire.All(res, "Contact") {
		c, err := wire.ParseNameAddr(value)
		if err != nil || !wire.EqualURI(&c.URI, &ours) {
			continue
		}
		if text, ok := c.Param("expires"); ok {
			if n, err := strconv.Atoi(text); err == nil {
				granted = n
			}
		}
	}
	if asked > 0 && granted < 10 {
		granted = 10 // one that lies about this must not make us a flood
	}
	return min(granted, 86400)
}

package call

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// advance goes on with the next stage; when there is none the caller gets the
// best answer so far.
func (c *call) advance(o outcome) {
	c.patience.Store(0)
	c.mu.Lock()
	next, more := c.route.next(o)
	c.stage = next
	if more && next.why != "" {
		c.diverted(next.why, next.payer.from, &next.address)
	}
	tried, verdict, invite := len(c.branches) > 0, c.verdict, c.request
	c.mu.Unlock()
	if more && next.why != "" {
		tellForwarded(invite)
	}
	switch {
	case !more && verdict != nil && (!tried || verdict.RetryAfter > 0):
		c.fork.End(verdict) // ours and not a device's: 503 stays 503
	case !more:
		c.fork.Extend(nil)
	case next.trunk != nil:
		c.callOut(next)
	case next.group != nil && !next.member:
		c.callMembers(next)
	default:
		c.lookUp(next)
	}
}

// tellForwarded lets a caller know that it takes longer (RFC 3261 §21.1.3). Who
// insists on reliable provisional responses gets those of devices only.
func tellForwarded(invite *server.Request) {
	if invite != nil && !wire.Has(invite.Request, "Require", "100rel") {
		invite.Reply(statusForwarded, "")
	}
}

// lookUp finds who an address means: a hunt group, a user, or a number outside. Who
// dials for help gets it, also where somebody was given that number.
func (c *call) lookUp(at stage) {
	s := c.service
	if c.isEmergency(at) {
		c.findTrunks(at)
		return
	}
	if g := s.settings.group(&at.address); g != nil && !at.member && !at.own {
		c.hunt(g)
		return
	}
	s.cfg.Proxy.Targets(&at.address, func(found registrar.Resolved) {
		defer c.caught()
		c.found(at, found)
	})
}

// isEmergency tells whether a user has dialled an emergency number.
func (c *call) isEmergency(at stage) bool {
	b := c.service.cfg.Border
	return b != nil && c.caller.user != 0 && !at.own && !at.payer.diverted() && isTelephone(&at.address) &&
		b.Emergency(wire.URIString(&at.address))
}

// found goes on when it is known whom an address means.
func (c *call) found(at stage, found registrar.Resolved) {
	switch {
	case found.Err != nil:
		c.fork.End(&server.Error{Status: sip.StatusServiceUnavailable, RetryAfter: 5})
	case found.Found && !found.Disabled:
		c.callUser(at, found)
	case c.service.cfg.Border != nil && isTelephone(&at.address):
		c.findTrunks(at)
	default:
		c.cannot(&server.Error{Status: sip.StatusNotFound})
	}
}

// callUser rings the devices of a user, or does what he wants instead.
func (c *call) callUser(at stage, found registrar.Resolved) {
	s := c.service
	who := payer{user: found.User.ID, from: found.User.AOR()}
	services := s.settings.of(who.user) // nil also for a device that was called by its own address
	want := arriving(services, reachable(found.Targets))
	if at.member { // of a group: his forwards are about calls to himself
		want = arrival{ring: !disturbed(services) && reachable(found.Targets)}
		services = nil
	}
	if at.own || s.takesPart(who.user, c.replaces) {
		want, services = arrival{ring: reachable(found.Targets)}, nil
	}
	err := s.refuseMore(c.caller.user)
	c.mu.Lock()
	c.meant(found)
	switch {
	case err != nil:
	case who.user != 0 && !c.route.enter(who.from):
		err = unavailable()
	case want.ring:
		c.stage.services, c.stage.rung = services, who
		err = c.prepare()
	case want.to == "":
		err = unavailable()
	}
	c.mu.Unlock()
	switch {
	case err != nil:
		c.cannot(err)
	case !want.ring:
		c.divert(want, who)
	default:
		c.wait(at.ring, services)
		c.fork.Extend(found.Targets)
	}
}

// namesDevice tells whether an INVITE is for one device and not for its user
// (RFC 5627).
func namesDevice(r *server.Request) bool {
	_, gruu := wire.URIParam(&r.Recipient, "gr")
	return gruu
}

// replaced is the Call-ID of the call whose place an INVITE takes, "" for none.
func replaced(r *server.Request) string {
	callID, _, _ := strings.Cut(wire.Header(r.Request, "Replaces"), ";")
	return strings.TrimSpace(callID)
}

// takesPart tells whether a user is in a call of that Call-ID now. To take its place
// is no call to him: what he has set does not hold, and nobody else may say that it is.
func (s *Service) takesPart(u store.UserID, callID string) bool {
	if u == 0 || callID == "" {
		return false
	}
	var calls []*call
	s.mu.Lock()
	for c := s.byName[callID]; c != nil; c = c.sameName {
		calls = append(calls, c)
	}
	s.mu.Unlock()
	return slices.ContainsFunc(calls, func(c *call) bool { return c.has(u) })
}

// has tells whether a user is on one of the sides.
func (c *call) has(u store.UserID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.caller.user == u || slices.ContainsFunc(c.branches, func(b *branch) bool { return b != nil && !b.failed && b.user == u })
}

func unavailable() *server.Error { return &server.Error{Status: sip.StatusTemporarilyUnavailable} }

// disturbed tells whether a user does not want to be.
func disturbed(c *store.CallSettings) bool { return c != nil && c.DoNotDisturb }

// reachable tells whether a device can be called now.
func reachable(targets []registrar.Target) bool {
	for i := range targets {
		if f := targets[i].Flow; f != nil && f.Alive() {
			return true
		}
	}
	return false
}

// wait limits how long a stage rings: by the stage's own time, or by that of a
// user who wants unanswered calls elsewhere.
func (c *call) wait(ring time.Duration, services *store.CallSettings) {
	if ring == 0 && services != nil && services.ForwardNoAnswer != "" {
		ring = ringTime(services.NoAnswerAfter)
	}
	if ring != 0 {
		c.patience.Store(time.Now().Add(ring).UnixNano())
	}
}

// divert sends a call somewhere else, in the name and at the cost of p.
func (c *call) divert(want arrival, p payer) {
	to, err := c.service.settings.address(want.to)
	if err != nil { // it was fine once
		c.deny(want.why, want.to, p, err.Error())
		c.cannot(unavailable())
		return
	}
	c.divertTo(to, want.why, p)
}

func (c *call) divertTo(to sip.Uri, why string, p payer) {
	c.mu.Lock()
	ok := c.route.divert(to, why, p)
	c.mu.Unlock()
	if !ok {
		c.deny(deniedLoop, wire.URIString(&to), p, "the call was diverted too often")
		c.cannot(unavailable())
		return
	}
	c.advance(outcome{})
}

// findTrunks looks for ways to a number that is not one of ours.
func (c *call) findTrunks(at stage) {
	ways, err := c.waysOut(at)
	if err != nil {
		c.cannot(err)
		return
	}
	c.mu.Lock()
	c.route.detour(at, ways)
	c.mu.Unlock()
	c.advance(outcome{})
}

// callOut goes to a carrier.
func (c *call) callOut(at stage) {
	var err *server.Error
	if !at.trunk.Emergency {
		err = c.service.refuseMore(c.caller.user)
	}
	c.mu.Lock()
	if err == nil {
		err = c.prepare()
	}
	c.toCarrier(at.trunk)
	c.mu.Unlock()
	if err != nil {
		c.cannot(err)
		return
	}
	c.wait(at.ring, nil)
	c.fork.Extend([]registrar.Target{c.outside(at, at.trunk)})
}

// outside is the device that stands for a way to a carrier.
func (c *call) outside(at stage, way *trunk.Route) registrar.Target {
	c.mu.Lock()
	who := c.payerOf(at)
	c.mu.Unlock()
	t := c.service.cfg.Border.Target(*way, who, c.attempted)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ways == nil {
		c.ways = make(map[string]*trunk.Route)
	}
	c.ways[wire.URIString(&t.Contact)] = way
	return t
}

// wayOf is the way that a target stands for, nil for a user's device. c.mu is
// held.
func (c *call) wayOf(t *registrar.Target) *trunk.Route {
	if c.ways == nil {
		return nil
	}
	return c.ways[wire.URIString(&t.Contact)]
}

// cannot ends a stage that nobody could be tried in. What hinders a diversion is
// not the caller's business.
func (c *call) cannot(err *server.Error) {
	c.mu.Lock()
	at := c.stage
	if at.payer.diverted() {
		err = unavailable()
	}
	if c.verdict == nil || c.verdict.Status == sip.StatusTemporarilyUnavailable {
		c.verdict = err
	}
	c.mu.Unlock()
	if at.trunk == nil {
		at = stage{}
	}
	c.advance(outcome{at, err.Status})
}

// settle goes on after a stage whose devices did not answer.
func (c *call) settle(at stage, status int) {
	if at.redirect != nil {
		c.divertTo(at.redirect.to, redirected, at.redirect.payer)
		return
	}
	if want := unanswered(at.services, status, at.rang); want.to != "" {
		c.divert(want, at.rung)
		return
	}
	c.advance(outcome{at, status})
}

// asError is what a part that knows no calls answered, as the caller gets it.
func asError(err error) *server.Error {
	if e, ok := errors.AsType[*server.Error](err); ok {
		return e
	}
	return &server.Error{Status: sip.StatusServiceUnavailable, RetryAfter: 5}
}

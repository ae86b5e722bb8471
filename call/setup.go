package call

import (
	"bytes"
	"errors"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/sip/proxy"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

var _ proxy.Watcher = (*call)(nil)

// prepare makes the media of a call, with the caller's leg, before the first
// device is called. c.mu is held.
func (c *call) prepare() *server.Error {
	if c.session != nil || c.phase == over { // the store answers also when the caller has gone
		return nil
	}
	s := c.service
	c.session = s.cfg.Relay.NewSession(c.heard)
	if c.half == rings {
		return nil // nobody is there yet
	}
	profile := s.profile(c.caller.flow, false)
	if in, ok := s.inbound(&c.record); ok {
		profile = s.carrierProfile(c.caller.flow, in.Media)
	}
	c.caller.leg = c.session.NewLeg(profile)
	if c.content.sdp == nil {
		return nil
	}
	if err := c.caller.leg.TakeOffer(c.content.sdp); err != nil {
		c.verdict, c.route.stages = refusalOf(err), nil // nobody else can be called with it either
		return c.verdict
	}
	if !c.endToEnd() {
		s.habits.learn(deviceKind{c.caller.user, c.record.Caller.Device}, mannerOf(c.caller.leg.Keying()))
	}
	return nil
}

// refusalOf is what the one is told whose description could not be used.
func refusalOf(err error) *server.Error {
	switch {
	case errors.Is(err, media.ErrMalformed):
		return &server.Error{Status: sip.StatusBadRequest, Warning: err.Error()}
	case errors.Is(err, media.ErrInsecure):
		return &server.Error{Status: sip.StatusNotAcceptableHere,
			Warning: "SRTP is required: turn on media encryption (SDES over TLS, or DTLS-SRTP) in the phone, or set media.srtp = prefer on the server"}
	case errors.Is(err, media.ErrNotAcceptable):
		return &server.Error{Status: sip.StatusNotAcceptableHere, Warning: err.Error()}
	case errors.Is(err, media.ErrState):
		return &server.Error{Status: sip.StatusRequestPending}
	case errors.Is(err, media.ErrExhausted):
		return &server.Error{Status: sip.StatusServiceUnavailable, RetryAfter: 10, Warning: "no media ports are free"}
	}
	return &server.Error{Status: sip.StatusInternalServerError}
}

// Request makes the offer for a branch.
func (c *call) Request(i int, t *registrar.Target, e *wire.Edit) *server.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == over {
		return &server.Error{Status: sip.StatusRequestTerminated}
	}
	b, profile, ok := c.newBranch(t)
	for len(c.branches) <= i {
		c.branches = append(c.branches, nil)
	}
	c.branches[i] = b
	if !ok {
		return c.refuse(b, media.ErrInsecure)
	}
	b.shiftRequest(e, sip.INVITE, c.cseq, "")
	b.leg = c.session.NewLeg(profile)
	e.Add = c.timer.ask(e.Add)
	b.x = c.opening()
	if c.content.sdp == nil {
		return nil
	}
	sdp, err := b.leg.MakeOffer(c.caller.leg)
	if err != nil {
		return c.refuse(b, err)
	}
	b.told[callee] = sdp
	e.Body, e.SetBody = c.content.with(sdp), true
	return nil
}

// newBranch makes a branch to a target; ok is false when it has refused every
// manner that there is.
func (c *call) newBranch(t *registrar.Target) (b *branch, profile media.Profile, ok bool) {
	s := c.service
	b = &branch{party: party{user: t.User, flow: t.Flow, routes: t.Path}, target: t, attempt: -1}
	if b.way = c.wayOf(t); b.way != nil {
		profile = s.carrierProfile(t.Flow, b.way.Media)
		carrierManner(&profile).apply(&profile)
		return b, profile, true
	}
	b.rung = c.stage.rung
	b.kind = deviceKind{t.User, t.Device.UserAgent}
	b.attempt = c.try(t)
	profile = s.profile(t.Flow, t.ICE)
	before := c.retries[c.firstOf(t)]
	b.shift = before.times
	b.manner, ok = s.habits.choose(b.kind, &profile, isBrowser(t.Flow), before.refused)
	if c.endToEnd() && profile.SRTP == media.Prefer && before.times == 0 {
		b.manner = plain
	}
	b.manner.apply(&profile)
	profile.Modest = before.times > 0
	return b, profile, ok
}

// endToEnd tells whether the caller encrypts by himself inside plain RTP
// (RFC 6189 §8): ZRTP passes between plain legs only, and says nothing about what
// else his phone or the callee's can do.
func (c *call) endToEnd() bool { return bytes.Contains(c.content.sdp, []byte("\na=zrtp-hash:")) }

// isBrowser tells whether a device came by WebSocket.
func isBrowser(f *transport.Flow) bool {
	return f.Transport == transport.WS || f.Transport == transport.WSS
}

// profile is what holds for the media of a user's device. One that does ICE may
// send nothing to a peer who does not offer it.
func (s *Service) profile(f *transport.Flow, ice bool) media.Profile {
	return media.Profile{
		SRTP: s.cfg.SRTP, NAT: true, ICE: ice || isBrowser(f), Local: s.local(f), Peer: f.Remote.Addr(), Secure: f.Secure(),
	}
}

func (s *Service) local(f *transport.Flow) netip.Addr {
	if s.cfg.Local != nil {
		return s.cfg.Local(f)
	}
	return f.Local.Addr()
}

// refuse ends a branch for which there is no offer. c.mu is held.
func (c *call) refuse(b *branch, err error) *server.Error {
	refusal := refusalOf(err)
	if errors.Is(err, media.ErrExhausted) {
		c.verdict = refusal
		c.service.log.Warn("a call got no media", "trace", c.record.TraceID, "error", err)
	}
	c.fail(b, refusal.Status, refusal.Warning)
	return refusal
}

// fail ends a branch. c.mu is held.
func (c *call) fail(b *branch, status int, reason string) {
	if b.failed || b == c.answered {
		return
	}
	b.failed = true
	if b.leg != nil {
		b.leg.Close()
	}
	if c.early == b {
		c.early = nil
	}
	c.attemptEnded(b, status, reason)
}

// Response sees what a device says.
func (c *call) Response(i int, res *sip.Response) *sip.Response {
	c.mu.Lock()
	b := c.branches[i]
	b.shiftResponse(res, sip.INVITE, c.cseq)
	var then func()
	switch status := res.StatusCode; {
	case status < 200:
		b.learn(res)
		c.provisional(b, res)
	case status < 300:
		second := (b == c.answered || b.rivalry.ready) && tagOf(wire.Header(res, "To")) != b.tag
		if !second {
			b.learn(res)
		}
		c.together(func() { res, then = c.success(b, res, second) })
	default:
		res, then = c.declined(b, res)
	}
	c.mu.Unlock()
	if then != nil {
		then()
	}
	return res
}

// together lets the relay take what f changes in one piece. c.mu is held.
func (c *call) together(f func()) {
	if c.session == nil {
		f()
		return
	}
	c.session.Together(f)
}

// learn takes from a response what is needed to speak to its device.
func (b *branch) learn(res *sip.Response) {
	if b.tag != "" && res.StatusCode < 200 {
		return
	}
	name := wire.Header(res, "To")
	tag := tagOf(name)
	if tag == "" {
		return
	}
	b.name, b.tag = name, tag
	if contact := wire.Header(res, "Contact"); contact != "" {
		b.contact = contact
	}
}

// provisional is a 18x. An early answer is passed on; of several branches the
// caller hears the first until one answers. c.mu is held.
func (c *call) provisional(b *branch, res *sip.Response) {
	c.rings(res.StatusCode)
	content, err := bodyOf(res)
	reliable := wire.Has(res, "Require", "100rel")
	second := c.early != nil && c.early != b && !reliable
	if err != nil || c.phase != setup || b.failed || content.sdp != nil && second {
		setBody(res, nil)
		return
	}
	if reliable {
		c.hearFrom(b, res, &content)
	}
	before := b.x
	v := b.x.step(message{from: callee, method: sip.INVITE, cseq: c.cseq, status: res.StatusCode, reliable: reliable, sdp: content.sdp != nil})
	if c.carry(v, b, callee, &content, res) != nil {
		b.x = before // the final response says it again, or fails
		setBody(res, nil)
		return
	}
	if v == answer && c.early != b {
		c.early = b
		c.connect(b)
	}
}

// opening is what the INVITE begins in each dialog.
func (c *call) opening() exchange {
	if c.content.sdp == nil {
		return exchange{empty: c.cseq}
	}
	return exchange{offerer: caller, method: sip.INVITE, cseq: c.cseq}
}

// hearFrom begins the exchange anew where a description comes from another phone
// behind the target than the one before: to ring at one and answer at another is
// what PBXs and carriers do, each with a tag of its own (RFC 3261 §12.1.2). c.mu is
// held.
func (c *call) hearFrom(b *branch, res *sip.Response, content *body) {
	if content.sdp == nil {
		return
	}
	tag := tagOf(wire.Header(res, "To"))
	if b.speaks != "" && b.speaks != tag {
		if b.x.offerer == callee {
			c.rollback(b)
		}
		b.x = c.opening()
	}
	b.speaks = tag
}

// carry does what a verb asks for: it takes the description of a response by one
// side and writes the one for the other side in its place. c.mu is held.
func (c *call) carry(v verb, b *branch, from side, content *body, res *sip.Response) error {
	switch v {
	case offer, answer:
		text, err := c.translate(v, b, from, content.sdp)
		if err != nil {
			return err
		}
		setBody(res, content.with(text))
	case repeated:
		setBody(res, content.with(b.told[from.other()]))
	case strip:
		setBody(res, nil)
	case rollback:
		c.rollback(b)
	case missing:
		return errNoAnswer
	}
	return nil
}

var errNoAnswer = errors.New("the answer to the offer is missing")

// translate takes an offer or answer of one side and makes the one that the other
// side gets. c.mu is held.
func (c *call) translate(v verb, b *branch, from side, sdp []byte) (text []byte, err error) {
	here, there := c.of(b, from).leg, c.of(b, from.other()).leg
	if v == offer {
		if err = here.TakeOffer(sdp); err == nil {
			text, err = there.MakeOffer(here)
		}
	} else if err = here.TakeAnswer(sdp); err == nil && c.asked(there) {
		text, err = there.MakeAnswer(here)
	}
	if err != nil {
		return nil, err
	}
	b.told[from.other()] = text
	return text, nil
}

func (c *call) rollback(b *branch) {
	if c.caller.leg != nil {
		c.caller.leg.Rollback()
	}
	b.leg.Rollback()
}

// success is a 2xx. One that cannot be used is ended here, and is a failure of
// its branch. second tells that another dialog of the branch was answered before.
// c.mu is held; then is called without.
func (c *call) success(b *branch, res *sip.Response, second bool) (out *sip.Response, then func()) {
	switch {
	case b.rivalry.over, b == c.answered && c.phase == over: // repeated, and too late for anybody
		setBody(res, nil)
		return res, nil
	case b.failed || c.phase == over:
		return c.failureOf(res, sip.StatusNotAcceptableHere), func() { c.dismiss(b) }
	}
	content, refusal := bodyOf(res)
	if second || !c.audible(b) {
		c.alsoAnswered(b, res, &content, second)
		return res, nil
	}
	c.hearFrom(b, res, &content)
	v := b.x.step(message{from: callee, method: sip.INVITE, cseq: c.cseq, status: res.StatusCode, sdp: content.sdp != nil})
	err := c.carry(v, b, callee, &content, res)
	if refusal != nil {
		err = refusal
	}
	if err != nil {
		c.service.log.Info("an answer cannot be used", "trace", c.record.TraceID, "call_id", c.callID, "error", err)
		return c.unusable(b, res, err)
	}
	lasts := c.timer.agreed(res)
	if c.answered == nil {
		c.answer(b, res, lasts)
	}
	return res, nil
}

// answer lets the parties talk. c.mu is held.
func (c *call) answer(b *branch, res *sip.Response, lasts time.Duration) {
	c.answered, c.phase, c.request = b, talking, nil
	c.connect(b)
	if !c.allowsRivals() { // otherwise each leg lives until its device says that it has ended
		c.closeOthers(b)
	}
	if c.content.sdp != nil && b.kind.user != 0 && !c.endToEnd() {
		c.service.habits.learn(b.kind, b.manner)
	}
	c.refreshed(lasts)
	c.answeredBy(b, res)
	c.service.cfg.Records.SaveCall(c.copyRecord())
}

// closeOthers gives the media of all branches but b back. c.mu is held.
func (c *call) closeOthers(b *branch) {
	for _, other := range c.branches {
		if other != nil && other != b && !other.failed {
			other.leg.Close()
		}
	}
}

// connect lets packets flow between the caller and a branch. c.mu is held.
func (c *call) connect(b *branch) {
	if c.caller.leg != nil {
		c.session.Connect(c.caller.leg, b.leg)
	}
}

// refreshed sets the session timer anew; 0: it ends never.
func (c *call) refreshed(lasts time.Duration) {
	if lasts == 0 || c.half == rings { // the agent sees to its own
		c.deadline.Store(0)
		return
	}
	c.deadline.Store(time.Now().Add(lasts + refreshGrace).UnixNano())
}

// unusable makes a failure of a 2xx: the device is told that it is over, and
// perhaps asked again with other keys. c.mu is held.
func (c *call) unusable(b *branch, res *sip.Response, err error) (out *sip.Response, then func()) {
	c.fail(b, sip.StatusNotAcceptableHere, err.Error())
	again := c.otherManner(b)
	if again == nil {
		return c.failureOf(res, sip.StatusNotAcceptableHere), func() { c.dismiss(b) }
	}
	return c.failureOf(res, sip.StatusTemporarilyUnavailable), func() {
		c.dismiss(b)
		c.fork.Extend([]registrar.Target{*again})
	}
}

// dismiss acknowledges a 2xx that nobody wants and ends its dialog.
func (c *call) dismiss(b *branch) {
	c.originate("ACK", b, callee)
	c.mu.Lock()
	again := b.acked
	b.acked = true
	c.mu.Unlock()
	if !again {
		c.originate("BYE", b, callee, reasonHeader(causeOf(sip.StatusNotAcceptableHere), "the answer cannot be used"))
	}
}

// failureOf makes a response of failure with the dialog of another one.
func (c *call) failureOf(res *sip.Response, status int) *sip.Response {
	out := sip.NewResponse(status, wire.Reason(status))
	for _, h := range res.Headers() {
		switch h.Name() {
		case "Via", "From", "To", "Call-ID", "CSeq":
			out.AppendHeader(h)
		}
	}
	return out
}

// declined is a final response of failure. What another offer could mend is
// tried once more at once. c.mu is held.
func (c *call) declined(b *branch, res *sip.Response) (out *sip.Response, then func()) {
	status := res.StatusCode
	setBody(res, nil) // what a device is able to do is not the caller's business
	if b.failed || c.phase != setup {
		c.fail(b, status, res.Reason)
		return res, nil
	}
	c.fail(b, status, res.Reason)
	var again *registrar.Target
	switch status {
	case statusTooSmall:
		if c.timer.inserted != 0 {
			c.timer.inserted = 0 // RFC 4028 §7.3 is for those who asked
			again = c.again(b, nothing)
		}
	case sip.StatusNotAcceptableHere, sip.StatusGlobalNotAcceptable, sip.StatusUnsupportedMediaType:
		again = c.otherManner(b)
	}
	switch {
	case again != nil:
	case status < 400 || c.stage.group != nil && status >= 600:
		return c.withdrawn(b, res)
	default:
		return res, nil
	}
	// It speaks for one offer, not for the device: anything else is better.
	return c.failureOf(res, sip.StatusTemporarilyUnavailable), func() { c.fork.Extend([]registrar.Target{*again}) }
}

// Failed ends a branch that said nothing.
func (c *call) Failed(i, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(c.branches[i], status, wire.Reason(status))
}

// Exhausted goes on with the next stage.
func (c *call) Exhausted(best int) bool {
	c.mu.Lock()
	at := c.stage
	c.mu.Unlock()
	c.settle(at, best)
	return true
}

// Ended closes a call that was not answered.
func (c *call) Ended(status, _ int) {
	if status < 300 {
		return
	}
	c.mu.Lock()
	e := ending{by: "callee"}
	switch {
	case c.ending != nil:
		e = *c.ending
	case status == sip.StatusRequestTerminated:
		e.by = "caller"
	case c.stage.trunk != nil:
		e.by = "carrier"
	case len(c.branches) == 0:
		e.by = "server"
	}
	c.mu.Unlock()
	if e.status = status; e.reason == "" {
		e.reason = wire.Reason(status)
	}
	c.finish(e)
}

package call

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/proxy"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// InDialog sees the requests inside dialogs of calls. What speaks of media in a
// call that we do not know (any more) has no relay and is refused.
func (s *Service) InDialog(r *server.Request) (proxy.Watcher, *server.Error) {
	c, from := s.find(r.CallID, r.FromTag, r.ToTag)
	if c == nil {
		return nil, unknown(r)
	}
	c.mu.Lock()
	w, then, err := c.inDialog(r, from)
	c.mu.Unlock()
	if then != nil {
		then()
	}
	if w == nil { // not a nil pointer in an interface
		return nil, err
	}
	return w, err
}

// unknown refuses what would need a relay. Dialogs whose INVITE was none of ours
// offer something else than media, and have no call that could be transferred.
func unknown(r *server.Request) *server.Error {
	content, err := bodyOf(r.Request)
	switch {
	case r.Method == sip.REFER:
		return &server.Error{Status: sip.StatusCallTransactionDoesNotExists}
	case r.Method != sip.INVITE && r.Method != sip.UPDATE, content.foreign:
		return nil
	case err != nil || content.sdp != nil || r.Method == sip.INVITE:
		return &server.Error{Status: sip.StatusCallTransactionDoesNotExists}
	}
	return nil
}

// inDialog is InDialog for a call. c.mu is held; then is called without.
func (c *call) inDialog(r *server.Request, from side) (w *refresh, then func(), err *server.Error) {
	tag := r.ToTag
	if from == callee {
		tag = r.FromTag
	}
	b := c.branchOf(tag)
	if b == nil || c.phase == over {
		return nil, nil, unknown(r)
	}
	if p := c.of(b, from); r.Method != sip.ACK {
		p.cseq = max(p.cseq, r.CSeq)
	} else if from == caller {
		b.rivalry.confirmed = true
	}
	switch r.Method {
	case sip.BYE:
		then = c.bye(r, b, from)
	case sip.INVITE, sip.UPDATE, sip.PRACK, sip.ACK:
		if c.half != rings { // the agent passes on what is said there, by the other half
			w, then, err = c.describe(r, b, from)
		}
	case sip.REFER:
		err = c.refer(c.referrer(b, from), r)
	}
	if w == nil && err == nil && from == caller && b.shift != 0 {
		w = &refresh{call: c, branch: b, from: from, method: r.Method, cseq: r.CSeq, original: r}
	}
	return w, then, err
}

// hungUp closes a call that one side has ended.
func (c *call) hungUp(r *server.Request, by side) {
	e := ending{by: by.String(), cause: causeNormal, reason: "hung up"}
	if cause, text := reasonOf(r.Request); cause != 0 {
		e.cause = cause
		if text != "" {
			e.reason = text
		}
	}
	c.finish(e)
}

// describe takes a request that may carry an offer or an answer.
func (c *call) describe(r *server.Request, b *branch, from side) (w *refresh, then func(), err *server.Error) {
	content, err := bodyOf(r.Request)
	if err != nil {
		return nil, nil, err
	}
	if content.foreign {
		return nil, nil, nil
	}
	before := b.x
	v := b.x.step(message{from: from, method: r.Method, cseq: r.CSeq, sdp: content.sdp != nil})
	w = &refresh{call: c, branch: b, from: from, method: r.Method, cseq: r.CSeq, original: r}
	if !c.audible(b) {
		b.x, v = before, aside(v, r.Method)
	}
	switch v {
	case glare:
		return nil, nil, &server.Error{Status: sip.StatusRequestPending}
	case busy:
		return nil, nil, &server.Error{Status: sip.StatusInternalServerError, RetryAfter: 5}
	case offer, answer:
		text, failure := c.translate(v, b, from, content.sdp)
		switch {
		case failure == nil:
			w.edit, w.text = true, content.with(text)
		case r.Method == sip.ACK:
			w.edit = true
			return w, c.broken(failure.Error()), nil
		default:
			b.x = before
			c.rollback(b)
			return nil, nil, refusalOf(failure)
		}
	case repeated:
		w.edit, w.text = true, content.with(b.told[from.other()])
	case strip:
		w.edit = true
	case missing:
		return nil, c.broken(errNoAnswer.Error()), nil
	case pass:
		if r.Method == sip.ACK || r.Method == sip.PRACK {
			return nil, nil, nil
		}
	}
	if contact := wire.Header(r.Request, "Contact"); contact != "" && r.Method != sip.ACK {
		c.of(b, from).contact = contact // RFC 3261 §12.2: a target refresh
	}
	return w, nil, nil
}

// broken ends a call whose parties cannot agree.
func (c *call) broken(why string) (then func()) {
	return func() { c.hangUp(ending{by: "media", cause: 65, reason: why}) }
}

// refresh watches one request inside a dialog: a re-INVITE, UPDATE, PRACK or ACK,
// and any other one whose sequence number is another one at the device.
type refresh struct {
	call     *call
	branch   *branch
	from     side
	method   sip.RequestMethod
	cseq     uint32
	original *server.Request
	edit     bool
	text     []byte // the body that goes on, when edit
}

// Request puts the description for the other side in its place.
func (w *refresh) Request(_ int, _ *registrar.Target, e *wire.Edit) *server.Error {
	if w.edit {
		setEditBody(e, w.original.Request, w.text)
	}
	if w.from == caller {
		w.branch.shiftRequest(e, w.method, w.cseq, wire.Header(w.original.Request, "RAck"))
	}
	return nil
}

// Response sees the answer, or an offer to a re-INVITE without one.
func (w *refresh) Response(_ int, res *sip.Response) *sip.Response {
	c, b := w.call, w.branch
	if w.from == caller {
		b.shiftResponse(res, w.method, w.cseq)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == over || c.half == rings {
		return res
	}
	if !c.audible(b) { // a request of before another device answered
		setBody(res, nil)
		return res
	}
	content, refusal := bodyOf(res)
	status := res.StatusCode
	before := b.x
	v := b.x.step(message{from: w.from.other(), method: w.method, cseq: w.cseq, status: status,
		reliable: wire.Has(res, "Require", "100rel"), sdp: content.sdp != nil})
	err := c.carry(v, b, w.from.other(), &content, res)
	switch {
	case status < 200:
		if err != nil {
			b.x = before
			setBody(res, nil)
		}
	case status < 300:
		if err != nil || refusal != nil {
			c.rollback(b)
			setBody(res, nil)
			go c.broken("the answer to a new offer cannot be used")()
		}
		w.succeeded(res)
	}
	return res
}

// succeeded learns from a 2xx. c.mu is held.
func (w *refresh) succeeded(res *sip.Response) {
	if w.method != sip.INVITE && w.method != sip.UPDATE {
		return
	}
	if contact := wire.Header(res, "Contact"); contact != "" {
		w.call.of(w.branch, w.from.other()).contact = contact
	}
	w.call.refreshed(seconds(wire.Header(res, "Session-Expires"))) // RFC 4028 §8.2
}

// Failed takes the offer of a request back that nobody answered.
func (w *refresh) Failed(_, status int) {
	c, b := w.call, w.branch
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != over && c.audible(b) && b.x.step(message{from: w.from.other(), method: w.method, cseq: w.cseq, status: status}) == rollback {
		c.rollback(b)
	}
}

// Exhausted is never asked.
func (w *refresh) Exhausted(int) bool { return false }

// Ended says nothing that Response and Failed have not.
func (w *refresh) Ended(int, int) {}

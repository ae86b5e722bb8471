package proxy

import (
	"errors"
	"strconv"
	"sync"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
)

// responseContext ties one server transaction to the client transactions of its
// branches (RFC 3261 §16.7). Events of all of them come in on the goroutines of
// their flows; each is one step of fork under mu, and what is to be done is done
// after it, without mu.
type responseContext struct {
	proxy   *Proxy
	r       *server.Request
	tx      *transaction.Server
	watcher Watcher // nil for most

	// What all copies of the request have in common, see forward.go.
	hash        string       // second part of the branches, "" inside a dialog
	breadth     int          // branches that there may be at a time (RFC 5393 §5.3.3); 0 inside a dialog
	add         []sip.Header // header fields added; the first is Max-Breadth, which branches differ in
	leftOut     []string     // header fields left out
	recordRoute string       // our value for the caller's side, "" when not record-routing

	mu       sync.Mutex
	fork     fork
	branches []*branch     // the same indices as in fork
	over     bool          // nothing but a repeated 2xx can follow
	verdict  *server.Error // of a watcher that gave up

	room       [1]*branch // most requests have one target
	roomBranch [1]branch
	roomFork   [1]forkBranch
}

// branch is one target of a response context.
type branch struct {
	hop
	context *responseContext
	index   int
	target  *registrar.Target   // for the watcher; nil inside a dialog
	add     []sip.Header        // header fields added
	client  *transaction.Client // nil before it was sent
	cancel  bool                // wanted, perhaps before client was known
	reason  string              // for the CANCEL
	final   *sip.Response       // not 2xx
	refusal *server.Error       // of the watcher, which did not let the request out
	ring    ringing             // its place in the queue of Timer C
}

func (p *Proxy) newContext(r *server.Request, tx *transaction.Server, w Watcher) *responseContext {
	p.metrics.open.Inc()
	c := &responseContext{proxy: p, r: r, tx: tx, watcher: w}
	c.branches, c.fork.branches = c.room[:0], c.roomFork[:0]
	c.fork.invite = r.Method == sip.INVITE
	return c
}

// grow makes n more branches and returns them. c.mu is held, or nobody else
// knows of c yet.
func (c *responseContext) grow(n int) []*branch {
	first := len(c.branches)
	more := c.roomBranch[:]
	if first+n > 1 {
		more = make([]branch, n)
	}
	for i := range n {
		b := &more[i]
		b.context, b.index = c, first+i
		c.branches = append(c.branches, b)
	}
	return c.branches[first:]
}

// start begins with the best targets.
func (c *responseContext) start() {
	c.take(event{kind: extended}, nil)
	if c.fork.invite {
		c.tx.OnCancel(c.callerCancelled)
	}
}

// on takes what the client transaction of a branch reports.
func (b *branch) on(_ *transaction.Client, res *sip.Response, err error) {
	e := event{kind: response, branch: b.index}
	switch {
	case err == nil:
		e.status = res.StatusCode
	case errors.Is(err, transaction.ErrTimeout): // RFC 3261 §16.8
		e.kind, e.status = failed, sip.StatusRequestTimeout
	case errors.Is(err, transaction.ErrTransport): // §16.9, but it is this device's trouble, not a server's
		e.kind, e.status = failed, statusFlowFailed
	default:
		e.kind, e.status = failed, sip.StatusServiceUnavailable
	}
	b.ringFor(e)
	b.context.take(e, b.shown(&e, res))
}

// shown shows the watcher what a branch reports, and returns what goes on in its
// place; e changes with it.
func (b *branch) shown(e *event, res *sip.Response) *sip.Response {
	w := b.context.watcher
	switch {
	case w == nil || e.status == sip.StatusTrying:
	case e.kind == failed:
		w.Failed(b.index, e.status)
	default:
		res = w.Response(b.index, res)
		e.status = res.StatusCode
	}
	return res
}

// take is one step: what happened, and what is done about it.
func (c *responseContext) take(e event, res *sip.Response) {
	var room [4]action
	c.mu.Lock()
	before := c.fork.sent
	if res != nil && e.status >= 300 && c.branches[e.branch].final == nil {
		c.branches[e.branch].final = res
	}
	do := c.fork.step(e, room[:0])
	answered := before == 0 && c.fork.sent != 0
	sent := c.fork.sent
	over := !c.over && c.fork.over()
	c.over = c.over || over
	c.mu.Unlock()
	for _, a := range do {
		c.perform(a, res)
	}
	if answered {
		c.proxy.metrics.open.Dec()
		c.tellEnd(sent, e.branch)
	}
	if over {
		c.release()
	}
}

// release lets go of the request when nothing more will be sent for it. The
// transactions hold the context for half a minute after that, for late 2xx.
func (c *responseContext) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r, c.add = nil, nil
	for _, b := range c.branches {
		b.hop, b.target, b.add, b.final = hop{}, nil, nil, nil
	}
}

func (c *responseContext) perform(a action, res *sip.Response) {
	switch a.kind {
	case startBranch:
		c.send(c.branch(a.branch))
	case cancelBranch:
		c.branch(a.branch).giveUp(cancelReason(a.status))
	case relay:
		c.forwardResponse(res)
	case relayBest:
		c.forwardResponse(c.withChallenges(c.branch(a.branch).final))
	case reply:
		c.reply(a)
	case ask:
		if !c.watcher.Exhausted(a.status) {
			c.take(event{kind: extended}, nil)
		}
	}
}

// branch returns one by its index; a watcher may be adding others.
func (c *responseContext) branch(i int) *branch {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.branches[i]
}

// reply answers with a response of our own: in the words of the watcher, where
// the end is his.
func (c *responseContext) reply(a action) {
	c.mu.Lock()
	verdict := c.verdict
	if a.branch >= 0 {
		verdict = c.branches[a.branch].refusal
	}
	c.mu.Unlock()
	if verdict != nil && verdict.Status == a.status {
		c.r.ReplyError(verdict)
		return
	}
	c.r.Reply(a.status, "")
}

func (c *responseContext) tellEnd(status, branch int) {
	switch {
	case c.watcher == nil:
	case status < 300:
		c.watcher.Ended(status, branch)
	default:
		c.watcher.Ended(status, -1)
	}
}

// forwardResponse is RFC 3261 §16.7 steps 3, 8 and 9.
func (c *responseContext) forwardResponse(res *sip.Response) {
	up := wire.ForwardResponse(res)
	if up == nil {
		return // we were the last Via: not meant for anybody
	}
	// A flow that broke takes the caller with it (§16.9: drop it); a final
	// response that came before wins.
	_ = c.tx.Respond(c.proxy.clean(up))
}

// withChallenges adds the challenges of the other branches when the best
// response is one, so that the caller can answer all at once (§16.7 step 7).
func (c *responseContext) withChallenges(best *sip.Response) *sip.Response {
	if len(c.branches) == 1 || !isChallenge(best.StatusCode) {
		return best
	}
	all := copyResponse(best)
	for _, h := range best.Headers() {
		all.AppendHeader(h)
	}
	for _, b := range c.branches {
		other := b.final
		if other == nil || other == best || !isChallenge(other.StatusCode) {
			continue
		}
		for _, h := range other.Headers() {
			if name := h.Name(); name == "WWW-Authenticate" || name == "Proxy-Authenticate" {
				all.AppendHeader(h)
			}
		}
	}
	return all
}

// copyResponse copies the start line and the body.
func copyResponse(res *sip.Response) *sip.Response {
	out := sip.NewResponse(res.StatusCode, res.Reason)
	out.SetBody(res.Body())
	return out
}

func isChallenge(status int) bool {
	return status == sip.StatusUnauthorized || status == sip.StatusProxyAuthRequired
}

// cancelReason is the Reason of a CANCEL (RFC 3326): phones show no missed call
// when the call was taken elsewhere.
func cancelReason(status int) string {
	switch {
	case status == 0:
		return ""
	case status < 300:
		return `SIP;cause=200;text="Call completed elsewhere"`
	}
	return "SIP;cause=" + strconv.Itoa(status)
}

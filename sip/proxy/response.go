package proxy

import (
	"errors"
	"strconv"
	"sync"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
)

// responseContext ties one server transaction to the client transactions of its
// branches (RFC 3261 §16.7). Events of all of them come in on the goroutines of
// their flows; each is one step of fork under mu, and what is to be done is done
// after it, without mu.
type responseContext struct {
	proxy *Proxy
	r     *server.Request
	tx    *transaction.Server

	// What all copies of the request have in common, see forward.go.
	hash        string       // second part of the branches, "" inside a dialog
	add         []sip.Header // header fields added
	leftOut     []string     // header fields left out
	recordRoute string       // our value for the caller's side, "" when not record-routing

	mu       sync.Mutex
	fork     fork
	branches []branch // the same indices as in fork
	over     bool     // nothing but a repeated 2xx can follow

	oneBranch [1]branch // most requests have one target
	oneFork   [1]forkBranch
}

// branch is one target of a response context.
type branch struct {
	hop
	context *responseContext
	index   int
	client  *transaction.Client // nil before it was sent
	cancel  bool                // wanted, perhaps before client was known
	reason  string              // for the CANCEL
	final   *sip.Response       // not 2xx
	ring    ringing             // its place in the queue of Timer C
}

func (p *Proxy) newContext(r *server.Request, tx *transaction.Server, targets int) *responseContext {
	c := &responseContext{proxy: p, r: r, tx: tx}
	c.branches, c.fork.branches = c.oneBranch[:], c.oneFork[:]
	if targets > 1 {
		c.branches, c.fork.branches = make([]branch, targets), make([]forkBranch, targets)
	}
	c.fork.invite = r.Method == sip.INVITE
	for i := range c.branches {
		c.branches[i].context, c.branches[i].index = c, i
	}
	return c
}

// start begins with the best targets.
func (c *responseContext) start() {
	c.proxy.metrics.open.Inc()
	c.take(event{kind: begin}, nil)
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
	b.watch(e)
	b.context.take(e, res)
}

// take is one step: what happened, and what is done about it.
func (c *responseContext) take(e event, res *sip.Response) {
	var room [4]action
	c.mu.Lock()
	before := c.fork.sent
	if b := &c.branches[e.branch]; res != nil && e.status >= 300 && b.final == nil {
		b.final = res
	}
	do := c.fork.step(e, room[:0])
	answered := before == 0 && c.fork.sent != 0
	over := !c.over && c.fork.over()
	c.over = c.over || over
	c.mu.Unlock()
	for _, a := range do {
		c.perform(a, res)
	}
	if answered {
		c.proxy.metrics.open.Dec()
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
	for i := range c.branches {
		b := &c.branches[i]
		b.hop, b.final = hop{}, nil
	}
}

func (c *responseContext) perform(a action, res *sip.Response) {
	b := &c.branches[a.branch]
	switch a.kind {
	case startBranch:
		c.send(b)
	case cancelBranch:
		b.giveUp(cancelReason(a.status))
	case relay:
		c.forwardResponse(res)
	case relayBest:
		c.forwardResponse(c.withChallenges(b.final))
	case reply:
		c.r.Reply(a.status, "")
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
	for i := range c.branches {
		other := c.branches[i].final
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

package proxy

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Watcher sees one request with its responses on their way through the proxy,
// and may change what goes on. Its methods are called without any lock of the
// proxy, must not block, and may be called for two branches at once.
type Watcher interface {
	// Request is asked before the copy for a branch goes out (also an ACK, with
	// branch 0). It may set a body and add or drop headers; t is nil inside a
	// dialog. An error ends the branch as if its target had answered so.
	Request(branch int, t *registrar.Target, e *wire.Edit) *server.Error
	// Response is told of each response of a branch but 100, before anything is
	// done with it, and returns what takes its place: res itself, which it may
	// change, or another one with the same Via values. Another status makes it
	// another event: a 2xx that becomes a failure ends the branch, and the
	// watcher has to end what its device believes.
	Response(branch int, res *sip.Response) *sip.Response
	// Failed is told of a branch that ended without a final response: 408 it
	// did not answer, 430 its flow is gone, 503 we are overloaded.
	Failed(branch, status int)
	// Exhausted is asked when every branch has failed; best is what the caller
	// would be told. true: Extend or End will be called, now or later. Inside a
	// dialog it is never asked.
	Exhausted(best int) bool
	// Ended is told once what the caller was told at the end: 2xx and the branch
	// that answered, or the status of failure and -1. A further 2xx of another
	// branch still goes through Response, and on to the caller.
	Ended(status, branch int)
}

// Fork is an INVITE on its way, as its watcher steers it. Its methods may be
// called at any time; those that come too late do nothing.
type Fork struct{ context *responseContext }

// forkBreadth is how many devices a watcher may ring at a time where the caller does
// not limit it: a hunt group of 100 with 5 each. An administrator has chosen them, so
// this is more than the 60 branches of RFC 5393 §5.3.3, of which each gets its part:
// one at least.
const forkBreadth = 500

// Fork makes ready to forward r to targets that are chosen elsewhere; the first
// [Fork.Extend] begins. An error was answered: r cannot be forwarded.
func (p *Proxy) Fork(r *server.Request, w Watcher) (Fork, *server.Error) {
	hash, breadth, err := p.spread(r)
	if err != nil {
		return Fork{}, err
	}
	if wire.Header(r.Request, "Max-Breadth") == "" {
		breadth = max(breadth, forkBreadth)
	}
	tx := r.Transaction()
	if tx == nil {
		return Fork{}, &server.Error{Status: sip.StatusServiceUnavailable} // or a copy was quicker
	}
	c := p.newContext(r, tx, w)
	c.initial(hash, breadth)
	c.fork.watched, c.fork.asking = true, true
	return Fork{c}, nil
}

// Extend forwards to targets: at first, after Watcher.Exhausted said true, and
// while others ring, beside them. A device may be among them again. When nothing
// rings and none can be reached the caller gets the best response so far, 480
// before the first.
func (f Fork) Extend(targets []registrar.Target) {
	c := f.context
	defer c.proxy.caught(nil)
	first, err := c.extend(targets)
	if err != nil {
		f.End(err)
		return
	}
	c.take(event{kind: extended}, nil)
	if first {
		c.tx.OnCancel(c.callerCancelled)
	}
}

// extend adds targets while the caller still waits.
func (c *responseContext) extend(targets []registrar.Target) (first bool, err *server.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fork.sent != 0 {
		return false, nil
	}
	var room [2]candidate
	first = len(c.branches) == 0
	return first, c.aim(appendTargets(room[:0], c.r, targets))
}

// MoveOn cancels the branches that ring and goes on at once, as if they had
// answered 480: with those of lower q, or by asking for more.
func (f Fork) MoveOn() {
	defer f.context.proxy.caught(nil)
	f.context.take(event{kind: movedOn}, nil)
}

// End gives up: what rings is cancelled and the caller gets err.
func (f Fork) End(err *server.Error) {
	c := f.context
	defer c.proxy.caught(nil)
	c.mu.Lock()
	if c.verdict == nil {
		c.verdict = err
	}
	c.mu.Unlock()
	c.take(event{kind: ended, status: err.Status}, nil)
}

// Dialogs tells who watches a request inside an INVITE dialog. A nil Watcher
// lets it pass unchanged; an error answers it, and drops an ACK. It is asked for
// every request that has a To tag.
type Dialogs interface {
	InDialog(r *server.Request) (Watcher, *server.Error)
}

// WatchDialogs names who is asked. It is called once, before the first request.
func (p *Proxy) WatchDialogs(d Dialogs) { p.dialogs = d }

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
	// branch 0). It may set a body and add or drop headers. An error ends the
	// branch as if its target had answered so.
	Request(branch int, t *registrar.Target, e *wire.Edit) *server.Error
	// Response is told of each response of a branch but 100, before it goes
	// upstream if it goes there, and returns what goes instead: res itself, or
	// another one with the same Via values.
	Response(branch int, res *sip.Response) *sip.Response
	// Exhausted is asked when every branch has failed; best is what the caller
	// would be told. true: Fork.Extend will be called, now or later.
	Exhausted(best int) bool
	// Ended is told once what the caller was told at the end: 200 and the branch
	// that answered, or the status of failure and -1.
	Ended(status, branch int)
}

// Fork is an INVITE on its way, as its watcher steers it.
type Fork struct{}

// Fork forwards r to targets; it is ServeSIP for a request whose targets were
// chosen elsewhere.
func (p *Proxy) Fork(r *server.Request, targets []registrar.Target, w Watcher) *Fork {
	panic("contract")
}

// Extend adds targets after Watcher.Exhausted said true; none: the caller gets
// the best response so far, or status when it is not 0.
func (f *Fork) Extend(targets []registrar.Target, status int) { panic("contract") }

// MoveOn cancels the branches that ring, as if none of them had answered in time.
func (f *Fork) MoveOn() { panic("contract") }

// End gives up: what rings is cancelled and the caller gets status.
func (f *Fork) End(status int, reason string) { panic("contract") }

// Dialogs tells who watches a request inside an INVITE dialog. A nil Watcher
// lets it pass unchanged; an error answers it.
type Dialogs interface {
	InDialog(r *server.Request) (Watcher, *server.Error)
}

// WatchDialogs names who is asked. It is called once, before the first request.
func (p *Proxy) WatchDialogs(d Dialogs) { panic("contract") }

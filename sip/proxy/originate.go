package proxy

import (
	"errors"
	"slices"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Peer is one side of a dialog that passes here, as the one who watches the
// dialog remembers it.
type Peer struct {
	Flow   *transport.Flow // by which it was heard of last
	User   store.UserID    // whose device it is, 0 when unknown
	Target sip.Uri         // its Contact
	Routes []string        // the route set between us and it, nil when there is none
}

// Originate sends a request in the name of the other side: req with From, To,
// Call-ID and CSeq of that dialog, without Via, Route and body. It goes to where
// the device is now. on, which may be nil, is told the final status once, 408
// when there was none, 430 when the device has no flow; for an ACK never. The
// response goes to nobody.
func (p *Proxy) Originate(req *sip.Request, to Peer, on func(status int)) {
	if on == nil {
		on = func(int) {}
	}
	d := dialogRoute{next: tokenOf(to), uri: to.Target, rest: slices.Clip(to.Routes)}
	d.uri.Headers = nil
	if h, ok := p.nextHop(&d); ok {
		p.originateTo(req, h, d.rest, on)
		return
	}
	p.relocate(d, hop{flow: p.flowOf(d.next), uri: d.uri, user: to.User}, func(h hop, ok bool) {
		defer p.caught(nil)
		if !ok {
			on(statusFlowFailed)
			return
		}
		p.originateTo(req, h, d.rest, on)
	})
}

func (p *Proxy) originateTo(req *sip.Request, h hop, rest []string, on func(status int)) {
	var room [64]byte
	out := wire.Forward(req, wire.Edit{
		URI: &h.uri, Routes: routesAfter(h, rest), Via: p.via(h.flow, wire.AppendBranch(room[:0])),
	})
	if req.Method == sip.ACK {
		_ = p.cfg.Transactions.SendACK(out, h.flow) // what is lost is asked for again
		return
	}
	p.cfg.Transactions.Send(out, h.flow, func(_ *transaction.Client, res *sip.Response, err error) {
		switch {
		case err == nil && res.StatusCode >= 200:
			on(res.StatusCode)
		case errors.Is(err, transaction.ErrTimeout):
			on(sip.StatusRequestTimeout)
		case err != nil:
			on(statusFlowFailed)
		}
	})
}

// tokenOf is what a Route value for that side would say.
func tokenOf(to Peer) token {
	t := token{user: to.User}
	switch {
	case to.Flow == nil:
	case to.Flow.Reliable():
		t.flow = to.Flow.ID
	default:
		t.local, t.remote = to.Flow.Local, to.Flow.Remote
	}
	return t
}

package trunk

import (
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/wire"
)

// transfer moves the party at the carrier from one of us to another (RFC 3515,
// RFC 5589 §6): the border, not the carrier, calls the target inside, for a party
// that hears nothing of it. The target makes the offer, the carrier's end answers
// it (RFC 3725 §4.1), and the one who referred is told and let go.
//
// Whom a user may refer to was judged by package call when the REFER passed
// there, and the INVITE to the target passes there like any other.
type transfer struct {
	x        *bridge
	referrer *dialog.Dialog
	party    *dialog.Dialog // at the carrier
	next     *dialog.Session
	callID   string
	gone     bool // the referrer has hung up
	closed   bool // of the subscription that REFER makes
}

// refer takes a REFER. One of the carrier is refused: who is called next, and who
// pays, is not for it to say.
func (x *bridge) refer(d, party *dialog.Dialog, in *dialog.Incoming) {
	switch {
	case !x.fromInside(in):
		in.Reply(sip.StatusForbidden, "")
		return
	case party == nil || !x.answered || x.moving != nil:
		in.Reply(sip.StatusRequestPending, "")
		return
	}
	call, ok := x.b.referred(x.about, in)
	if !ok {
		in.Reply(sip.StatusForbidden, "")
		return
	}
	in.Reply(sip.StatusAccepted, "")
	t := &transfer{x: x, referrer: d, party: party, callID: wire.NewCallID()}
	x.moving = t
	t.notify(sip.StatusTrying)
	about := x.about
	about.Dialled, about.Number = wire.URIString(&call.URI), "" // the carrier's own number led to the referrer
	x.remember(t.callID, about)
	call.CallID, call.Strand = t.callID, x.strand
	t.next = x.b.caller.Call(call, dialog.Events{
		Progress:     func(_ *dialog.Dialog, res *sip.Response) { t.notify(res.StatusCode) },
		Answered:     t.answered,
		Failed:       t.failed,
		Acknowledged: x.acknowledged,
		Request:      x.request,
		Ended:        t.ended,
	})
}

// fromInside tells whether a request came by one of our agents.
func (x *bridge) fromInside(in *dialog.Incoming) bool {
	return x.b.caller.Has(in.Flow) || x.b.callee.Has(in.Flow)
}

// referred is the INVITE that a REFER asks for: to one of our addresses or a
// number, with a Replaces and nothing else of what Refer-To may carry.
func (b *Border) referred(about Inbound, in *dialog.Incoming) (dialog.Call, bool) {
	targets := wire.Values(in.Request, "Refer-To")
	if len(targets) != 1 {
		return dialog.Call{}, false
	}
	to, err := wire.ParseNameAddr(targets[0])
	if err != nil || to.URI.Scheme != "tel" && !strings.EqualFold(to.URI.Host, b.cfg.Domain) {
		return dialog.Call{}, false
	}
	if method, ok := wire.URIParam(&to.URI, "method"); ok && method != "INVITE" {
		return dialog.Call{}, false
	}
	uri := to.URI
	uri.Headers = nil
	c := b.callInside(about, uri)
	c.Headers = append(c.Headers, wire.H("Referred-By", "<"+wire.URIString(&in.From.URI)+">")) // RFC 3892 §2.1
	for _, h := range to.URI.Headers {
		if strings.EqualFold(h.K, "Replaces") {
			value, ok := unescape(h.V)
			if !ok {
				return dialog.Call{}, false
			}
			c.Headers = append(c.Headers, wire.H("Replaces", value), wire.H("Require", "replaces")) // RFC 3891 §4
		}
	}
	return c, true
}

// notify tells the referrer how far it got (RFC 3515 §2.4.5, written as RFC 3420
// has it).
func (t *transfer) notify(status int) {
	if t.gone || t.closed {
		return
	}
	state := "active;expires=60"
	if status >= 200 {
		t.closed, state = true, "terminated;reason=noresource"
	}
	t.referrer.Send("NOTIFY", dialog.Content{
		Headers: []sip.Header{wire.H("Content-Type", "message/sipfrag;version=2.0")},
		Body:    fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", status, wire.Reason(status)),
	}, func(*sip.Response, error) {}, wire.H("Event", "refer"), wire.H("Subscription-State", state))
}

// answered gives the target's offer to the carrier's end, and its answer back.
func (t *transfer) answered(d *dialog.Dialog, res *sip.Response) {
	if t.x.over || t.x.moving != t {
		d.Ack(dialog.Content{})
		t.next.HangUp("")
		return
	}
	t.party.Send("INVITE", dialog.ContentOf(res), func(res *sip.Response, err error) {
		if err != nil || res.StatusCode >= 300 {
			d.Ack(dialog.Content{})
			t.next.HangUp("")
			t.finish(sip.StatusNotAcceptableHere)
			return
		}
		t.party.Ack(dialog.Content{})
		d.Ack(dialog.ContentOf(res))
		t.connect(d)
	})
}

// letGo is how long the referrer has to hang up by himself, as RFC 5589 §6.1
// wants it.
const letGo = 2 * time.Second

// connect puts the target in the place of the referrer.
func (t *transfer) connect(d *dialog.Dialog) {
	x := t.x
	if x.over {
		t.next.HangUp("")
		return
	}
	if x.from == t.referrer.Session() {
		x.from = t.next
	} else {
		x.to = t.next
	}
	join(d, t.party)
	t.referrer.Value = nil
	t.finish(sip.StatusOK)
	if !t.gone {
		referrer := t.referrer.Session()
		x.strand.After(letGo, func() { referrer.HangUp("") })
	}
}

// failed tells the referrer, who still has the call; when he is gone, it is over.
func (t *transfer) failed(res *sip.Response, err error) {
	status := sip.StatusRequestTimeout
	if err == nil {
		status = insideStatus(res.StatusCode)
	}
	t.finish(status)
}

// ended is the end of the target's side.
func (t *transfer) ended(d *dialog.Dialog, e dialog.End) {
	if t.x.moving == t { // before the carrier's end had answered
		t.finish(sip.StatusTemporarilyUnavailable)
		return
	}
	t.x.ended(d, e)
}

// finish ends the transfer.
func (t *transfer) finish(status int) {
	x := t.x
	if x.moving != t {
		return
	}
	x.moving = nil
	t.notify(status)
	if status >= 300 && t.gone {
		x.end(t.party.Session(), "")
	}
}

// left takes the end of a session and tells whether the bridge waits on: the
// referrer may go as soon as he has referred.
func (t *transfer) left(d *dialog.Dialog) bool {
	if d.Session() != t.referrer.Session() {
		return false
	}
	t.gone = true
	return true
}

// giveUp ends what rings for a party that has hung up.
func (t *transfer) giveUp() {
	t.x.moving = nil
	t.next.HangUp("")
	t.notify(sip.StatusRequestTerminated)
}

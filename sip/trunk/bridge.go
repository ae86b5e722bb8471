package trunk

import (
	"errors"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/wire"
)

// bridge joins two sessions to a back-to-back user agent: from came to us, to is
// what we made of it. Bodies, statuses and reasons pass; everything else of a
// message is that of the side it is on. Both sessions run on one strand, and so
// does all of this.
//
// Each dialog of one side has its partner on the other ([dialog.Dialog.Value]):
// what rings at the carrier with two tags rings inside with two.
type bridge struct {
	b        *Border
	strand   *dialog.Strand
	from, to *dialog.Session
	about    Inbound   // what is told inside when the call is transferred
	moving   *transfer // under way, nil: none
	inside   []string  // Call-IDs that package call may ask about
	late     bool      // the INVITE had no offer: the answer comes with the ACK
	acks     map[*dialog.Dialog]func(dialog.Content)
	untagged *dialog.Dialog // stands for a callee that rings without a tag
	answered bool
	over     bool
	finished func() // told once, at the end of everything
}

func (b *Border) newBridge(strand *dialog.Strand, invite sip.Message, finished func()) *bridge {
	return &bridge{
		b: b, strand: strand, late: len(invite.Body()) == 0, finished: finished,
		acks: make(map[*dialog.Dialog]func(dialog.Content)),
	}
}

// fromEvents are those of the side that called us; gaveUp is told when the caller
// did, before the other side is.
func (x *bridge) fromEvents(gaveUp func()) dialog.Events {
	return dialog.Events{
		Cancelled: func(reason string) {
			gaveUp()
			x.end(x.to, reason)
		},
		Acknowledged: x.acknowledged,
		Request:      x.request,
		Ended:        x.ended,
	}
}

// toEvents are those of the side that we call; failed is for its owner.
func (x *bridge) toEvents(failed func(*sip.Response, error), trying func(), answered func()) dialog.Events {
	return dialog.Events{
		Trying:   trying,
		Progress: x.progress,
		Answered: func(d *dialog.Dialog, res *sip.Response) {
			answered()
			x.answer(d, res)
		},
		Failed:       failed,
		Acknowledged: x.acknowledged,
		Request:      x.request,
		Ended:        x.ended,
	}
}

// progress passes a provisional response on.
func (x *bridge) progress(d *dialog.Dialog, res *sip.Response) {
	if p := x.partner(d); p != nil {
		p.Progress(res.StatusCode, "", dialog.ContentOf(res))
	}
}

// partner is the dialog with the caller that stands for one with the callee.
func (x *bridge) partner(d *dialog.Dialog) *dialog.Dialog {
	if d == nil {
		if x.untagged == nil {
			x.untagged = x.from.Fork()
		}
		return x.untagged
	}
	if d.Value == nil {
		p := x.from.Fork()
		if p == nil {
			return nil
		}
		join(d, p)
	}
	return partnerOf(d)
}

func join(a, b *dialog.Dialog) { a.Value, b.Value = b, a }

func partnerOf(d *dialog.Dialog) *dialog.Dialog {
	p, _ := d.Value.(*dialog.Dialog)
	return p
}

// answer passes the 2xx on. Where the caller has made the offer, the callee gets
// its ACK now; else with the caller's.
func (x *bridge) answer(d *dialog.Dialog, res *sip.Response) {
	p := x.partner(d)
	if p == nil || x.over { // the caller gave up in the same moment
		d.Ack(dialog.Content{})
		x.end(x.to, "")
		return
	}
	x.answered = true
	if x.late {
		x.acks[p] = d.Ack
	} else {
		d.Ack(dialog.Content{})
	}
	p.Accept(dialog.ContentOf(res))
}

// acknowledged passes the body of an ACK on where somebody waits for it.
func (x *bridge) acknowledged(d *dialog.Dialog, ack *sip.Request) {
	if pass := x.acks[d]; pass != nil {
		delete(x.acks, d)
		pass(dialog.ContentOf(ack))
	}
}

// ended hangs the other side up, unless it waits for somebody else.
func (x *bridge) ended(d *dialog.Dialog, e dialog.End) {
	other := x.other(d)
	if other == nil || x.moving != nil && x.moving.left(d) {
		return
	}
	if pass := x.acks[d]; pass != nil {
		delete(x.acks, d)
		pass(dialog.Content{}) // nothing is left to agree on, but a BYE needs its ACK before
	}
	reason := plainReason(e.Reason)
	if reason == "" && !e.ByPeer {
		reason = `Q.850;cause=102;text="` + e.Cause + `"` // recovery on timer expiry
	}
	x.end(other, reason)
}

// other is the session across the bridge, nil when d has left it.
func (x *bridge) other(d *dialog.Dialog) *dialog.Session {
	switch d.Session() {
	case x.from:
		return x.to
	case x.to:
		return x.from
	}
	return nil
}

// end is the end of both sides, and of a transfer that is under way.
func (x *bridge) end(other *dialog.Session, reason string) {
	if x.over {
		return
	}
	x.over = true
	if other != nil {
		other.HangUp(plainReason(reason))
	}
	if x.moving != nil {
		x.moving.giveUp()
	}
	for _, id := range x.inside {
		x.b.forget(id)
	}
	x.finished()
}

// remember lets package call ask about a call that x makes inside.
func (x *bridge) remember(callID string, about Inbound) {
	x.inside = append(x.inside, callID)
	x.b.mu.Lock()
	defer x.b.mu.Unlock()
	x.b.inside[callID] = about
}

// maxReasonText is how much text of one side's Reason the other side may see.
const maxReasonText = 100

// plainReason keeps of the first usable value of a Reason header (RFC 3326)
// protocol, cause and text: what one side may know of the other.
func plainReason(reason string) string {
	for c := range wire.Causes(reason) {
		if c.Protocol != "Q.850" && c.Protocol != "SIP" {
			continue
		}
		plain := c.Protocol + ";cause=" + strconv.Itoa(c.Cause)
		if c.Text != "" && len(c.Text) <= maxReasonText {
			plain += ";text=" + wire.QuoteString(c.Text)
		}
		return plain
	}
	return ""
}

// q850 is the cause of a value of Q.850, 0 without one.
func q850(reason string) int {
	for c := range wire.Causes(reason) {
		if c.Protocol == "Q.850" {
			return c.Cause
		}
	}
	return 0
}

// request passes a request inside the dialog to the other side.
func (x *bridge) request(d *dialog.Dialog, in *dialog.Incoming) {
	p := partnerOf(d)
	switch in.Method {
	case sip.INVITE:
		x.relay(in, d, p, "INVITE")
	case sip.UPDATE, sip.PRACK: // a PRACK with an offer: the other side has its own PRACKs
		x.relay(in, d, p, x.updating(p))
	case sip.INFO:
		if !passes(in.Request) {
			in.Reply(sip.StatusUnsupportedMediaType, "", wire.H("Accept", "application/dtmf-relay, application/dtmf, application/media_control+xml"))
			return
		}
		x.relay(in, d, p, "INFO")
	case sip.OPTIONS: // some carriers ask so whether the call is still there
		in.Reply(sip.StatusOK, "", wire.H("Accept", "application/sdp"))
	case sip.REFER:
		x.refer(d, p, in)
	default:
		in.Reply(sip.StatusMethodNotAllowed, "", wire.H("Allow", allow))
	}
}

// updating is how an offer reaches a peer: one that does not know UPDATE gets a
// re-INVITE once it has answered.
func (x *bridge) updating(p *dialog.Dialog) string {
	if x.answered && p != nil && !p.Updates() {
		return "INVITE"
	}
	return "UPDATE"
}

// passes tells whether the body of an INFO is one that we know: keys, and the
// wish for a whole picture.
func passes(m sip.Message) bool {
	kind, _, _ := strings.Cut(wire.Header(m, "Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "application/dtmf-relay", "application/dtmf", "application/media_control+xml":
		return true
	}
	return len(m.Body()) == 0
}

// relay sends what came by d to p, and the answer back. The ACK of a re-INVITE
// without offer has to wait for the other side's.
func (x *bridge) relay(in *dialog.Incoming, d, p *dialog.Dialog, method string) {
	if p == nil { // the other side is not there yet
		in.Reply(sip.StatusRequestPending, "")
		return
	}
	late := len(in.Body()) == 0
	p.Send(method, dialog.ContentOf(in.Request), func(res *sip.Response, err error) {
		switch {
		case errors.Is(err, dialog.ErrPending):
			in.Reply(sip.StatusRequestPending, "")
		case err != nil:
			in.Reply(sip.StatusRequestTimeout, "")
		case res.StatusCode >= 300:
			in.Reply(insideStatus(res.StatusCode), "")
		default:
			if method == "INVITE" && late && in.Method == sip.INVITE {
				x.acks[d] = p.Ack
			} else if method == "INVITE" {
				p.Ack(dialog.Content{})
			}
			in.Answer(sip.StatusOK, "", dialog.ContentOf(res))
		}
	})
}

// insideStatus is what the other side is told for a negative response: never a
// challenge, which it could only answer with credentials that are nobody's
// business here, and never a redirection.
func insideStatus(status int) int {
	switch {
	case status == sip.StatusUnauthorized, status == sip.StatusProxyAuthRequired:
		return sip.StatusForbidden
	case status < 400:
		return sip.StatusTemporarilyUnavailable
	}
	return status
}

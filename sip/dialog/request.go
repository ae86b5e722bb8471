package dialog

import (
	"errors"
	"math/rand/v2"
	"strconv"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// ErrPending refuses an INVITE or UPDATE while another one is under way
// (RFC 3261 §14.1, RFC 3311 §5.1): to whoever asked for it this is a 491.
var ErrPending = errors.New("dialog: another offer is under way, try again later")

// ErrOver refuses a request in a session that is over.
var ErrOver = errors.New("dialog: the session is over")

// exchange is a request of ours inside a dialog and what waits for its answer.
type exchange struct {
	method     string
	content    Content
	headers    []sip.Header
	then       func(*sip.Response, error)
	seq        uint32
	challenges int          // how often it was challenged
	proof      []sip.Header // the answer to the last challenge
}

// Send sends a request inside the dialog. then is told its final response or
// the error instead of one. A 2xx to INVITE must be acknowledged with Ack.
func (d *Dialog) Send(method string, c Content, then func(*sip.Response, error), hs ...sip.Header) {
	switch {
	case d.s.phase == over:
		then(nil, ErrOver)
		return
	case method == "INVITE" && (d.inviteOut || d.inviteIn || d.updateOut || d.updateIn),
		method == "UPDATE" && (d.inviteOut || d.updateOut || d.updateIn || d.inviteIn):
		then(nil, ErrPending)
		return
	}
	d.inviteOut = d.inviteOut || method == "INVITE"
	d.updateOut = d.updateOut || method == "UPDATE"
	if c.Body != nil && (method == "INVITE" || method == "UPDATE") {
		d.description = c
	}
	d.exchange(&exchange{method: method, content: c, headers: hs, then: then})
}

// exchange sends x, now or when the way is known.
func (d *Dialog) exchange(x *exchange) {
	d.localSeq++
	x.seq = d.localSeq
	d.hop(func(f *transport.Flow, err error) {
		if err != nil {
			d.finished(x, nil, err)
			return
		}
		d.transmit(x, f)
	})
}

func (d *Dialog) transmit(x *exchange, f *transport.Flow) {
	proof := x.proof
	if proof == nil {
		proof = d.credentials(x.method, nil)
	}
	if x.method == "INVITE" {
		d.proof = proof
	}
	hs := append(x.headers[:len(x.headers):len(x.headers)], proof...)
	req := d.request(x.method, x.seq, f, x.content, hs)
	strand := d.s.strand
	d.s.ua.cfg.Transactions.Send(req, f, func(_ *transaction.Client, res *sip.Response, err error) {
		if err != nil || res.StatusCode >= 200 {
			strand.Do(func() { d.finished(x, res, err) })
		}
	})
}

// credentials answers a challenge, or none in advance.
func (d *Dialog) credentials(method string, challenge *sip.Response) []sip.Header {
	authorize := d.s.outgoing.call.Authorize
	if authorize == nil {
		authorize = d.s.incoming.authorize
	}
	if authorize == nil {
		return nil
	}
	uri := d.target
	if strict, ok := strictRouter(d.routes); ok {
		uri = strict
	}
	return authorize(challenge, method, wire.URIString(&uri))
}

// finished takes the final response to a request of ours, or the error instead.
func (d *Dialog) finished(x *exchange, res *sip.Response, err error) {
	ok := res != nil && res.StatusCode < 300
	invite, update := x.method == "INVITE", x.method == "UPDATE"
	switch {
	case d.challenged(x, res):
		return
	case invite && ok && x.seq == d.ackSeq:
		d.acknowledgeAgain()
		return
	}
	d.inviteOut = d.inviteOut && !invite
	d.updateOut = d.updateOut && !update
	if ok && (invite || update) && d.s.phase != over {
		d.refreshTarget(res)
		d.startTimer(res)
	}
	if ok && invite {
		d.ackSeq = x.seq
		if d.s.phase == over {
			d.Ack(Content{})
			return
		}
	}
	x.then(res, err)
	if x.method != "BYE" && d.lost(x.method, res, err) {
		d.bye("") // RFC 3261 §12.2.1.2
		d.s.ended(d, End{Cause: "no answer"})
	}
}

// challenged sends a request again with credentials, where its response asks for
// some that we have.
func (d *Dialog) challenged(x *exchange, res *sip.Response) bool {
	if res == nil || !isChallenge(res.StatusCode) || x.challenges >= maxRetries || x.challenges > 0 && !IsStale(res) {
		return false
	}
	if x.proof = d.credentials(x.method, res); x.proof == nil {
		return false
	}
	x.challenges++
	d.exchange(x)
	return true
}

// lost tells whether what became of a request means that the peer is gone
// (RFC 3261 §12.2.1.2, RFC 5057 §5.1).
func (d *Dialog) lost(method string, res *sip.Response, err error) bool {
	if d.s.phase != answered || d.s.chosen != d || errors.Is(err, ErrPending) {
		return false
	}
	offer := method == "INVITE" || method == "UPDATE"
	if res != nil {
		return res.StatusCode == sip.StatusCallTransactionDoesNotExists || res.StatusCode == sip.StatusRequestTimeout && offer
	}
	return offer
}

// Ack acknowledges the 2xx to the last INVITE of ours, once; a repeated 2xx is
// acknowledged again without being told.
func (d *Dialog) Ack(c Content) {
	seq := d.ackSeq
	d.hop(func(f *transport.Flow, err error) {
		if err != nil {
			return // the 2xx is repeated and asks again
		}
		d.ack = d.request("ACK", seq, f, c, d.proof) // RFC 3261 §13.2.2.4
		d.described(c, d.ack)
		d.acknowledgeAgain()
	})
}

// acknowledgeAgain sends the ACK that is there.
func (d *Dialog) acknowledgeAgain() {
	if d.ack != nil {
		_ = d.s.ua.cfg.Transactions.SendACK(d.ack, d.flow) // as above
	}
}

// serve takes a request of the peer inside the dialog.
func (d *Dialog) serve(in *Incoming) {
	in.dialog = d
	if in.Method == sip.ACK {
		d.acknowledged(in)
		return
	}
	if in.CSeq <= d.remoteSeq { // RFC 3261 §12.2.2
		in.Reply(sip.StatusInternalServerError, "Old CSeq")
		return
	}
	d.remoteSeq = in.CSeq
	if !d.flow.Alive() {
		d.flow = in.Flow // the peer came back by another one
	}
	switch in.Method {
	case sip.BYE:
		d.byePeer(in)
	case sip.PRACK:
		d.prack(in)
	case sip.INVITE, sip.UPDATE:
		d.offered(in)
	default:
		d.pass(in)
	}
}

// byePeer is RFC 3261 §15.1.2.
func (d *Dialog) byePeer(in *Incoming) {
	in.Reply(sip.StatusOK, "")
	reason := wire.Header(in.Request, "Reason")
	s := d.s
	if s.phase == ringing && s.incoming.request != nil { // the caller ends an early dialog
		s.cancelled(reason)
		return
	}
	if s.chosen != d {
		return
	}
	s.ended(d, End{ByPeer: true, Reason: reason})
}

// offered takes a re-INVITE or UPDATE, when nothing is in its way.
func (d *Dialog) offered(in *Incoming) {
	retry := wire.H("Retry-After", strconv.Itoa(rand.IntN(11)))
	update := in.Method == sip.UPDATE
	switch {
	case d.inviteIn && !update, d.updateIn: // RFC 3261 §14.2, RFC 3311 §5.2
		in.Reply(sip.StatusInternalServerError, "", retry)
		return
	case (d.inviteOut || d.updateOut) && (!update || len(in.Body()) > 0):
		in.Reply(sip.StatusRequestPending, "")
		return
	case tooBrief(in.Request):
		in.Reply(422, "", wire.H("Min-SE", minSE))
		return
	}
	d.refreshTarget(in.Request)
	if update && len(in.Body()) == 0 { // RFC 4028 §7.4: a refresh ends here
		in.Reply(sip.StatusOK, "")
		return
	}
	if update {
		d.updateIn = true
	} else {
		d.inviteIn = true
		in.tx.OnCancel(func() {
			d.s.strand.Do(func() { in.Reply(sip.StatusRequestTerminated, "") })
		})
	}
	d.pass(in)
}

// incomingOver ends the time in which another offer has to wait.
func (d *Dialog) incomingOver(in *Incoming) {
	d.inviteIn = d.inviteIn && in.Method != sip.INVITE
	d.updateIn = d.updateIn && in.Method != sip.UPDATE
}

// pass gives a request to the owner.
func (d *Dialog) pass(in *Incoming) {
	switch {
	case d.s.on.Request != nil:
		d.s.on.Request(d, in)
	case in.Method == sip.INVITE || in.Method == sip.UPDATE:
		in.Reply(sip.StatusNotAcceptableHere, "")
	default:
		in.Reply(sip.StatusMethodNotAllowed, "", wire.H("Allow", d.s.ua.cfg.Allow))
	}
}

// Updates tells whether the peer allows UPDATE (RFC 3311).
func (d *Dialog) Updates() bool { return d.updates }

package dialog

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
)

// incoming is the part of a session that the peer began.
type incoming struct {
	request   *Incoming // nil: this session is ours
	authorize func(challenge *sip.Response, method, uri string) []sip.Header
	reliable  reliable
	answer    func() // waits for a PRACK
}

func (i *incoming) stop() { i.reliable.stop() }

// Accept takes an INVITE outside of dialogs. tx is its transaction. It returns
// nil when the request was answered already, because nothing can become of it.
// Authorize answers challenges to our requests inside the dialog; it may be nil.
func (u *UA) Accept(in *transaction.Incoming, tx *transaction.Server, strand *Strand, on Events,
	authorize func(challenge *sip.Response, method, uri string) []sip.Header) *Session {
	i := &Incoming{Incoming: in, tx: tx, ua: u}
	switch {
	case tx == nil:
		return nil
	case tooBrief(in.Request): // RFC 4028 §9
		i.Reply(422, "", wire.H("Min-SE", minSE))
		return nil
	case wire.Header(in.Request, "Contact") == "": // RFC 3261 §8.1.1.8
		i.Reply(sip.StatusBadRequest, "Missing Contact")
		return nil
	}
	s := u.newSession(in.CallID, strand, on, "in")
	s.incoming.request, s.incoming.authorize = i, authorize
	s.incoming.reliable.init(in.Request)
	tx.OnCancel(func() {
		reason := tx.CancelReason()
		s.strand.Do(func() { s.cancelled(reason) })
	})
	return s
}

// Request is the INVITE that began an incoming session.
func (s *Session) Request() *Incoming { return s.incoming.request }

// Fork makes another dialog with the caller of an incoming session: a callee
// that rings, with a tag of its own (RFC 3261 §12.1.1). nil when it is over.
func (s *Session) Fork() *Dialog {
	if s.phase != ringing || s.incoming.request == nil {
		return nil
	}
	return s.dialogOfRequest(s.incoming.request)
}

// Progress sends a provisional response of 101 to 199; reliably when the caller
// wants that and it has a body, or when he insists (RFC 3262 §3).
func (d *Dialog) Progress(status int, reason string, c Content, hs ...sip.Header) {
	s := d.s
	if s.phase != ringing || s.incoming.request == nil || s.incoming.answer != nil {
		return
	}
	in := s.incoming.request
	hs = append(hs[:len(hs):len(hs)], d.contactHeader())
	if !s.incoming.reliable.wanted(len(c.Body) > 0) {
		_ = in.tx.Respond(s.ua.response(in.Request, d.localTag, status, reason, c, hs))
		return
	}
	s.reliably(d, func(rseq []sip.Header) *sip.Response {
		return s.ua.response(in.Request, d.localTag, status, reason, c, append(rseq, hs...))
	}, len(c.Body) > 0)
}

// Accept answers the call with 200.
func (d *Dialog) Accept(c Content, hs ...sip.Header) {
	s := d.s
	if s.phase != ringing || s.incoming.request == nil || s.incoming.answer != nil {
		return
	}
	accept := func() { d.accept(c, hs) }
	if s.incoming.reliable.holdsAnswer() { // RFC 3262 §3
		s.incoming.answer = accept
		return
	}
	accept()
}

func (d *Dialog) accept(c Content, hs []sip.Header) {
	s := d.s
	in := s.incoming.request
	s.phase, s.chosen = answered, d
	s.incoming.stop()
	in.answered = true
	hs = append(hs[:len(hs):len(hs)], d.contactHeader())
	hs = append(hs, d.confirmTimer(in.Request)...)
	d.repeatUntilACK(in, s.ua.response(in.Request, d.localTag, sip.StatusOK, "", c, hs))
}

// Reject ends an incoming session that was not answered.
func (s *Session) Reject(status int, reason string, hs ...sip.Header) {
	in := s.incoming.request
	if s.phase != ringing || in == nil {
		return
	}
	in.answered = true
	_ = in.tx.Respond(s.ua.response(in.Request, wire.NewTag(), status, reason, Content{}, hs))
	s.finish()
}

// cancelled ends an incoming session whose caller gave up (RFC 3261 §9.2).
func (s *Session) cancelled(reason string) {
	if s.phase != ringing {
		return
	}
	s.Reject(sip.StatusRequestTerminated, "")
	if s.on.Cancelled != nil {
		s.on.Cancelled(reason)
	}
}

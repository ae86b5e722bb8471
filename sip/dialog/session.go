package dialog

import (
	"slices"

	"github.com/emiago/sipgo/sip"
)

// Events is what the owner of a session is told, on its strand. nil fields are
// not told; what the peer then waits for is refused or done in the plainest way.
type Events struct {
	// Trying is the first sign of life of the peer: any response.
	Trying func()
	// Progress is a provisional response but 100. A reliable one has been
	// acknowledged.
	Progress func(d *Dialog, res *sip.Response)
	// Answered is the first 2xx; acknowledge it with [Dialog.Ack]. nil: that
	// happens at once.
	Answered func(d *Dialog, res *sip.Response)
	// Failed is the end of an outgoing call that nobody answered: the final
	// response, or an error of the transaction.
	Failed func(res *sip.Response, err error)
	// Cancelled is the end of an incoming call whose caller gave up; reason is
	// a Reason header (RFC 3326) or "".
	Cancelled func(reason string)
	// Acknowledged is the ACK to our 2xx, of the first INVITE and of others.
	Acknowledged func(d *Dialog, ack *sip.Request)
	// Request is a request inside the dialog that must be answered: re-INVITE,
	// UPDATE, INFO, REFER, PRACK with an offer … nil: 488 or 405.
	Request func(d *Dialog, in *Incoming)
	// Ended is the end of an answered session that we did not hang up.
	Ended func(d *Dialog, why End)
}

// End tells why a session is over.
type End struct {
	ByPeer bool   // it said BYE
	Reason string // value of its Reason header (RFC 3326), "" for none
	Cause  string // ours when the peer did not say BYE: "no ACK", "session timer", "no answer", "flow"
}

// phase of a session.
type phase uint8

const (
	ringing phase = iota
	answered
	over
)

// Session is one INVITE with the dialogs that it makes. Its methods are called
// on its strand: from its events, or by Do.
type Session struct {
	ua     *UA
	strand *Strand
	on     Events
	callID string
	phase  phase

	dialogs []*Dialog
	chosen  *Dialog // that was answered

	outgoing outgoing
	incoming incoming
}

// Do runs f on the strand of the session.
func (s *Session) Do(f func()) { s.strand.Do(f) }

// CallID of the session.
func (s *Session) CallID() string { return s.callID }

// Over tells whether nothing more will happen.
func (s *Session) Over() bool { return s.phase == over }

func (u *UA) newSession(callID string, strand *Strand, on Events, direction string) *Session {
	if strand == nil {
		strand = u.Strand()
	}
	u.metrics.live.Add(1)
	u.metrics.begun.WithLabelValues(direction).Inc()
	return &Session{ua: u, strand: strand, on: on, callID: callID}
}

// serve takes a request of the peer inside one of the dialogs.
func (s *Session) serve(in *Incoming) {
	i := slices.IndexFunc(s.dialogs, func(d *Dialog) bool {
		return d.localTag == in.ToTag && d.remoteTag == in.FromTag
	})
	if i < 0 || s.phase == over {
		in.Reply(sip.StatusCallTransactionDoesNotExists, "")
		return
	}
	s.dialogs[i].serve(in)
}

// HangUp ends the session whatever its phase: CANCEL, a refusal, or BYE. reason
// is the value of a Reason header (RFC 3326), "" for none. An outgoing call that
// rings is told Failed when it is over.
func (s *Session) HangUp(reason string) {
	switch {
	case s.phase == over:
	case s.phase == answered:
		s.chosen.hangUp(reason)
	case s.outgoing.request != nil:
		s.cancel(reason)
	default:
		s.Reject(sip.StatusTemporarilyUnavailable, "")
	}
}

// finish forgets the session.
func (s *Session) finish() {
	if s.phase == over {
		return
	}
	s.phase = over
	s.ua.metrics.live.Add(-1)
	s.incoming.stop()
	for _, d := range s.dialogs {
		d.stop()
		s.ua.leave(d.localTag)
	}
	if s.outgoing.tag != "" {
		s.ua.leave(s.outgoing.tag)
	}
}

// ended finishes an answered session and tells its owner.
func (s *Session) ended(d *Dialog, why End) {
	if s.phase == over {
		return
	}
	s.finish()
	if s.on.Ended != nil {
		s.on.Ended(d, why)
	}
}

package chat

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/payload"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

// answerer is the way back to who sent a message; *server.Request is one.
type answerer interface {
	Reply(status int, reason string, hs ...sip.Header)
	ReplyError(err error)
}

// submission is a message on its way to the archive.
type submission struct {
	answerer
	msg     *store.Message // as far as it is known
	content content
	uri     sip.Uri // of the recipient
	sender  sip.Uri // address-of-record
	origin  origin
	cseq    uint32
	fromTag string
	start   time.Time

	to, from registrar.Resolved

	// What one of them is answered by when the store has to be asked.
	answer chan registrar.Resolved
	resume func(registrar.Resolved)
}

// receive takes a message that was read.
func (s *Service) receive(sub *submission) {
	if err := s.check(sub); err != nil {
		s.refuse(sub, err)
		return
	}
	s.place(sub)
}

func (s *Service) refuse(sub *submission, err error) {
	s.metrics.refused.Inc()
	sub.ReplyError(err)
}

// check looks at what can be judged without knowing the recipient, and opens
// the content.
func (s *Service) check(sub *submission) error {
	m := &sub.msg.NewMessage
	switch {
	case s.closing.Load():
		return &server.Error{Status: 503, RetryAfter: 10, Warning: "server is going down"}
	case m.From == 0:
		return &server.Error{Status: 403, Warning: "sender is not one of our users"}
	case len(m.Body) > s.cfg.MaxBody:
		return &server.Error{Status: 413, Warning: "message is too large; send it as a file"}
	case len(m.Body) == 0:
		return &server.Error{Status: 400, Warning: "message has no body"}
	case m.ContentType == "":
		return &server.Error{Status: 400, Warning: "Content-Type is missing"}
	}
	c, err := openContent(m.ContentType, m.Encoding, m.Body)
	switch {
	case errors.Is(err, payload.ErrEncoding): // RFC 3261 §21.4.13
		return &server.Error{Status: 415, Headers: []sip.Header{sip.NewHeader("Accept-Encoding", "deflate")}}
	case errors.Is(err, payload.ErrInflatedSize):
		return &server.Error{Status: 413, Warning: err.Error()}
	case err != nil:
		return &server.Error{Status: 400, Warning: err.Error()}
	case c.typ == cpimType && c.cpim == nil: // another parser may read an author in it
		return &server.Error{Status: 400, Warning: "message/cpim is malformed (RFC 3862)"}
	case c.nestsCPIM():
		return &server.Error{Status: 400, Warning: "there is message/cpim inside the message: send what is in it by itself"}
	}
	if c.class == classComposing {
		if _, err := parseComposing(c.body); err != nil {
			return &server.Error{Status: 400, Warning: "is-composing document is malformed (RFC 3994)"}
		}
	}
	sub.content = c
	return nil
}

// place finds out who sender and recipient are and hands the message on.
func (s *Service) place(sub *submission) {
	if g := s.groupAt(sub); g != nil {
		s.resolve(sub, &sub.sender, func(from registrar.Resolved) {
			sub.from = from
			s.acceptInto(g, sub)
		})
		return
	}
	if sub.origin.flow.Reliable() {
		sub.to = s.ask(sub, &sub.uri)
		sub.from = s.ask(sub, &sub.sender)
		s.accept(sub)
		return
	}
	s.resolve(sub, &sub.uri, func(to registrar.Resolved) {
		sub.to = to
		s.resolve(sub, &sub.sender, func(from registrar.Resolved) {
			sub.from = from
			s.accept(sub)
		})
	})
}

// resolve calls then with who a URI means. While the store is asked, a connection
// waits: what is pipelined behind stays in its order and in its socket. A
// datagram goes on by itself: UDP promises no order.
func (s *Service) resolve(sub *submission, u *sip.Uri, then func(registrar.Resolved)) {
	if sub.origin.flow.Reliable() {
		then(s.ask(sub, u))
	} else if r, ok := s.cfg.Locations.Resolve(u, then); ok {
		then(r)
	}
}

// ask waits for the store where it must be asked.
func (s *Service) ask(sub *submission, u *sip.Uri) registrar.Resolved {
	if sub.resume == nil {
		answer := make(chan registrar.Resolved, 1)
		sub.answer, sub.resume = answer, func(r registrar.Resolved) { answer <- r }
	}
	r, ok := s.cfg.Locations.Resolve(u, sub.resume)
	if !ok {
		r = <-sub.answer
	}
	return r
}

// accept decides what becomes of a message between two people.
func (s *Service) accept(sub *submission) {
	if err := cmp.Or(s.known(sub, &sub.to), s.known(sub, &sub.from), sub.isOwn()); err != nil {
		s.refuse(sub, err)
		return
	}
	s.between(sub)
}

// known tells why somebody who was looked up can neither send nor receive.
func (s *Service) known(sub *submission, who *registrar.Resolved) error {
	switch {
	case who.Err != nil:
		s.log.Warn("cannot look up sender or recipient", "trace", sub.msg.TraceID, "err", who.Err)
		return &server.Error{Status: 503, RetryAfter: 5, Warning: "the directory cannot be asked now; try again"}
	case !who.Found || who.Disabled:
		return &server.Error{Status: 404}
	}
	return nil
}

// isOwn tells why a message was not written by its sender.
func (sub *submission) isOwn() error {
	if c := sub.content.cpim; c != nil && sub.from.Found && !writtenBy(c, &sub.from.User) {
		return &server.Error{Status: 403, Warning: "From inside the message is not the sender"}
	}
	return nil
}

// between takes a message of one user to another.
func (s *Service) between(sub *submission) {
	m := &sub.msg.NewMessage
	m.From, m.To = sub.from.User.ID, sub.to.User.ID
	m.FromDevice = sub.origin.deviceOf(sub.from.Targets)
	m.MessageID = sub.content.messageID()
	switch sub.content.class {
	case classComposing: // RFC 3994 §3: gone with the moment, nobody waits for it
		m.Kind = store.KindReceipt
		s.passOn(sub)
		sub.Reply(200, "")
	case classReceipt:
		m.Kind = store.KindReceipt
		if rs := sub.content.receipts(); s.answerCopy(rs) {
			sub.Reply(200, "")
		} else {
			s.keepBetween(sub, rs)
		}
	default:
		m.Kind = store.KindText
		if m.To == s.cfg.Assistant.ID && s.cfg.Commands != nil {
			s.command(sub, nil)
			return
		}
		m.Text = s.words.text(&sub.content, false)
		s.keepBetween(sub, nil)
	}
}

// keepBetween commits a message between two; rs are the receipts in it.
func (s *Service) keepBetween(sub *submission, rs []receipt) {
	sub.msg.Dedup = dedupOf(sub)
	it := &item{msg: sub.msg, from: &sub.from.User, to: &sub.to.User}
	s.keep(it, &sub.from, &sub.to, sub.start, func(_ store.Accepted, err error) {
		if s.answer(sub, err); err == nil {
			s.hasRead(it.msg.From, it.msg.To, rs)
		}
	})
}

// answer tells the sender of a message what became of its commit.
func (s *Service) answer(sub *submission, err error) {
	if err != nil {
		s.refuse(sub, err)
		return
	}
	sub.Reply(202, "") // RFC 3428 §7: taken, and not yet delivered
}

// passOn gives is-composing to the devices that are there and keeps nothing.
func (s *Service) passOn(sub *submission) {
	s.metrics.composing.Inc()
	sub.msg.At = sub.start
	s.pass(&item{msg: sub.msg, from: &sub.from.User, to: &sub.to.User}, sub.to.Targets)
}

// keep commits a message, tells answer, and only then delivers. A repetition
// was delivered the first time, or waits in the archive since a crash; so does
// a message of which nobody knows whether it was committed: the devices that
// are there look into the archive.
func (s *Service) keep(it *item, from, to *registrar.Resolved, start time.Time, answer func(store.Accepted, error)) {
	s.commit(it.msg, start, func(a store.Accepted, err error) {
		answer(a, err)
		switch {
		case err == nil && !a.Duplicate:
			if it.msg.Kind == store.KindText {
				s.recent.add(it.msg)
			}
			s.dispatch(it, from, to)
		case err == nil || errors.Is(err, store.ErrUnknown):
			s.Wake(to.User.ID)
			s.Wake(from.User.ID)
		}
	})
}

// commit gives a message to the archive; done is called on a goroutine of the
// store.
func (s *Service) commit(m *store.Message, start time.Time, done func(store.Accepted, error)) {
	s.unsaved.add()
	s.cfg.Archive.Append(&m.NewMessage, func(a store.Accepted, err error) {
		defer s.unsaved.done()
		if err == nil {
			s.metrics.accepted(m.Kind, a, start)
			m.Accepted = a
		}
		done(a, err)
	})
}

// located is a user with his targets of the moment.
func (s *Service) located(u store.User) *registrar.Resolved {
	return &registrar.Resolved{Found: true, User: u, Targets: s.cfg.Locations.Lookup(u.ID)}
}

// dedupOf is the key under which a repetition is known: the sender's own
// Message-ID, which survives a reconnect, or else what names the request. A
// MESSAGE that was challenged arrives here once, with its credentials.
func dedupOf(sub *submission) [16]byte {
	var room [256]byte
	m := sub.msg
	if m.MessageID != "" {
		k := strconv.AppendInt(append(room[:0], "imdn\x00"...), int64(m.From), 10)
		k = strconv.AppendInt(append(k, 0), int64(m.To), 10)
		return dedupKey(append(append(k, 0), m.MessageID...))
	}
	k := strconv.AppendInt(append(room[:0], "sip\x00"...), int64(m.From), 10)
	k = append(append(append(k, 0), m.CallID...), 0)
	k = strconv.AppendUint(k, uint64(sub.cseq), 10)
	return dedupKey(append(append(k, ' '), sub.fromTag...))
}

// dedupKey hashes what names a message, its parts divided by NUL, which none of
// them contains, to 16 bytes.
func dedupKey(name []byte) (key [16]byte) {
	sum := sha256.Sum256(name)
	copy(key[:], sum[:])
	return key
}

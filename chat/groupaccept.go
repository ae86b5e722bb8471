package chat

import (
	"cmp"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// groupAt finds the group that a message was sent to. To who is not in it there
// is none: the address is looked up as any other, and found to mean nobody.
func (s *Service) groupAt(sub *submission) *group.Snapshot {
	if s.cfg.Groups == nil {
		return nil
	}
	name := sub.uri.User
	if strings.IndexByte(name, '%') >= 0 {
		name, _, _ = strings.Cut(wire.AOR(&sub.uri), "@")
	}
	g, ok := s.cfg.Groups.Find(strings.ToLower(name))
	if !ok || !wasIn(g, sub.msg.From) {
		return nil
	}
	return g
}

// acceptInto decides what becomes of a message of a member to his group.
func (s *Service) acceptInto(g *group.Snapshot, sub *submission) {
	if err := cmp.Or(s.known(sub, &sub.from), sub.isOwn()); err != nil {
		s.refuse(sub, err)
		return
	}
	m := &sub.msg.NewMessage
	m.From = sub.from.User.ID
	m.FromDevice = sub.origin.deviceOf(sub.from.Targets)
	m.MessageID = sub.content.messageID()
	switch sub.content.class {
	case classReceipt:
		s.acceptReceipts(g, sub)
		return
	case classComposing:
		s.acceptComposing(g, sub)
		return
	}
	if to := sub.content.privateTo(g); to != nil {
		s.acceptPrivate(g, sub, to)
		return
	}
	if text := sub.content.spoken(); s.cfg.Commands != nil && s.cfg.Commands.Is(text) {
		s.command(sub, g)
		return
	}
	s.acceptText(g, sub)
}

// acceptText keeps what a member says to all.
func (s *Service) acceptText(g *group.Snapshot, sub *submission) {
	m := &sub.msg.NewMessage
	m.Kind, m.Group = store.KindText, g.ID
	m.Text = s.words.text(&sub.content, false)
	m.Dedup = dedupInGroup(sub, g, 0)
	users, all := s.mentions(g, sub)
	err := s.admissions.ask(m.Dedup, func() error { return s.cfg.Groups.MaySpeak(g, m.From, all) })
	if err != nil {
		s.refuse(sub, denied(err))
		return
	}
	if m.Mentions = users; all {
		m.Mentions = append(m.Mentions, 0)
	}
	if m.MessageID == "" { // by which those who see it in CPIM confirm it
		m.MessageID = hex.EncodeToString(m.Dedup[:12])
	}
	f := s.fanouts.find(g.ID)
	s.commit(sub.msg, sub.start, func(a store.Accepted, err error) {
		s.answer(sub, err)
		switch {
		case err == nil:
			s.committed(f, &item{msg: sub.msg, from: &sub.from.User, room: roomOf(g)})
		case errors.Is(err, store.ErrUnknown):
			s.put(f, step{})
		}
	})
}

// committed gives a message to the members of its group. A repetition was given
// to them the first time, unless that was before a restart.
func (s *Service) committed(f *fanout, it *item) {
	m := it.msg
	switch {
	case !m.Duplicate:
		s.circulation.add(it)
		s.recent.add(m)
		s.put(f, step{first: m.Seq, next: m.Seq + 1, it: it})
	case !f.covers(m.Seq):
		s.put(f, step{})
	}
}

// denied is how a refusal by the rules of a group is told: in its own words.
func denied(err error) error {
	if d, ok := errors.AsType[*group.Denied](err); ok {
		return &server.Error{Status: 403, Warning: d.Text}
	}
	return err
}

// dedupInGroup is dedupOf for what goes to a group, or for a receipt from there
// to a writer.
func dedupInGroup(sub *submission, g *group.Snapshot, to store.UserID) [16]byte {
	var room [256]byte
	m := sub.msg
	k := strconv.AppendInt(append(room[:0], "group\x00"...), int64(m.From), 10)
	k = strconv.AppendInt(append(k, 0), int64(g.ID), 10)
	k = append(strconv.AppendInt(append(k, 0), int64(to), 10), 0)
	if m.MessageID != "" {
		return dedupKey(append(append(k, "imdn\x00"...), m.MessageID...))
	}
	k = append(append(append(k, "sip\x00"...), m.CallID...), 0)
	k = append(strconv.AppendUint(k, uint64(sub.cseq), 10), ' ')
	return dedupKey(append(k, sub.fromTag...))
}

// mentions are those whom a message addresses. What is passed on addresses nobody
// anew.
func (s *Service) mentions(g *group.Snapshot, sub *submission) (users []store.UserID, all bool) {
	if sub.content.forwarded() {
		return nil, false
	}
	return parseMentions(sub.msg.Text, s.cfg.Groups.Names(s.ctx, g))
}

// forwarded tells that somebody else may have written it first.
func (c *content) forwarded() bool { return c.cpim != nil && c.cpim.imdn("Forward-Info") != "" }

// spoken is the text that somebody wrote as such: no reply, reaction or file, and
// nothing that he passes on.
func (c *content) spoken() string {
	if c.typ != plainType || c.reaction() || c.forwarded() {
		return ""
	}
	return strings.TrimSpace(c.plain())
}

// privateTo is the member whom the CPIM names as the one that the message is for,
// nil when it is for all.
func (c *content) privateTo(g *group.Snapshot) *sip.Uri {
	if c.cpim == nil {
		return nil
	}
	to := strings.Replace(c.cpim.header("To"), "<im:", "<sip:", 1) // RFC 3860 §3
	addr, err := wire.ParseNameAddr(to)
	if err != nil || strings.EqualFold(wire.AOR(&addr.URI), g.AOR()) {
		return nil
	}
	return &addr.URI
}

// acceptPrivate takes a message to one member through the group: it is between
// the two of them.
func (s *Service) acceptPrivate(g *group.Snapshot, sub *submission, uri *sip.Uri) {
	s.resolve(sub, uri, func(to registrar.Resolved) {
		sub.to = to
		err := s.known(sub, &sub.to)
		switch {
		case err == nil && !wasIn(g, to.User.ID):
			err = &server.Error{Status: 404}
		case err == nil:
			sub.msg.To = to.User.ID
			err = denied(s.admissions.ask(dedupOf(sub), func() error {
				return s.cfg.Groups.MaySpeakTo(g, sub.from.User.ID, to.User.ID)
			}))
		}
		if err != nil {
			s.refuse(sub, err)
			return
		}
		s.between(sub)
	})
}

// acceptComposing passes on that a member is writing, to those in the room.
// Whoever may not write is not said to do so.
func (s *Service) acceptComposing(g *group.Snapshot, sub *submission) {
	m := sub.msg
	if sub.content.fitsRoom() && g.Size() <= s.cfg.Receipts && s.cfg.Groups.MaySpeak(g, m.From, false) == nil {
		m.Kind, m.Group, m.At = store.KindReceipt, g.ID, sub.start
		s.metrics.composing.Inc()
		s.put(s.fanouts.find(g.ID), step{passing: true, it: &item{msg: m, from: &sub.from.User, room: roomOf(g)}})
	}
	sub.Reply(200, "")
}

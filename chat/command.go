package chat

import (
	"context"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// commandTimeout bounds what a command does.
const commandTimeout = 30 * time.Second

// command takes a text that is to be done: in a group, or, without one, written
// to the assistant. It is kept as a message to the assistant, who answers; nobody
// else in the group sees either. Only the first copy of a message is done.
func (s *Service) command(sub *submission, in *group.Snapshot) {
	m := &sub.msg.NewMessage
	m.Kind, m.To = store.KindText, s.cfg.Assistant.ID
	m.Text = s.words.text(&sub.content, false)
	m.Dedup = dedupOf(sub)
	text := sub.content.spoken()
	by := sub.from.User
	accepted := make(chan bool, 1)
	err := s.errands.Do(by.ID, func() {
		if s.waitFor(accepted) {
			s.metrics.commands.Inc()
			s.obey(by, in, text)
		}
	})
	if err != nil {
		s.refuse(sub, err)
		return
	}
	it := &item{msg: sub.msg, from: &sub.from.User, to: &s.cfg.Assistant}
	s.keep(it, &sub.from, s.located(s.cfg.Assistant), sub.start, func(a store.Accepted, err error) {
		s.answer(sub, err)
		accepted <- err == nil && !a.Duplicate
	})
}

// waitFor is what is answered, false at the end of the service.
func (s *Service) waitFor(answer <-chan bool) bool {
	select {
	case <-s.ctx.Done():
		return false
	case yes := <-answer:
		return yes && s.ctx.Err() == nil
	}
}

// obey does a command and tells the user what came of it.
func (s *Service) obey(by store.User, in *group.Snapshot, text string) {
	ctx, cancel := context.WithTimeout(s.ctx, commandTimeout)
	defer cancel()
	answer := s.cfg.Commands.Do(ctx, by, in, text)
	if answer == "" {
		return
	}
	if err := s.Say(ctx, s.cfg.Assistant, by, answer); err != nil {
		s.log.Warn("answer to a command not kept", "user", by.ID, "err", err)
	}
}

// Say sends a text from one user to another one as if he had written it, and
// returns when it is kept.
func (s *Service) Say(ctx context.Context, from, to store.User, text string) error {
	m := &store.Message{NewMessage: store.NewMessage{
		Kind:        store.KindText,
		From:        from.ID,
		To:          to.ID,
		CallID:      newMessageID() + "@" + s.cfg.Domain,
		ContentType: "text/plain;charset=UTF-8",
		Body:        []byte(text),
		Text:        text,
		Source:      "sparkle",
	}}
	kept := make(chan error, 1)
	it := &item{msg: m, from: &from, to: &to}
	s.keep(it, s.located(from), s.located(to), time.Now(), func(_ store.Accepted, err error) { kept <- err })
	select {
	case err := <-kept:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

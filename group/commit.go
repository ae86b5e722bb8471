package group

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// attempts is how often a change is planned again when the stored group turns out
// to be another one.
const attempts = 4

// Change waits for the commit and returns the group as it is then. The error is
// *Denied, or wraps store.ErrNotFound (no such group, or the actor is not in it),
// store.ErrInvalid, or what the store failed with; nothing was done then, but
// with store.ErrUnknown.
func (s *Service) Change(ctx context.Context, by Actor, id store.GroupID, changes ...Change) (g *Snapshot, err error) {
	start := time.Now()
	defer func() { s.metrics.changed(start, err) }()
	e := find(&s.index.ids, id)
	if e == nil {
		return nil, fmt.Errorf("group %d: %w", id, store.ErrNotFound)
	}
	if !by.System && e.snapshot.Load().roleOf(by.User) == 0 {
		// As if there were none, before anything else of it is told.
		return nil, fmt.Errorf("group %d: %w", id, store.ErrNotFound)
	}
	messages, err := s.examine(ctx, by, id, changes)
	if err != nil {
		return nil, err
	}
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: group %d is being changed by others", store.ErrUnavailable, id)
	}
	return s.change(ctx, e, by, messages, changes)
}

// examine asks the store what plan cannot know: whether the people to be added
// have accounts, and which of the messages to be pinned are texts of the group that
// the actor sees.
func (s *Service) examine(ctx context.Context, by Actor, id store.GroupID, changes []Change) (map[int64]bool, error) {
	messages := map[int64]bool{}
	for _, c := range changes {
		switch c := c.(type) {
		case Add:
			if len(c.Users) > s.cfg.MaxMembers {
				return nil, denyf(s.words.tooMany, s.cfg.MaxMembers)
			}
			if err := s.checkPeople(ctx, c.Users); err != nil {
				return nil, err
			}
		case Pin:
			if !c.On {
				continue
			}
			m, err := s.message(ctx, by, c.GID)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			// A reaction has no text.
			messages[c.GID] = err == nil && m.Group == id && m.Kind == store.KindText && m.Text != ""
		}
	}
	return messages, nil
}

// message reads a message as far as the actor sees it, and has not deleted it for
// himself.
func (s *Service) message(ctx context.Context, by Actor, gid int64) (store.Message, error) {
	if by.System {
		return s.cfg.Store.Message(ctx, gid)
	}
	found, err := s.cfg.Store.MessagesOf(ctx, by.User, []int64{gid})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("message %s: %w", store.GIDString(gid), store.ErrNotFound)
	}
	if err != nil {
		return store.Message{}, err
	}
	return found[0], nil
}

// checkPeople refuses people without an account.
func (s *Service) checkPeople(ctx context.Context, users []store.UserID) error {
	there, err := s.people.present(ctx, users)
	if err != nil {
		return err
	}
	for _, u := range users {
		if !there[u] {
			return fmt.Errorf("%w: there is no user %d", store.ErrInvalid, u)
		}
	}
	return nil
}

// change plans and commits, again when the group was another one in the store.
// The caller has the turn.
func (s *Service) change(ctx context.Context, e *entry, by Actor, messages map[int64]bool, changes []Change) (*Snapshot, error) {
	var err error
	for range attempts {
		if e.doubtful {
			if err := s.catchUp(ctx, e); err != nil {
				return nil, err
			}
		}
		g := e.snapshot.Load()
		if g.Dissolved != nil {
			return nil, fmt.Errorf("group %d: %w", e.id, store.ErrNotFound)
		}
		var muted map[store.UserID]time.Time
		muted, err = s.mutedOutside(ctx, g, changes)
		if err != nil {
			return nil, err
		}
		var planned store.GroupChange
		planned, err = plan(g, s.conditions(messages, muted), by, changes)
		if err != nil {
			return nil, err
		}
		if len(planned.Events) == 0 {
			return g, nil
		}
		var next *Snapshot
		next, err = s.commit(ctx, e, g, planned)
		if e.doubtful {
			// Should that fail, the next change tries again.
			err = errors.Join(err, s.catchUp(context.WithoutCancel(ctx), e))
		}
		if !errors.Is(err, store.ErrConflict) {
			return next, err
		}
		s.metrics.conflicts.Inc()
	}
	return nil, fmt.Errorf("%w: group %d changes all the time: %w", store.ErrUnavailable, e.id, err)
}

// mutedOutside tells until when those who are in the group no more may not write,
// should any of the changes bring somebody in: leaving ends no muting.
func (s *Service) mutedOutside(ctx context.Context, g *Snapshot, changes []Change) (map[store.UserID]time.Time, error) {
	muted := map[store.UserID]time.Time{}
	if !slices.ContainsFunc(changes, func(c Change) bool { return brings(c, g) }) {
		return muted, nil
	}
	events, err := s.cfg.Store.LastOfEach(ctx, g.ID, ActionMute)
	if err != nil {
		return nil, fmt.Errorf("%w: who is muted in group %d cannot be read: %w", store.ErrUnavailable, g.ID, err)
	}
	for _, e := range events {
		if until, err := time.Parse(time.RFC3339, e.Detail); err == nil && g.roleOf(e.User) == 0 {
			muted[e.User] = until
		}
	}
	return muted, nil
}

// brings tells whether a change might make a member of somebody who is none.
func brings(c Change, g *Snapshot) bool {
	var users []store.UserID
	switch c := c.(type) {
	case Add:
		users = c.Users
	case follow:
		users = c.join
	}
	return slices.ContainsFunc(users, func(u store.UserID) bool { return g.roleOf(u) == 0 })
}

func (s *Service) conditions(messages map[int64]bool, muted map[store.UserID]time.Time) conditions {
	return conditions{
		// What is in memory shall be what a restart reads.
		now:   s.cfg.Now().Truncate(time.Millisecond),
		words: s.words, defaults: s.cfg.Defaults, maxMembers: s.cfg.MaxMembers, messages: messages, muted: muted,
	}
}

// commit stores a change and makes it known. Once begun it is not abandoned with
// its caller, or nobody would know what came of it.
func (s *Service) commit(ctx context.Context, e *entry, g *Snapshot, c store.GroupChange) (*Snapshot, error) {
	ctx = context.WithoutCancel(ctx)
	planned := g.next(c.Group, c.Set, c.Remove)
	texts := s.narrator(ctx, g, planned).tell(g, c.Events)
	c.Notices = s.notices(texts, g.ID, c.Events[0].By)
	done, places, err := s.cfg.Store.ChangeGroup(ctx, c)
	if err != nil {
		e.doubtful = !errors.Is(err, store.ErrUnavailable)
		return nil, fmt.Errorf("change group %d: %w", e.id, err)
	}
	after := g.next(done.Group, done.Set, done.Remove)
	s.publish(ctx, e, Event{
		Before: g, After: after, Changes: done.Events, Notices: archived(done.Notices, places),
	}, usersOf(done.Set), done.Remove)
	return after, nil
}

// publish makes a committed change what readers see, and tells the observers.
func (s *Service) publish(ctx context.Context, e *entry, ev Event, came, gone []store.UserID) {
	s.learnTitle(ctx, ev.After)
	e.snapshot.Store(ev.After)
	s.index.update(e, ev.Before, ev.After, came, gone)
	for _, c := range ev.Changes {
		s.metrics.events.WithLabelValues(c.Action).Inc()
	}
	s.observed(ev)
}

// catchUp reads a group again that may be another one in the store.
func (s *Service) catchUp(ctx context.Context, e *entry) error {
	before := e.snapshot.Load()
	record, members, err := s.cfg.Store.Group(ctx, e.id)
	if err != nil {
		return fmt.Errorf("%w: group %d cannot be read again: %w", store.ErrUnavailable, e.id, err)
	}
	e.doubtful = false
	if record.Version <= before.Version {
		return nil
	}
	events, err := s.cfg.Store.GroupEvents(ctx, e.id, before.Version, int(record.Version-before.Version))
	if err != nil {
		e.doubtful = true
		return fmt.Errorf("%w: the events of group %d cannot be read: %w", store.ErrUnavailable, e.id, err)
	}
	after := newSnapshot(record, members)
	var gone []store.UserID
	for _, m := range before.Members() {
		if after.roleOf(m.User) == 0 {
			gone = append(gone, m.User)
		}
	}
	s.publish(context.WithoutCancel(ctx), e, Event{Before: before, After: after, Changes: events}, usersOf(members), gone)
	return nil
}

// narrator tells what happens between two snapshots: who went is only in the
// first, who came only in the second.
func (s *Service) narrator(ctx context.Context, before, after *Snapshot) narrator {
	return narrator{words: s.words, zone: s.cfg.Now().Location(), called: func(u store.UserID) string {
		m, ok := after.Member(u)
		if !ok && before != nil {
			m, _ = before.Member(u)
		}
		return cmp.Or(m.Nickname, s.people.name(ctx, u), s.words.someone)
	}}
}

// notices makes messages of texts. They have no Call-ID: who delivers one gives
// it a name of its GID.
func (s *Service) notices(texts []string, id store.GroupID, by store.UserID) []store.NewMessage {
	notices := make([]store.NewMessage, 0, len(texts))
	for _, text := range texts {
		notices = append(notices, store.NewMessage{
			Kind: store.KindNotice, From: by, Group: id,
			ContentType: "text/plain;charset=UTF-8", Body: []byte(text), Text: text,
		})
	}
	return notices
}

// archived joins notices with their places.
func archived(notices []store.NewMessage, places []store.Accepted) []store.Message {
	messages := make([]store.Message, 0, len(places))
	for i, place := range places {
		messages = append(messages, store.Message{NewMessage: notices[i], Accepted: place})
	}
	return messages
}

func usersOf(members []store.Member) []store.UserID {
	users := make([]store.UserID, 0, len(members))
	for _, m := range members {
		users = append(users, m.User)
	}
	return slices.Clip(users)
}

// UserRemoved takes a user out of all his groups. It is called before his account
// is removed, so that after a crash in between there is an account to be removed
// again; and after that, for somebody may have added him in the meantime.
func (s *Service) UserRemoved(ctx context.Context, u store.UserID) error {
	var failed []error
	for _, g := range s.Of(u) {
		_, err := s.Change(ctx, Actor{System: true}, g.ID, depart{u})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

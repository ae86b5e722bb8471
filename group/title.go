package group

import (
	"cmp"
	"context"
	"iter"

	"github.com/sparkleim/sparkle/store"
)

// Title is the name of a group as one of its members sees it: its own, or that
// of the others in it, four at most and how many there are in all. It does not
// block.
func (s *Service) Title(g *Snapshot, viewer store.UserID) string {
	if g.Subject != "" {
		return g.Subject
	}
	var names []string
	for _, m := range g.Eldest() {
		if m.User != viewer && len(names) < shownNames {
			names = append(names, s.CalledIn(g, m.User))
		}
	}
	others := g.Size()
	if g.roleOf(viewer) != 0 {
		others--
	}
	switch {
	case len(names) == 0:
		return s.words.group
	case others > len(names):
		return s.words.people(names, g.Size())
	}
	return s.words.list(names)
}

// CalledIn is how a member is called in a group: by his nickname there, else by
// his own name as far as the service has come across it. It does not block.
func (s *Service) CalledIn(g *Snapshot, u store.UserID) string {
	m, _ := g.Member(u)
	return cmp.Or(m.Nickname, s.people.known(u), s.words.someone)
}

// Names yields each member with his nickname, when he has one, and with his own
// name. It asks the store for names that the service has not come across yet.
func (s *Service) Names(ctx context.Context, g *Snapshot) iter.Seq2[store.UserID, string] {
	return func(yield func(store.UserID, string) bool) {
		for _, m := range g.Members() {
			if m.Nickname != "" && !yield(m.User, m.Nickname) {
				return
			}
			if name := s.people.name(ctx, m.User); name != "" && !yield(m.User, name) {
				return
			}
		}
	}
}

// learnTitle makes sure that Title knows the names it may need.
func (s *Service) learnTitle(ctx context.Context, g *Snapshot) {
	if g.Subject != "" {
		return
	}
	for _, m := range g.Eldest()[:min(len(g.Eldest()), shownNames+1)] {
		s.people.name(ctx, m.User)
	}
}

// UserChanged tells the service the present name of a user.
func (s *Service) UserChanged(u store.User) {
	if s.people.known(u.ID) != "" {
		s.people.learn(u)
	}
}

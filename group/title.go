package group

import (
	"cmp"
	"context"

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

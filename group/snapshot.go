package group

import (
	"cmp"
	"iter"
	"slices"

	"github.com/sparkleim/sparkle/store"
)

// faces is how many members stand for a group in its picture.
const faces = 9

// Snapshot is a group at one version. It and what it points to never change.
type Snapshot struct {
	store.Group
	roster roster
	owner  store.UserID // 0: none
	eldest []store.Member
}

// newSnapshot is a group with all its members.
func newSnapshot(g store.Group, members []store.Member) *Snapshot {
	s := &Snapshot{Group: g, roster: roster{}.with(members, nil)}
	for _, m := range members {
		if m.Role == store.RoleOwner {
			s.owner = m.User
		}
	}
	s.eldest = eldestOf(s.roster)
	return s
}

// next is the group after a change. It shares with g what stayed.
func (g *Snapshot) next(record store.Group, set []store.Member, remove []store.UserID) *Snapshot {
	s := &Snapshot{Group: record, roster: g.roster, owner: g.owner, eldest: g.eldest}
	if len(set)+len(remove) == 0 {
		return s
	}
	s.roster = g.roster.with(set, remove)
	stale := len(g.eldest) < faces
	touch := func(u store.UserID) {
		if u == s.owner {
			s.owner = 0
		}
		stale = stale || slices.ContainsFunc(g.eldest, func(m store.Member) bool { return m.User == u })
	}
	for _, u := range remove {
		touch(u)
	}
	for _, m := range set {
		touch(m.User)
	}
	for _, m := range set {
		if m.Role == store.RoleOwner {
			s.owner = m.User
		}
		// Clocks are set back at times.
		stale = stale || elder(m, g.eldest[faces-1]) < 0
	}
	if stale {
		s.eldest = eldestOf(s.roster)
	}
	return s
}

// eldestOf finds the members that came first.
func eldestOf(r roster) []store.Member {
	first := make([]store.Member, 0, faces+1)
	for _, m := range r.all() {
		if len(first) == faces && elder(m, first[faces-1]) > 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(first, m, elder)
		first = slices.Insert(first, i, m)
		first = first[:min(len(first), faces)]
	}
	return slices.Clip(first)
}

// elder orders members by the time they came.
func elder(a, b store.Member) int {
	return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.User, b.User))
}

// Members yields the members with their places, sorted by user.
func (g *Snapshot) Members() iter.Seq2[int, store.Member] { return g.roster.all() }

// Member returns a member.
func (g *Snapshot) Member(u store.UserID) (store.Member, bool) {
	if m := g.roster.find(u); m != nil {
		return *m, true
	}
	return store.Member{}, false
}

// Size is the number of members.
func (g *Snapshot) Size() int { return g.roster.size }

// Eldest returns the members that came first, nine at most: they stand for the
// group in its picture and its name. The slice must not be changed.
func (g *Snapshot) Eldest() []store.Member { return g.eldest }

// Owner is the member who owns the group, 0 when a fixed group has none.
func (g *Snapshot) Owner() store.UserID { return g.owner }

// URI is the address: sip:NAME@DOMAIN.
func (g *Snapshot) URI() string { return "sip:" + g.AOR() }

// roleOf returns the role of a user, 0 when he is no member.
func (g *Snapshot) roleOf(u store.UserID) store.Role {
	if m := g.roster.find(u); m != nil {
		return m.Role
	}
	return 0
}

package group

import (
	"slices"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// tree is the organisation at one moment.
type tree struct {
	units  map[store.UnitID]store.Unit
	below  map[store.UnitID][]store.UnitID
	people map[store.UnitID][]store.UnitMember
}

func newTree(units []store.Unit, people []store.UnitMember) *tree {
	t := &tree{
		units:  make(map[store.UnitID]store.Unit, len(units)),
		below:  make(map[store.UnitID][]store.UnitID),
		people: make(map[store.UnitID][]store.UnitMember),
	}
	for _, u := range units {
		t.units[u.ID] = u
		t.below[u.Parent] = append(t.below[u.Parent], u.ID)
	}
	for _, m := range people {
		t.people[m.Unit] = append(t.people[m.Unit], m)
	}
	return t
}

// names are those of the units.
func (t *tree) names() map[store.UnitID]string {
	names := make(map[store.UnitID]string, len(t.units))
	for id, u := range t.units {
		names[id] = u.Name
	}
	return names
}

// wanted are the users that belong to a fixed group, sorted, each once. Who is
// hidden in one unit may come by another one.
func (t *tree) wanted(f store.Follows) []store.UserID {
	var users []store.UserID
	seen := map[store.UnitID]bool{} // should the tree have a cycle
	for todo := []store.UnitID{f.Unit}; len(todo) > 0; {
		unit := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, exists := t.units[unit]; !exists || seen[unit] {
			continue
		}
		seen[unit] = true
		for _, m := range t.people[unit] {
			if !m.Hidden && strings.Contains(m.Title, f.Title) {
				users = append(users, m.User)
			}
		}
		if f.SubUnits {
			todo = append(todo, t.below[unit]...)
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// difference is who must join and leave for a group to have the members wanted,
// which are sorted.
func difference(g *Snapshot, wanted []store.UserID) (join, leave []store.UserID) {
	for _, m := range g.Members() { // sorted, too
		for len(wanted) > 0 && wanted[0] < m.User {
			join = append(join, wanted[0])
			wanted = wanted[1:]
		}
		if len(wanted) > 0 && wanted[0] == m.User {
			wanted = wanted[1:]
			continue
		}
		leave = append(leave, m.User)
	}
	return append(join, wanted...), leave
}

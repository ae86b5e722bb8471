package group

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// TestTree compares, on random trees, who belongs to a group with what asking of
// each person by himself gives.
func TestTree(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		units := randomUnits(rnd)
		people := randomPeople(rnd, len(units))
		follows := store.Follows{
			Unit:     store.UnitID(1 + rnd.IntN(len(units)+1)), // one more than there are
			SubUnits: rnd.IntN(2) == 0,
			Title:    []string{"", "经理", "工程师"}[rnd.IntN(3)],
		}
		var want []store.UserID
		for u := store.UserID(1); u <= 30; u++ {
			if slices.ContainsFunc(people, func(m store.UnitMember) bool { return m.User == u && belongs(m, units, follows) }) {
				want = append(want, u)
			}
		}
		got := newTree(units, people).wanted(follows)
		if !slices.Equal(got, want) {
			t.Fatalf("units %v\npeople %v\nfollows %+v\n got %v\nwant %v", units, people, follows, got, want)
		}
		checkDifference(t, rnd, want)
	}
}

func randomUnits(rnd *rand.Rand) []store.Unit {
	units := make([]store.Unit, 1+rnd.IntN(12))
	for i := range units { // a parent comes before its children
		units[i] = store.Unit{ID: store.UnitID(i + 1), Parent: store.UnitID(rnd.IntN(i + 1))}
	}
	rnd.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
	return units
}

func randomPeople(rnd *rand.Rand, units int) []store.UnitMember {
	people := make([]store.UnitMember, rnd.IntN(40))
	for i := range people {
		people[i] = store.UnitMember{
			Unit: store.UnitID(1 + rnd.IntN(units)), User: store.UserID(1 + rnd.IntN(30)),
			Title: []string{"", "经理", "高级工程师"}[rnd.IntN(3)], Hidden: rnd.IntN(5) == 0,
		}
	}
	return people
}

// belongs climbs from the person's unit to the root.
func belongs(m store.UnitMember, units []store.Unit, f store.Follows) bool {
	if m.Hidden || !strings.Contains(m.Title, f.Title) {
		return false
	}
	for unit := m.Unit; unit != 0; {
		if unit == f.Unit {
			return true
		}
		if !f.SubUnits {
			return false
		}
		unit = units[slices.IndexFunc(units, func(u store.Unit) bool { return u.ID == unit })].Parent
	}
	return false
}

func checkDifference(t *testing.T, rnd *rand.Rand, wanted []store.UserID) {
	t.Helper()
	var members []store.Member
	for u := store.UserID(1); u <= 30; u++ {
		if rnd.IntN(2) == 0 {
			members = append(members, store.Member{User: u})
		}
	}
	g := newSnapshot(store.Group{}, members)
	join, leave := difference(g, wanted)
	for u := store.UserID(1); u <= 30; u++ {
		_, is := g.Member(u)
		want := slices.Contains(wanted, u)
		if slices.Contains(join, u) != (want && !is) || slices.Contains(leave, u) != (is && !want) {
			t.Fatalf("members %v, wanted %v: join %v, leave %v", users(g), wanted, join, leave)
		}
	}
}

func TestTreeWithACycle(t *testing.T) {
	tree := newTree([]store.Unit{{ID: 1, Parent: 2}, {ID: 2, Parent: 1}}, []store.UnitMember{{Unit: 2, User: 7}})
	if got := tree.wanted(store.Follows{Unit: 1, SubUnits: true}); !slices.Equal(got, []store.UserID{7}) {
		t.Errorf("got %v", got)
	}
}

// unit puts a unit and people into the tree.
func (w *world) unit(id, parent store.UnitID, members ...store.UserID) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.units[id] = store.Unit{ID: id, Parent: parent, Name: fmt.Sprintf("部门%d", id)}
	for _, u := range members {
		w.store.people[unitUser{id, u}] = store.UnitMember{Unit: id, User: u}
	}
}

// moved changes the tree and lets the groups follow.
func (w *world) moved(change func(m *memory)) {
	w.t.Helper()
	w.store.mu.Lock()
	change(w.store)
	w.store.mu.Unlock()
	if err := w.Follow(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// is checks the members of a group as it is now.
func (w *world) is(g *Snapshot, want ...store.UserID) *Snapshot {
	w.t.Helper()
	now, ok := w.ByID(g.ID)
	if !ok {
		w.t.Fatalf("group %d is gone", g.ID)
	}
	if !slices.Equal(users(now), want) {
		w.t.Errorf("group %d has %v, want %v", g.ID, users(now), want)
	}
	return now
}

func TestFixedGroupsFollowTheTree(t *testing.T) {
	w := newWorld(t, 20, nil)
	w.unit(1, 0, zhang)
	w.unit(2, 1, li, wang)
	w.unit(3, 2, zhao)
	w.store.people[unitUser{2, 9}] = store.UnitMember{Unit: 2, User: 9, Hidden: true}
	fixed := func(f store.Follows) *Snapshot {
		return w.make(organisation, store.Group{Kind: store.GroupFixed, Follows: &f})
	}
	all := fixed(store.Follows{Unit: 1, SubUnits: true})
	one := fixed(store.Follows{Unit: 2, Orphan: orphanConvert})
	bosses := fixed(store.Follows{Unit: 1, SubUnits: true, Title: "经理"})
	if all.Subject != "部门1" || all.Owner() != 0 {
		t.Errorf("made %+v", all.Group)
	}
	w.is(all, zhang, li, wang, zhao)
	w.is(one, li, wang)
	w.is(bosses)

	w.moved(func(m *memory) {
		m.people[unitUser{3, 5}] = store.UnitMember{Unit: 3, User: 5, Title: "副经理"}
		delete(m.people, unitUser{2, li})
		m.people[unitUser{3, 99}] = store.UnitMember{Unit: 3, User: 99} // has no account
	})
	w.is(all, zhang, wang, zhao, 5)
	w.is(one, wang)
	w.is(bosses, 5)
	events := len(w.events)
	w.moved(func(*memory) {})
	if len(w.events) != events {
		t.Error("groups changed when the tree had not")
	}

	// By hand nothing of it can be changed, but there may be an owner.
	w.refused(as(zhang), all, Remove{[]store.UserID{zhang}})
	w.refused(organisation, all, Add{Users: []store.UserID{6}})
	w.do(organisation, one, SetRole{wang, store.RoleOwner})
	w.moved(func(m *memory) { m.people[unitUser{2, 8}] = store.UnitMember{Unit: 2, User: 8} })
	if now := w.is(one, wang, 8); now.Owner() != wang {
		t.Error("the owner was lost on the way")
	}

	// Unit 2 goes: one group becomes manual, and keeps who was in it.
	w.moved(func(m *memory) {
		m.units[3] = store.Unit{ID: 3, Parent: 1}
		delete(m.units, 2)
		delete(m.people, unitUser{2, wang})
		delete(m.people, unitUser{2, 8})
	})
	if now := w.is(one, wang, 8); now.Kind != store.GroupManual || now.Follows != nil || now.Owner() != wang {
		t.Errorf("became %+v", now.Group)
	}
	w.is(all, zhang, zhao, 5)
	// Everything goes.
	w.moved(func(m *memory) { clear(m.units); clear(m.people) })
	if left := w.All(); len(left) != 1 || left[0].ID != one.ID {
		t.Errorf("%d groups are left", len(left))
	}
}

// TestGroupsAreRenamedWithTheirUnits, but not those that have a name of their own.
func TestGroupsAreRenamedWithTheirUnits(t *testing.T) {
	w := newWorld(t, 9, nil)
	w.unit(1, 0, wang)
	w.unit(2, 1, li)
	w.moved(func(*memory) {})
	fixed := func(subject string, unit store.UnitID) *Snapshot {
		return w.make(organisation, store.Group{Kind: store.GroupFixed, Subject: subject, Follows: &store.Follows{Unit: unit}})
	}
	called := func(g *Snapshot, want string) {
		t.Helper()
		if now, _ := w.ByID(g.ID); now.Subject != want {
			t.Errorf("group %d is called %q, want %q", g.ID, now.Subject, want)
		}
	}
	rename := func(id store.UnitID, name string) {
		w.moved(func(m *memory) { u := m.units[id]; u.Name = name; m.units[id] = u })
	}
	same, own, other := fixed("", 1), fixed("同事们", 1), fixed("", 2)
	rename(1, "研发中心")
	called(same, "研发中心")
	called(own, "同事们")
	called(other, "部门2")
	events := len(w.events)
	w.moved(func(*memory) {})
	if len(w.events) != events {
		t.Error("groups were renamed when no unit was")
	}

	// Who calls the group otherwise ends that; who calls it like the unit begins it.
	w.do(organisation, same, Rename{"研发"})
	w.do(organisation, own, Rename{"研发中心"})
	rename(1, strings.Repeat("长", maxSubject+1))
	called(same, "研发")
	called(own, strings.Repeat("长", maxSubject))
	rename(1, "研发部")
	called(own, "研发部")
}

// TestConvertedGroupGetsAnOwner: without one the eldest member.
func TestConvertedGroupGetsAnOwner(t *testing.T) {
	w := newWorld(t, 9, nil)
	w.unit(1, 0, wang, li)
	g := w.make(organisation, store.Group{Kind: store.GroupFixed, Follows: &store.Follows{Unit: 1, Orphan: orphanConvert}})
	w.moved(func(m *memory) { clear(m.units) })
	if g = w.is(g, li, wang); g.Owner() != li || !slices.Equal(w.told(), []string{"本群已转为普通群", "李四成为群主"}) {
		t.Errorf("%d owns it, told %q", g.Owner(), w.told())
	}
}

// TestLargeUnit: people come in parts, and no more than there is room for.
func TestLargeUnit(t *testing.T) {
	w := newWorld(t, 2*batch+50, func(c *Config) { c.MaxMembers = 2*batch + 30 })
	w.unit(1, 0)
	g := w.make(organisation, store.Group{Kind: store.GroupFixed, Follows: &store.Follows{Unit: 1}})
	w.moved(func(m *memory) {
		for u := range m.users {
			m.people[unitUser{1, u}] = store.UnitMember{Unit: 1, User: u}
		}
	})
	g, _ = w.ByID(g.ID)
	if g.Size() != 2*batch+30 || len(w.events) != 1+3 {
		t.Errorf("%d members in %d commits", g.Size(), len(w.events)-1)
	}
	if told := w.told(); len(told) != 1 || !strings.HasSuffix(told[0], "等30人加入了群聊") {
		t.Errorf("told %q", told)
	}
	w.moved(func(m *memory) { delete(m.people, unitUser{1, 1}) }) // there is room for one more
	if g, _ = w.ByID(g.ID); g.Size() != 2*batch+30 || g.roleOf(1) != 0 {
		t.Errorf("%d members after one was replaced", g.Size())
	}
	w.moved(func(m *memory) { clear(m.people) })
	w.is(g)
}

func TestFollowGoesOnAfterAFailure(t *testing.T) {
	w := newWorld(t, 9, nil)
	w.unit(1, 0)
	first := w.make(organisation, store.Group{Kind: store.GroupFixed, Follows: &store.Follows{Unit: 1}})
	second := w.make(organisation, store.Group{Kind: store.GroupFixed, Follows: &store.Follows{Unit: 1}})
	w.store.before = func(c store.GroupChange) error {
		if c.Group.ID == first.ID {
			return fmt.Errorf("%w: the disk is full", store.ErrUnavailable)
		}
		return nil
	}
	w.unit(1, 0, zhang)
	if err := w.Follow(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("following: %v", err)
	}
	w.is(first)
	w.is(second, zhang)
	w.store.before = nil
	w.moved(func(*memory) {})
	w.is(first, zhang)
}

func TestFixedGroupNeedsAUnit(t *testing.T) {
	w := newWorld(t, 3, nil)
	w.unit(1, 0, zhang)
	for name, f := range map[string]*store.Follows{
		"nothing": nil, "no unit": {}, "unknown unit": {Unit: 7}, "unknown end": {Unit: 1, Orphan: "explode"},
	} {
		if _, err := w.Create(t.Context(), organisation, store.Group{Kind: store.GroupFixed, Follows: f}, nil); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRemovedUser(t *testing.T) {
	w := newWorld(t, 9, nil)
	w.unit(1, 0, li, wang)
	fixed := w.make(organisation, store.Group{Kind: store.GroupFixed, Follows: &store.Follows{Unit: 1}})
	own := w.make(as(li), store.Group{Subject: "我的"}, wang, zhao)
	alone := w.make(as(li), store.Group{Subject: "独自"})
	pair := w.make(as(li), store.Group{Kind: store.GroupPair}, wang)
	other := w.make(as(zhang), store.Group{Subject: "别的"}, wang)
	if err := w.UserRemoved(t.Context(), li); err != nil {
		t.Fatal(err)
	}
	w.is(fixed, wang)
	if now := w.is(own, wang, zhao); now.Owner() != wang {
		t.Errorf("%d owns the group of who was removed", now.Owner())
	}
	w.is(other, zhang, wang)
	for _, g := range []*Snapshot{alone, pair} {
		if _, there := w.ByID(g.ID); there {
			t.Errorf("group %d is there", g.ID)
		}
	}
	if left := w.Of(li); len(left) != 0 {
		t.Errorf("he is in %d groups", len(left))
	}
}

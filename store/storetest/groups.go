package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// group makes one of example.com; the first member owns it.
func (f *fixture) group(name string, members ...store.User) store.Group {
	f.t.Helper()
	c := store.GroupChange{
		Group:  store.Group{Name: name, Domain: "example.com", Kind: store.GroupManual, Subject: "The " + name},
		Events: []store.GroupEvent{{Version: 1, At: time.Now(), Action: "create"}},
	}
	for i, u := range members {
		c.Set = append(c.Set, member(u))
		if i == 0 {
			c.Set[0].Role = store.RoleOwner
		}
	}
	added, _, err := f.AddGroup(f.t.Context(), c)
	f.must(err)
	return added.Group
}

func (f *fixture) tryGroup(name string) error {
	_, _, err := f.AddGroup(f.t.Context(), store.GroupChange{
		Group:  store.Group{Name: name, Domain: "example.com"},
		Events: []store.GroupEvent{{Version: 1, Action: "create"}},
	})
	return err
}

func member(u store.User) store.Member {
	return store.Member{User: u.ID, Role: store.RoleMember, Joined: time.Now()}
}

// change changes g, which becomes what it is afterwards.
func (f *fixture) change(g *store.Group, c store.GroupChange) store.GroupChange {
	f.t.Helper()
	c.Group = *g
	c.Events = []store.GroupEvent{{Version: g.Version + 1, At: time.Now(), Action: "change"}}
	changed, _, err := f.ChangeGroup(f.t.Context(), c)
	f.must(err)
	*g = changed.Group
	return changed
}

// say is a message to a group.
func say(from store.UserID, g store.Group, s string) *store.NewMessage {
	return &store.NewMessage{Kind: store.KindText, From: from, Group: g.ID, ContentType: "text/plain", Body: []byte(s), Text: s}
}

func notice(g store.Group, s string) store.NewMessage {
	return store.NewMessage{Kind: store.KindNotice, Group: g.ID, ContentType: "text/plain", Body: []byte(s), Text: s}
}

// members are the users of a group in their order.
func (f *fixture) members(id store.GroupID) []store.UserID {
	f.t.Helper()
	_, ms, err := f.Group(f.t.Context(), id)
	f.must(err)
	var out []store.UserID
	for _, m := range ms {
		out = append(out, m.User)
	}
	return out
}

func testGroups(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	at := time.UnixMilli(1_700_000_000_000).UTC()
	added, notices, err := f.AddGroup(ctx, store.GroupChange{
		Group: store.Group{Name: "Team", Domain: "example.com", Kind: store.GroupManual, Subject: "项目", CreatedBy: alice.ID, Created: at},
		Set: []store.Member{
			{User: alice.ID, Role: store.RoleOwner, Joined: at},
			{User: bob.ID, Role: store.RoleMember, Joined: at.Add(time.Second), Nickname: "B"}},
		Events:  []store.GroupEvent{{Version: 1, At: at, By: alice.ID, Action: "create"}, {Version: 2, At: at, By: alice.ID, Action: "join", User: bob.ID}},
		Notices: []store.NewMessage{{Kind: store.KindNotice, From: alice.ID, Text: "welcome"}},
	})
	f.must(err)
	g := added.Group
	if g.ID <= 0 || g.Conversation <= 0 || g.Version != 2 || g.AOR() != "team@example.com" || !g.Created.Equal(at) {
		t.Errorf("made %+v", g)
	}
	if len(notices) != 1 || notices[0].Seq != 1 || notices[0].Conversation != g.Conversation || added.Notices[0].Group != g.ID {
		t.Errorf("with the notices %+v at %+v", added.Notices, notices)
	}
	until := at.Add(time.Hour)
	next := g
	next.Subject, next.Policy.History, next.Pinned = "新项目", 5, []int64{7}
	changed, _, err := f.ChangeGroup(ctx, store.GroupChange{
		Group:  next,
		Set:    []store.Member{{User: carol.ID, Role: store.RoleMember, Joined: at.Add(2 * time.Second)}, {User: alice.ID, Role: store.RoleMember, Joined: at, MutedUntil: until}},
		Remove: []store.UserID{bob.ID},
		Events: []store.GroupEvent{{Version: 3, At: at, By: alice.ID, Action: "leave", User: bob.ID}, {Version: 4, At: at, Action: "subject", Detail: "新项目"}},
	})
	f.must(err)
	if changed.Group.Version != 4 || changed.Group.Subject != "新项目" || changed.Group.Conversation != g.Conversation || changed.Set[0].JoinedSeq != 1 {
		t.Errorf("changed %+v", changed)
	}
	want := []store.Member{
		{User: alice.ID, Role: store.RoleMember, Joined: at, MutedUntil: until},
		{User: carol.ID, Role: store.RoleMember, Joined: at.Add(2 * time.Second), JoinedSeq: 1},
	}
	calls := 0
	check := func(all store.Group, ms []store.Member) error {
		calls++
		if fmt.Sprint(all) != fmt.Sprint(changed.Group) || !slices.Equal(ms, want) {
			t.Errorf("read %+v with %+v, want %+v with %+v", all, ms, changed.Group, want)
		}
		return nil
	}
	f.must(f.AllGroups(ctx, check))
	one, ms, err := f.Group(ctx, g.ID)
	f.must(err)
	f.must(check(one, ms))
	if calls != 2 {
		t.Errorf("%d groups", calls)
	}
	events, err := f.GroupEvents(ctx, g.ID, 1, 2)
	f.must(err)
	if len(events) != 2 || events[0].Version != 2 || events[0].User != bob.ID || events[1].Action != "leave" || !events[1].At.Equal(at) {
		t.Errorf("events %+v", events)
	}
	mutes := []store.GroupEvent{
		{Version: 5, At: at, By: alice.ID, Action: "mute", User: carol.ID, Detail: "one"},
		{Version: 6, At: at, By: alice.ID, Action: "mute", User: bob.ID, Detail: "two"},
		{Version: 7, At: at, By: alice.ID, Action: "mute", User: carol.ID, Detail: "three"},
		{Version: 8, At: at, By: alice.ID, Action: "nickname", User: bob.ID},
	}
	_, _, err = f.ChangeGroup(ctx, store.GroupChange{Group: changed.Group, Events: mutes})
	f.must(err)
	other := f.group("other", alice)
	_, _, err = f.ChangeGroup(ctx, store.GroupChange{Group: other, Events: []store.GroupEvent{{Version: other.Version + 1, At: at, Action: "mute", User: bob.ID, Detail: "elsewhere"}}})
	f.must(err)
	events, err = f.LastOfEach(ctx, g.ID, "mute")
	f.must(err)
	if fmt.Sprint(events) != fmt.Sprint(mutes[1:3]) {
		t.Errorf("the last of each %+v, want %+v", events, mutes[1:3])
	}
}

func testGroupConflicts(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob := f.user("alice"), f.user("bob")
	_, _, err := f.AddGroup(ctx, store.GroupChange{
		Group:  store.Group{Name: "team", Domain: "example.com"},
		Set:    []store.Member{{User: 99, Role: store.RoleOwner}},
		Events: []store.GroupEvent{{Version: 1}},
	})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a group of nobody: %v", err)
	}
	aside := f.append(text(alice.ID, bob.ID, "aside")) // may get the number that the conversation of the group had
	g := f.group("team", alice)
	if a := f.append(say(alice.ID, g, "zero")); a.Conversation != g.Conversation || a.Conversation == aside.Conversation || a.Seq != 1 {
		t.Errorf("a message of the group is at %+v, one between two at %+v", a, aside)
	}
	first := g
	f.change(&g, store.GroupChange{Set: []store.Member{member(bob)}})
	for name, c := range map[string]struct {
		change store.GroupChange
		want   error
	}{
		"an old version":   {store.GroupChange{Group: first}, store.ErrConflict},
		"no such group":    {store.GroupChange{Group: store.Group{ID: 99}}, store.ErrNotFound},
		"no such user":     {store.GroupChange{Group: g, Set: []store.Member{{User: 99, Role: store.RoleMember}}}, store.ErrNotFound},
		"no role":          {store.GroupChange{Group: g, Set: []store.Member{{User: bob.ID}}}, store.ErrInvalid},
		"no member":        {store.GroupChange{Group: g, Remove: []store.UserID{99}, Notices: []store.NewMessage{notice(g, "x")}}, store.ErrInvalid},
		"a notice of text": {store.GroupChange{Group: g, Notices: []store.NewMessage{*say(alice.ID, g, "x")}}, store.ErrInvalid},
	} {
		c.change.Events = []store.GroupEvent{{Version: c.change.Group.Version + 1}}
		if _, _, err := f.ChangeGroup(ctx, c.change); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for name, events := range map[string][]store.GroupEvent{"no event": nil, "an event of another version": {{Version: 9}}} {
		if _, _, err := f.ChangeGroup(ctx, store.GroupChange{Group: g, Events: events}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := f.members(g.ID); !slices.Equal(got, []store.UserID{alice.ID, bob.ID}) {
		t.Errorf("members %v", got)
	}
	if a := f.append(say(alice.ID, g, "first")); a.Seq != 2 {
		t.Errorf("seq %d after changes that failed", a.Seq)
	}
}

func testDissolvedGroup(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob := f.user("alice"), f.user("bob")
	b := f.device(bob, "b")
	g := f.group("team", alice, bob)
	f.append(say(alice.ID, g, "hello"))
	now := time.Now()
	g.Dissolved = &now
	f.change(&g, store.GroupChange{Notices: []store.NewMessage{notice(g, "it is over")}})
	f.append(say(alice.ID, g, "nobody hears it"))
	f.wantTexts("what is still owed", f.pending(b), "hello", "it is over")
	if got := f.members(g.ID); len(got) != 2 {
		t.Errorf("on record stay %v", got)
	}
	f.must(f.AllGroups(ctx, func(g store.Group, _ []store.Member) error {
		t.Errorf("%s is among the groups", g.Name)
		return nil
	}))
	if _, _, err := f.ChangeGroup(ctx, store.GroupChange{Group: g}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("changed after its end: %v", err)
	}
	if err := f.tryGroup("team"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("its name was given away: %v", err)
	}
}

// testGroupNames: one name is one user, hunt group or group.
func testGroupNames(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.user("alice", "1001")
	f.group("team")
	_, err := f.SetHuntGroup(ctx, store.HuntGroup{Name: "sales", Numbers: []string{"2000"}})
	f.must(err)
	for _, name := range []string{"alice", "1001", "sales", "2000", "Team"} {
		if err := f.tryGroup(name); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a group %s: %v", name, err)
		}
	}
	if _, err := f.AddUser(ctx, store.User{Username: "team", Domain: "example.com"}, nil); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a user named like a group: %v", err)
	}
	if _, err := f.SetHuntGroup(ctx, store.HuntGroup{Name: "x", Numbers: []string{"team"}}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a hunt group with the name of a group: %v", err)
	}
	if err := f.tryGroup("a\nb"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a name of two lines: %v", err)
	}
}

func testRooms(t *testing.T, f *fixture) {
	ctx := t.Context()
	room := store.RoomDevice{Group: 1, User: 2, Device: 3, CallID: "c", LocalTag: "l", RemoteTag: "r", LocalCSeq: 1, RemoteCSeq: 2, Since: time.UnixMilli(5).UTC()}
	other := store.RoomDevice{Group: 1, User: 2, Device: 4, CallID: "d"}
	sub := store.Subscription{Package: "conference", Resource: "team@example.com", List: []string{"a@b"}, Versions: map[string]int64{"a@b": 7}, User: 2, Device: 3, CallID: "s",
		LocalTag: "l", RemoteTag: "r", LocalCSeq: 7, Event: "conference;id=1", Expires: time.UnixMilli(9).UTC(), Version: 3}
	f.SaveRooms([]store.RoomDevice{room, other}, nil)
	f.SaveSubscriptions([]store.Subscription{sub}, nil)
	room.LocalCSeq, sub.Version = 9, 4
	f.SaveRooms([]store.RoomDevice{room}, []store.RoomDevice{other})
	f.SaveSubscriptions([]store.Subscription{sub}, nil)
	rooms := eventually(f, func() (out []store.RoomDevice, ok bool) {
		f.must(f.AllRooms(ctx, func(r store.RoomDevice) error { out = append(out, r); return nil }))
		return out, len(out) == 1
	})
	subs := eventually(f, func() (out []store.Subscription, ok bool) {
		f.must(f.AllSubscriptions(ctx, func(s store.Subscription) error { out = append(out, s); return nil }))
		return out, len(out) == 1
	})
	if rooms[0] != room || fmt.Sprint(subs[0]) != fmt.Sprint(sub) {
		t.Errorf("got %+v and %+v", rooms, subs)
	}
	f.SaveSubscriptions(nil, []store.Subscription{sub})
	eventually(f, func() (n int, ok bool) {
		f.must(f.AllSubscriptions(ctx, func(store.Subscription) error { n++; return nil }))
		return n, n == 0
	})
}

// testUnitPush sets the people of units as another system would, again and again.
func testUnitPush(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	var units []store.UnitID
	for _, name := range []string{"a", "b"} {
		u, err := f.SetUnit(ctx, store.Unit{Name: name})
		f.must(err)
		units = append(units, u.ID)
	}
	a, b := units[0], units[1]
	in := func(unit store.UnitID, u store.User, title string) store.UnitMember {
		return store.UnitMember{Unit: unit, User: u.ID, Title: title}
	}
	for _, step := range []struct {
		name    string
		members []store.UnitMember
		whole   []store.UnitID
		counts  [3]int
		want    []store.UnitMember
		err     error
	}{
		{"two units at once", []store.UnitMember{in(a, alice, ""), in(a, bob, "x"), in(b, carol, "")}, nil, [3]int{3, 0, 0},
			[]store.UnitMember{in(a, alice, ""), in(a, bob, "x"), in(b, carol, "")}, nil},
		{"the same again", []store.UnitMember{in(a, alice, ""), in(a, bob, "x")}, []store.UnitID{a}, [3]int{},
			[]store.UnitMember{in(a, alice, ""), in(a, bob, "x"), in(b, carol, "")}, nil},
		{"who is not named stays", []store.UnitMember{in(a, carol, "")}, nil, [3]int{1, 0, 0},
			[]store.UnitMember{in(a, alice, ""), in(a, bob, "x"), in(a, carol, ""), in(b, carol, "")}, nil},
		{"or goes, where all are named", []store.UnitMember{in(a, bob, "y"), in(b, alice, "")}, []store.UnitID{a}, [3]int{1, 1, 2},
			[]store.UnitMember{in(a, bob, "y"), in(b, alice, ""), in(b, carol, "")}, nil},
		{"one who does not exist spoils all", []store.UnitMember{in(a, alice, ""), {Unit: a, User: 99}}, []store.UnitID{a}, [3]int{},
			[]store.UnitMember{in(a, bob, "y"), in(b, alice, ""), in(b, carol, "")}, store.ErrNotFound},
		{"so does a unit that does not exist", nil, []store.UnitID{a, 99}, [3]int{},
			[]store.UnitMember{in(a, bob, "y"), in(b, alice, ""), in(b, carol, "")}, store.ErrNotFound},
		{"nobody", nil, []store.UnitID{a, b}, [3]int{0, 0, 3}, nil, nil},
	} {
		added, updated, removed, err := f.SetUnitMembers(ctx, step.members, step.whole)
		if counts := [3]int{added, updated, removed}; counts != step.counts || !errors.Is(err, step.err) {
			t.Errorf("%s: %v %v, want %v %v", step.name, counts, err, step.counts, step.err)
		}
		members, err := f.UnitMembers(ctx)
		f.must(err)
		if !slices.Equal(members, step.want) {
			t.Errorf("%s: members are %+v, want %+v", step.name, members, step.want)
		}
	}
}

func testUnits(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice := f.user("alice")
	set := func(name string, parent store.UnitID, order int) store.Unit {
		u, err := f.SetUnit(ctx, store.Unit{Name: name, Parent: parent, Order: order})
		f.must(err)
		return u
	}
	root := set("公司", 0, 0)
	b := set("b", root.ID, 2)
	a := set("a", root.ID, 2)
	first := set("z", root.ID, 1)
	below := set("below", b.ID, 0)
	f.must(f.SetUnitMember(ctx, store.UnitMember{Unit: below.ID, User: alice.ID, Title: "engineer"}))
	f.must(f.SetUnitMember(ctx, store.UnitMember{Unit: below.ID, User: alice.ID, Title: "manager", Hidden: true}))
	all, err := f.AllUnits(ctx)
	f.must(err)
	if want := []store.Unit{root, first, a, b, below}; !slices.Equal(all, want) {
		t.Errorf("the tree is %+v, want %+v", all, want)
	}
	members, err := f.UnitMembers(ctx)
	f.must(err)
	if want := []store.UnitMember{{Unit: below.ID, User: alice.ID, Title: "manager", Hidden: true}}; !slices.Equal(members, want) {
		t.Errorf("members %+v", members)
	}
	moved := below
	moved.Parent = a.ID
	moved, err = f.SetUnit(ctx, moved)
	f.must(err)
	cycle := root
	cycle.Parent = moved.ID
	for name, c := range map[string]struct {
		unit store.Unit
		want error
	}{
		"below itself":   {cycle, store.ErrInvalid},
		"no name":        {store.Unit{Parent: root.ID}, store.ErrInvalid},
		"taken":          {store.Unit{Name: "a", Parent: root.ID}, store.ErrConflict},
		"an old version": {below, store.ErrConflict},
		"no parent":      {store.Unit{Name: "x", Parent: 99}, store.ErrNotFound},
	} {
		if _, err := f.SetUnit(ctx, c.unit); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := f.RemoveUnit(ctx, a.ID); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("removed with a unit below: %v", err)
	}
	f.must(f.RemoveUnit(ctx, moved.ID))
	f.must(f.SetUnitMember(ctx, store.UnitMember{Unit: a.ID, User: alice.ID}))
	f.must(f.RemoveUnitMember(ctx, a.ID, alice.ID))
	if members, err = f.UnitMembers(ctx); err != nil || len(members) != 0 {
		t.Errorf("members %+v, %v", members, err)
	}
	for what, err := range map[string]error{
		"a unit twice":      f.RemoveUnit(ctx, moved.ID),
		"into no unit":      f.SetUnitMember(ctx, store.UnitMember{Unit: 99, User: alice.ID}),
		"nobody":            f.SetUnitMember(ctx, store.UnitMember{Unit: a.ID, User: 99}),
		"who is not inside": f.RemoveUnitMember(ctx, a.ID, alice.ID),
	} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

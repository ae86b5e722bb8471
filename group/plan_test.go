package group

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// The group of the tables: 1 owns it, 2 and 3 are administrators (2 the elder),
// 4 to 7 members (7 the eldest of all).
func tableGroup(kind store.GroupKind) *Snapshot {
	g := store.Group{ID: 7, Name: "g-table", Domain: "example.com", Kind: kind, Subject: "桌子", Version: 40, Pinned: []int64{11}}
	members := []store.Member{
		{User: 1, Role: store.RoleOwner, Joined: noon.Add(-9 * time.Hour)},
		{User: 2, Role: store.RoleAdministrator, Joined: noon.Add(-8 * time.Hour)},
		{User: 3, Role: store.RoleAdministrator, Joined: noon.Add(-7 * time.Hour)},
		{User: 4, Role: store.RoleMember, Joined: noon.Add(-6 * time.Hour), MutedUntil: noon.Add(time.Hour)},
		{User: 5, Role: store.RoleMember, Joined: noon.Add(-5 * time.Hour), Nickname: "五"},
		{User: 6, Role: store.RoleMember, Joined: noon.Add(-4 * time.Hour)},
		{User: 7, Role: store.RoleMember, Joined: noon.Add(-10 * time.Hour)},
	}
	switch kind {
	case store.GroupFixed:
		g.Follows = &store.Follows{Unit: 1, Orphan: orphanConvert}
	case store.GroupPair:
		g.Subject, members = "", []store.Member{members[0], members[4]}
	}
	return newSnapshot(g, members)
}

// outline writes what a plan comes to in one line.
func outline(c store.GroupChange, err error) string {
	var denied *Denied
	switch {
	case errors.As(err, &denied):
		return "denied"
	case errors.Is(err, store.ErrNotFound):
		return "not found"
	case errors.Is(err, store.ErrInvalid):
		return "invalid"
	case err != nil:
		return err.Error()
	}
	var parts []string
	for _, e := range c.Events {
		part := e.Action
		if e.User != 0 {
			part += fmt.Sprintf(" %d", e.User)
		}
		if e.Detail != "" {
			part += " " + e.Detail
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func TestPlan(t *testing.T) {
	manual, discussion, fixed, pair := store.GroupManual, store.GroupDiscussion, store.GroupFixed, store.GroupPair
	const system = store.UserID(0)
	one := func(u store.UserID) []store.UserID { return []store.UserID{u} }
	for _, c := range []struct {
		kind   store.GroupKind
		by     store.UserID
		change Change
		want   string
	}{
		// Coming.
		{manual, 5, Add{one(8), 0}, "join 8"},
		{manual, 5, Add{[]store.UserID{8, 4, 9, 8}, 0}, "join 8, join 9"},
		{manual, 5, Add{one(4), 0}, "nothing"},
		{manual, 5, Add{one(8), store.RoleAdministrator}, "denied"},
		{manual, 1, Add{one(8), store.RoleAdministrator}, "join 8"},
		{manual, 1, Add{one(8), store.RoleOwner}, "invalid"},
		{manual, 8, Add{one(9), 0}, "not found"},
		{manual, 8, Add{one(8), 0}, "not found"},
		{manual, 5, Add{[]store.UserID{11, 12, 13, 14}, 0}, "denied"}, // 10 may be in it
		{manual, system, Add{one(8), 0}, "join 8"},
		{fixed, 1, Add{one(8), 0}, "denied"},
		{fixed, system, Add{one(8), 0}, "denied"},
		{pair, 1, Add{one(8), 0}, "denied"},
		{pair, system, Add{one(8), 0}, "denied"},

		// Going.
		{manual, 5, Remove{one(5)}, "leave 5"},
		{manual, 1, Remove{one(1)}, "leave 1, role 2 owner"},
		{manual, 5, Remove{one(6)}, "denied"},
		{manual, 2, Remove{one(5)}, "kick 5"},
		{manual, 2, Remove{one(3)}, "denied"},
		{manual, 2, Remove{one(1)}, "denied"},
		{manual, 1, Remove{one(2)}, "kick 2"},
		{manual, 1, Remove{[]store.UserID{2, 9, 5, 2}}, "kick 2, kick 5"},
		{manual, 2, Remove{[]store.UserID{5, 3}}, "denied"},
		{manual, 5, Remove{one(9)}, "denied"},
		{manual, 8, Remove{one(5)}, "not found"},
		{manual, 8, Remove{one(8)}, "not found"},
		{manual, system, Remove{one(1)}, "kick 1, role 2 owner"},
		{manual, system, Remove{[]store.UserID{1, 2, 3}}, "kick 1, kick 2, kick 3, role 7 owner"},
		{manual, system, Remove{[]store.UserID{1, 2, 3, 4, 5, 6, 7}},
			"kick 1, kick 2, kick 3, kick 4, kick 5, kick 6, kick 7, dissolve"},
		{fixed, 5, Remove{one(5)}, "denied"},
		{fixed, 1, Remove{one(5)}, "denied"},
		{fixed, system, Remove{one(5)}, "denied"},
		{pair, 5, Remove{one(5)}, "dissolve"},
		{pair, 5, Remove{one(1)}, "denied"},
		{pair, system, Remove{one(1)}, "dissolve"},

		// Ranks.
		{manual, 1, SetRole{5, store.RoleAdministrator}, "role 5 administrator"},
		{manual, 1, SetRole{2, store.RoleAdministrator}, "nothing"},
		{manual, 1, SetRole{2, store.RoleMember}, "role 2 member"},
		{manual, 2, SetRole{5, store.RoleAdministrator}, "role 5 administrator"},
		{manual, 5, SetRole{4, store.RoleAdministrator}, "denied"},
		{manual, 2, SetRole{3, store.RoleMember}, "denied"}, // nobody moves his equals
		{manual, 2, SetRole{1, store.RoleMember}, "denied"},
		{manual, 2, SetRole{2, store.RoleMember}, "role 2 member"},
		{manual, 2, SetRole{2, store.RoleOwner}, "denied"},
		{manual, 1, SetRole{1, store.RoleMember}, "denied"},
		{manual, 1, SetRole{5, store.RoleOwner}, "role 1 administrator, role 5 owner"},
		{manual, system, SetRole{5, store.RoleOwner}, "role 1 administrator, role 5 owner"},
		{manual, system, SetRole{1, store.RoleMember}, "denied"},
		{manual, 1, SetRole{9, store.RoleOwner}, "invalid"},
		{manual, 1, SetRole{5, 0}, "invalid"},
		{manual, 1, SetRole{5, store.RoleNobody}, "invalid"},
		{manual, 8, SetRole{8, store.RoleMember}, "not found"},
		{manual, system, SetRole{2, store.RoleMember}, "role 2 member"},
		{fixed, system, SetRole{1, store.RoleMember}, "role 1 member"},
		{fixed, 1, SetRole{1, store.RoleMember}, "role 1 member"},
		{fixed, 1, SetRole{2, store.RoleMember}, "role 2 member"},
		{fixed, 2, SetRole{5, store.RoleAdministrator}, "role 5 administrator"},
		{fixed, 2, SetRole{2, store.RoleMember}, "role 2 member"},
		{fixed, 2, SetRole{3, store.RoleMember}, "denied"},
		{fixed, 2, SetRole{1, store.RoleMember}, "denied"},
		{fixed, 2, SetRole{1, store.RoleAdministrator}, "denied"},
		{fixed, 2, SetRole{2, store.RoleOwner}, "denied"},
		{pair, 1, SetRole{5, store.RoleOwner}, "denied"},
		{pair, 1, SetRole{1, store.RoleMember}, "denied"},

		// Names.
		{manual, 5, SetNickname{5, " 小五 "}, "nickname 5 小五"},
		{manual, 5, SetNickname{5, "五"}, "nothing"},
		{manual, 5, SetNickname{5, ""}, "nickname 5"},
		{manual, 5, SetNickname{5, strings.Repeat("五", 65)}, "denied"},
		{manual, 5, SetNickname{5, "张三\n李四"}, "denied"},
		{manual, 5, SetNickname{6, "六"}, "denied"},
		{manual, 2, SetNickname{6, "六"}, "nickname 6 六"},
		{manual, 2, SetNickname{3, "三"}, "denied"},
		{manual, 2, SetNickname{9, "九"}, "invalid"},
		{manual, 8, SetNickname{8, "八"}, "not found"},
		{manual, 2, Rename{"椅子"}, "subject 椅子"},
		{manual, 2, Rename{" 桌子 "}, "nothing"},
		{manual, 2, Rename{"  "}, "denied"},
		{manual, 2, Rename{" \u200b\u3164"}, "denied"},
		{manual, 2, Rename{"👩\u200d👧"}, "subject 👩\u200d👧"},
		{manual, 5, Rename{"椅子"}, "denied"},
		{discussion, 2, Rename{""}, "subject"},
		{fixed, 2, Rename{"椅子"}, "subject 椅子"},
		{pair, 1, Rename{"椅子"}, "denied"},

		// Silence.
		{manual, 2, Mute{5, noon.Add(time.Hour)}, "mute 5 2026-03-02T05:00:00Z"},
		{manual, 2, Mute{4, noon.Add(time.Hour)}, "nothing"},
		{manual, 2, Mute{4, time.Time{}}, "mute 4"},
		{manual, 2, Mute{4, noon.Add(-time.Hour)}, "mute 4"},
		{manual, 2, Mute{5, time.Time{}}, "nothing"},
		{manual, 2, Mute{3, noon.Add(time.Hour)}, "denied"},
		{manual, 2, Mute{2, time.Time{}}, "denied"},
		{manual, 5, Mute{6, noon.Add(time.Hour)}, "denied"},
		{manual, 2, Mute{9, noon.Add(time.Hour)}, "invalid"},
		{manual, 2, MuteAll{true}, "mute-all on"},
		{manual, 2, MuteAll{false}, "nothing"},
		{manual, 5, MuteAll{true}, "denied"},

		// What stands above the messages.
		{manual, 2, Announce{"一\r\n二"}, "announce 一\n二"},
		{manual, 2, Announce{""}, "nothing"},
		{manual, 2, Announce{strings.Repeat("字", 2001)}, "denied"},
		{manual, 5, Announce{"一"}, "denied"},
		{manual, 2, Pin{12, true}, "pin 000000000000000c"},
		{manual, 2, Pin{11, true}, "nothing"},
		{manual, 2, Pin{11, false}, "unpin 000000000000000b"},
		{manual, 2, Pin{12, false}, "nothing"},
		{manual, 2, Pin{13, true}, "denied"}, // of another group
		{manual, 5, Pin{12, true}, "denied"},
		{pair, 5, Pin{12, true}, "pin 000000000000000c"},
		{manual, 2, SetPicture{"a1.jpg"}, "picture a1.jpg"},
		{manual, 2, SetPicture{""}, "nothing"},
		{manual, 2, SetPicture{"../a.jpg"}, "invalid"},
		{manual, 2, SetPicture{".a"}, "invalid"},
		{manual, 5, SetPicture{"a1.jpg"}, "denied"},

		// The group itself.
		{manual, 1, SetPolicy{store.GroupPolicy{Speak: store.RoleOwner}}, "policy"},
		{manual, 1, SetPolicy{}, "nothing"},
		{manual, 2, SetPolicy{store.GroupPolicy{Speak: store.RoleOwner}}, "denied"},
		{manual, 1, SetPolicy{store.GroupPolicy{Speak: 4}}, "invalid"},
		{manual, 1, SetPolicy{store.GroupPolicy{History: -2}}, "invalid"},
		{manual, 1, Convert{}, "nothing"},
		{discussion, 1, Convert{}, "convert"},
		{discussion, 2, Convert{}, "denied"},
		{fixed, 1, Convert{}, "denied"},
		{fixed, system, Convert{}, "convert"},
		{pair, system, Convert{}, "denied"},
		{manual, 1, Dissolve{}, "dissolve"},
		{manual, 2, Dissolve{}, "denied"},
		{manual, 8, Dissolve{}, "not found"},
		{fixed, 1, Dissolve{}, "denied"},
		{fixed, system, Dissolve{}, "dissolve"},
		{pair, 1, Dissolve{}, "denied"},
		{pair, system, Dissolve{}, "dissolve"},

		// The organisation.
		{fixed, system, follow{join: []store.UserID{8, 5}, leave: []store.UserID{1, 9}}, "leave 1, join 8"},
		{manual, system, follow{join: []store.UserID{8}, leave: []store.UserID{1}}, "nothing"},
		{manual, system, depart{1}, "leave 1, role 2 owner"},
		{fixed, system, depart{1}, "leave 1"},
		{pair, system, depart{1}, "dissolve"},
		{manual, system, depart{9}, "nothing"},
	} {
		g := tableGroup(c.kind)
		kept := *g
		kept.Pinned = slices.Clone(g.Pinned)
		got, err := plan(g, tableConditions(), Actor{User: c.by, System: c.by == system}, []Change{c.change})
		if outline(got, err) != c.want {
			t.Errorf("%s, %d: %T%+v: %s, want %s (%v)", c.kind, c.by, c.change, c.change, outline(got, err), c.want, err)
		}
		if !reflect.DeepEqual(*g, kept) {
			t.Errorf("%s, %d: %T%+v changed the snapshot", c.kind, c.by, c.change, c.change)
		}
	}
}

func tableConditions() conditions {
	return conditions{now: noon, words: chinese(), maxMembers: 10, messages: map[int64]bool{12: true}, muted: map[store.UserID]time.Time{}}
}

// TestPlanTogether: several changes are one.
func TestPlanTogether(t *testing.T) {
	for _, c := range []struct {
		name    string
		by      store.UserID
		changes []Change
		want    string
	}{
		{"hand over and leave", 1, []Change{SetRole{5, store.RoleOwner}, Remove{[]store.UserID{1}}},
			"role 1 administrator, role 5 owner, leave 1"},
		{"rights go with the role", 1, []Change{SetRole{5, store.RoleOwner}, Dissolve{}}, "denied"},
		{"rights go with the membership", 1, []Change{Remove{[]store.UserID{1}}, Rename{"x"}}, "not found"},
		{"nothing after the end", 1, []Change{Dissolve{}, Rename{"x"}}, "dissolve"},
		{"out and in again", 1, []Change{Remove{[]store.UserID{5}}, Add{[]store.UserID{5}, 0}}, "kick 5, join 5"},
		{"in and out again", 1, []Change{Add{[]store.UserID{8}, 0}, Remove{[]store.UserID{8}}}, "join 8, kick 8"},
		{"all or nothing", 2, []Change{Rename{"x"}, Dissolve{}}, "denied"},
		{"nobody comes into a group that is too large", 1,
			[]Change{SetPolicy{store.GroupPolicy{MaxMembers: 3}}, Add{[]store.UserID{4}, 0}}, "policy"},
		{"room by policy", 1, []Change{SetPolicy{store.GroupPolicy{MaxMembers: 8}}, Add{[]store.UserID{8, 9}, 0}}, "denied"},
	} {
		got, err := plan(tableGroup(store.GroupManual), tableConditions(), as(c.by), c.changes)
		if outline(got, err) != c.want {
			t.Errorf("%s: %s, want %s", c.name, outline(got, err), c.want)
		}
		for _, u := range got.Remove {
			if tableGroup(store.GroupManual).roleOf(u) == 0 {
				t.Errorf("%s: removes %d, who was not there", c.name, u)
			}
		}
	}
}

// TestPlanRecords: what is stored of members and record.
func TestPlanRecords(t *testing.T) {
	got, err := plan(tableGroup(store.GroupManual), tableConditions(), as(1), []Change{
		SetRole{5, store.RoleOwner}, Add{[]store.UserID{9, 8}, 0}, Remove{[]store.UserID{3}}, Pin{12, true}, Announce{"早"},
		SetPolicy{store.GroupPolicy{History: 30}},
	})
	if err == nil {
		t.Fatal("an administrator changed the policy")
	}
	got, err = plan(tableGroup(store.GroupManual), tableConditions(), as(1), []Change{
		SetPolicy{store.GroupPolicy{History: 30}},
		SetRole{5, store.RoleOwner}, Add{[]store.UserID{9, 8}, 0}, Remove{[]store.UserID{4}}, Pin{12, true}, Announce{"早"},
	})
	if err != nil {
		t.Fatal(err)
	}
	set := []store.Member{
		{User: 1, Role: store.RoleAdministrator, Joined: noon.Add(-9 * time.Hour)},
		{User: 5, Role: store.RoleOwner, Joined: noon.Add(-5 * time.Hour), Nickname: "五"},
		{User: 8, Role: store.RoleMember, Joined: noon},
		{User: 9, Role: store.RoleMember, Joined: noon},
	}
	if !reflect.DeepEqual(got.Set, set) || !slices.Equal(got.Remove, []store.UserID{4}) || got.Backlog != 30 {
		t.Errorf("set %+v, remove %v, backlog %d", got.Set, got.Remove, got.Backlog)
	}
	if !slices.Equal(got.Group.Pinned, []int64{12, 11}) || *got.Group.Announcement != (store.Announcement{Text: "早", By: 1, At: noon}) {
		t.Errorf("the record is %+v", got.Group)
	}
	for i, e := range got.Events {
		if e.Version != 41+int64(i) || e.By != 1 || !e.At.Equal(noon) {
			t.Errorf("event %+v", e)
		}
	}
	if got.Group.Version != 40 {
		t.Errorf("the change is of version %d", got.Group.Version)
	}
}

func TestPinsAreBounded(t *testing.T) {
	g := tableGroup(store.GroupManual)
	g.Pinned = make([]int64, maxPinned)
	if got, err := plan(g, tableConditions(), as(1), []Change{Pin{12, true}}); outline(got, err) != "denied" {
		t.Errorf("one more than the limit: %s", outline(got, err))
	}
}

package group

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sparkleim/sparkle/store"
)

// FuzzChanges reads a sequence of things that people, administrators and the tree
// do to a few groups, and checks after each of them that the rules hold and that
// the store has what memory has.
func FuzzChanges(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x01\x01\x03\x03\x01\x02"))
	f.Add([]byte{0, 0, 7, 2, 1, 7, 4, 2, 7, 3, 1, 7, 3, 2, 7, 3, 3, 7, 14, 0, 0, 16, 3, 1, 17, 4, 0})
	f.Add([]byte{20, 5, 3, 1, 6, 4, 2, 6, 9, 9, 1, 5, 16, 2, 1, 14, 1, 9, 14, 1, 9, 3, 6, 6, 13, 9, 0})
	f.Fuzz(history)
}

// TestRandomHistories makes long scripts of what is worth doing.
func TestRandomHistories(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 60 {
		script := make([]byte, 3*150)
		for i := range script {
			script[i] = byte(rnd.IntN(256))
			if i%3 == 0 {
				script[i] %= 28
			}
		}
		history(t, script)
	}
}

// history plays a script.
func history(t *testing.T, script []byte) {
	w := newWorld(t, 8, func(c *Config) {
		c.MaxMembers, c.MaxGroups = 5, 4
		c.Defaults.MentionAll = store.RoleMember
	})
	w.unit(1, 0, zhang)
	w.unit(2, 1, li)
	w.make(as(zhang), store.Group{Subject: "手动"}, li, wang)
	w.make(organisation, store.Group{Kind: store.GroupFixed, Follows: &store.Follows{Unit: 1, SubUnits: true, Orphan: orphanConvert}})
	for len(script) >= 3 {
		before := len(w.events)
		play(t, w, script[0], script[1], script[2])
		script = script[3:]
		w.pass(time.Minute)
		for _, e := range w.events[before:] {
			checkRules(t, e.After)
		}
	}
	checkEvents(t, w.events)
	checkStored(t, w)
}

// play does one thing: what, who does it (0: the organisation), and to whom.
func play(t *testing.T, w *world, what, who, whom byte) {
	by := Actor{User: store.UserID(who % 9)}
	by.System = by.User == 0
	u := store.UserID(whom%9 + 1) // 9 has no account
	var err error
	switch what {
	case 20, 21, 22:
		kind := [...]store.GroupKind{store.GroupManual, "", store.GroupPair}[what-20]
		_, err = w.Create(t.Context(), by, store.Group{Kind: kind, Subject: "x"}, []store.UserID{u, store.UserID(who/9%8 + 1)})
	case 23:
		_, err = w.Create(t.Context(), by, store.Group{}, []store.UserID{u, store.UserID(who/9%8 + 1)})
	case 24:
		unit := store.UnitID(whom % 3)
		w.store.people[unitUser{unit, u}] = store.UnitMember{Unit: unit, User: u, Hidden: whom > 200}
		err = w.Follow(t.Context())
	case 25:
		delete(w.store.people, unitUser{store.UnitID(who % 3), u})
		err = w.Follow(t.Context())
	case 26:
		delete(w.store.units, store.UnitID(whom%3))
		err = w.Follow(t.Context())
	case 27:
		err = w.UserRemoved(t.Context(), u)
		delete(w.store.users, u)
		for unit := range store.UnitID(3) {
			delete(w.store.people, unitUser{unit, u})
		}
	default:
		groups := w.All()
		if len(groups) == 0 {
			return
		}
		g := groups[int(whom)/16%len(groups)]
		_, err = w.Change(t.Context(), by, g.ID, changeOf(w, g, what, who, u))
	}
	var denied *Denied
	if err != nil && !errors.As(err, &denied) && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrInvalid) {
		t.Fatal(err)
	}
	if errors.As(err, &denied) && denied.Text == "" {
		t.Fatal("refused without words")
	}
}

// changeOf is one of all changes.
func changeOf(w *world, g *Snapshot, what, who byte, u store.UserID) Change {
	switch what % 16 {
	case 0:
		return Rename{fmt.Sprint("名", who)}
	case 1, 2:
		return Add{Users: []store.UserID{u, u%8 + 1}}
	case 3, 4:
		return Remove{[]store.UserID{u}}
	case 5, 6:
		return SetRole{u, store.Role(who/9%3 + 1)}
	case 7:
		return SetNickname{u, fmt.Sprint("名", who)}
	case 8:
		return Mute{u, noon.Add(time.Duration(who) * time.Minute)}
	case 9:
		return MuteAll{who > 50}
	case 10:
		return Announce{fmt.Sprint(who)}
	case 11:
		return Pin{w.store.write(g.ID, u), true}
	case 12:
		return SetPicture{fmt.Sprint(who)}
	case 13:
		return SetPolicy{store.GroupPolicy{Invite: store.Role(who % 4), Rename: store.Role(who / 4 % 4), Speak: store.RoleNobody}}
	case 14:
		return Convert{}
	}
	return Dissolve{}
}

// checkRules checks what is true of every group at any time.
func checkRules(t *testing.T, g *Snapshot) {
	t.Helper()
	owners := 0
	seen := map[store.UserID]bool{}
	for _, m := range g.Members() {
		if seen[m.User] {
			t.Fatalf("%d is twice in group %d", m.User, g.ID)
		}
		seen[m.User] = true
		if m.Role == store.RoleOwner {
			owners++
			if m.User != g.Owner() {
				t.Fatalf("%d owns group %d, and %d is said to", m.User, g.ID, g.Owner())
			}
		}
		if m.Role < store.RoleMember || m.Role > store.RoleOwner || m.Joined.IsZero() || utf8.RuneCountInString(m.Nickname) > maxSubject {
			t.Fatalf("group %d has the member %+v", g.ID, m)
		}
	}
	switch {
	case len(seen) != g.Size() || g.Size() > 5:
		t.Fatalf("group %d has %d members and says %d", g.ID, len(seen), g.Size())
	case owners > 1, owners == 0 && g.Owner() != 0:
		t.Fatalf("group %d has %d owners", g.ID, owners)
	case owners == 0 && g.Size() > 0 && g.Kind != store.GroupFixed:
		t.Fatalf("nobody owns the %s group %d of %v", g.Kind, g.ID, users(g))
	case g.Size() == 0 && g.Dissolved == nil && g.Kind != store.GroupFixed:
		t.Fatalf("nobody is in group %d", g.ID)
	case g.Kind == store.GroupPair && g.Size() != 2:
		t.Fatalf("%d are in a room of two", g.Size())
	case (g.Kind == store.GroupFixed) != (g.Follows != nil):
		t.Fatalf("a %s group follows %v", g.Kind, g.Follows)
	case len(g.Pinned) > maxPinned, g.Subject == "" && g.Kind == store.GroupFixed:
		t.Fatalf("the record is %+v", g.Group)
	}
}

// checkStored compares memory with the store, and the ways to find a group with
// each other.
func checkStored(t *testing.T, w *world) {
	t.Helper()
	live := 0
	for id, k := range w.store.groups {
		g, there := w.ByID(id)
		if there != (k.record.Dissolved == nil) {
			t.Fatalf("group %d: in memory %v, stored %+v", id, there, k.record)
		}
		if !there {
			continue
		}
		live++
		if g.Version != k.record.Version || len(k.members) != g.Size() || k.record.Kind != g.Kind {
			t.Fatalf("group %d: %+v in memory, %+v stored", id, g.Group, k.record)
		}
		for _, m := range g.Members() {
			if k.members[m.User] != m || !slices.Contains(w.Of(m.User), g) {
				t.Fatalf("group %d: %+v in memory, %+v stored", id, m, k.members[m.User])
			}
		}
		byName, _ := w.Find(g.Name)
		byConversation, _ := w.ByConversation(g.Conversation)
		if byName != g || byConversation != g {
			t.Fatalf("group %d is not found", id)
		}
	}
	if len(w.All()) != live {
		t.Fatalf("%d groups in memory, %d stored", len(w.All()), live)
	}
	made := map[store.UserID]int{}
	for _, g := range w.All() {
		if counts(g) {
			made[g.CreatedBy]++
		}
	}
	for u := store.UserID(1); u <= 9; u++ {
		if w.index.made[u] != made[u] || made[u] > 4 {
			t.Fatalf("%d has made %d groups, counted as %d", u, made[u], w.index.made[u])
		}
		if len(w.index.of(u)) != len(w.Of(u)) {
			t.Fatalf("%d is found in groups that he has left", u)
		}
		for _, g := range w.Of(u) {
			if g.roleOf(u) == 0 {
				t.Fatalf("%d has group %d and is not in it", u, g.ID)
			}
		}
	}
}

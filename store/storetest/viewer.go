package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// found are the texts that a user finds.
func (f *fixture) found(u store.User, q store.SearchQuery) []string {
	f.t.Helper()
	q.Viewer = u.ID
	r, err := f.Search(f.t.Context(), q)
	f.must(err)
	if r.Partial {
		f.t.Errorf("search of %s: cut short", u.Username)
	}
	return bodies(r.Messages)
}

func testViewerSearch(t *testing.T, f *fixture) {
	alice, bob, eve := f.user("alice"), f.user("bob"), f.user("eve")
	g := f.group("team", alice)
	f.append(say(alice.ID, g, "word 1 before bob"))
	f.change(&g, store.GroupChange{Set: []store.Member{member(bob)}})
	seen := f.append(say(alice.ID, g, "word 2 with bob"))
	f.append(say(bob.ID, g, "word 3 by bob"))
	f.change(&g, store.GroupChange{Remove: []store.UserID{bob.ID}})
	gone := f.append(say(alice.ID, g, "word 4 without bob"))
	told := f.append(text(alice.ID, bob.ID, "word 5"))
	f.append(text(alice.ID, eve.ID, "word 6"))
	last := f.append(text(bob.ID, alice.ID, "word 7"))
	about := receipt(bob.ID, alice.ID)
	about.Text = "word 8"
	f.append(about)
	word := store.SearchQuery{Text: "word"}
	f.wantTexts("alice", f.found(alice, word), "word 7", "word 6", "word 5", "word 4 without bob", "word 3 by bob", "word 2 with bob", "word 1 before bob")
	f.wantTexts("bob", f.found(bob, word), "word 7", "word 5", "word 3 by bob", "word 2 with bob")
	f.wantTexts("eve", f.found(eve, word), "word 6")
	f.wantTexts("nobody", f.found(store.User{ID: 99}, word))
	for name, c := range map[string]struct {
		q    store.SearchQuery
		want []string
	}{
		"his group":        {store.SearchQuery{Text: "word", Group: g.ID}, []string{"word 3 by bob", "word 2 with bob"}},
		"his peer":         {store.SearchQuery{Text: "word", User: bob.ID, Peer: alice.ID}, []string{"word 7", "word 5"}},
		"others":           {store.SearchQuery{Text: "word", User: alice.ID, Peer: eve.ID}, nil},
		"others, by kind":  {store.SearchQuery{Text: "word", User: alice.ID, Peer: eve.ID, Kind: store.KindText}, nil},
		"receipts":         {store.SearchQuery{Kind: store.KindReceipt}, nil},
		"everything":       {store.SearchQuery{}, []string{"word 7", "word 5", "word 3 by bob", "word 2 with bob"}},
		"page after page":  {store.SearchQuery{Text: "word", Before: told.GID, Limit: 1}, []string{"word 3 by bob"}},
		"what he lacks":    {store.SearchQuery{Text: "without"}, nil},
		"before his time":  {store.SearchQuery{Text: "before"}, nil},
		"from a strange g": {store.SearchQuery{Text: "word", Group: 99}, nil},
	} {
		f.wantTexts(name, f.found(bob, c.q), c.want...)
	}
	ctx := t.Context()
	f.must(f.HideMessage(ctx, bob.ID, last.GID))
	f.decide(bob, seen.Conversation, store.StateChange{ClearedSeq: &seen.Seq})
	f.wantTexts("without what he hid or cleared", f.found(bob, word), "word 5", "word 3 by bob")
	f.wantTexts("the other", f.found(alice, word)[:1], "word 7")
	all := []int64{last.GID, gone.GID, told.GID, 99, seen.GID}
	ms, err := f.MessagesOf(ctx, bob.ID, all)
	f.must(err)
	f.wantTexts("of some messages those of bob", bodies(ms), "word 5")
	ms, err = f.MessagesOf(ctx, alice.ID, all)
	f.must(err)
	f.wantTexts("and those of alice", bodies(ms), "word 7", "word 4 without bob", "word 5", "word 2 with bob")
}

// testViewerPaging compares what users find, page after page, with what they see.
func testViewerPaging(t *testing.T, f *fixture) {
	var users []store.User
	for i := range 4 {
		users = append(users, f.user(fmt.Sprint("u", i)))
	}
	groups := []store.Group{f.group("a", users[0], users[1]), f.group("b", users[1], users[2])}
	words := []string{"会议", "午饭", "会议午饭"}
	var all sync.WaitGroup
	for i := range 600 {
		from, to := users[rand.IntN(4)].ID, users[rand.IntN(4)].ID
		s := fmt.Sprint(words[rand.IntN(3)], i)
		m := text(from, to, s)
		if g := rand.IntN(4); g < 2 {
			m = say(from, groups[g], s)
		}
		all.Add(1)
		f.Append(m, func(store.Accepted, error) { all.Done() })
	}
	all.Wait()
	for _, u := range users {
		var want []store.Message
		for _, row := range f.list(u) {
			ms, err := f.MessagesBefore(t.Context(), u.ID, row.Conversation, 0, 1000)
			f.must(err)
			want = append(want, ms...)
		}
		want = slices.DeleteFunc(want, func(m store.Message) bool { return string(m.Body[:6]) != "会议" })
		slices.SortFunc(want, func(a, b store.Message) int { return cmp.Compare(b.GID, a.GID) })
		var got []store.Message
		for before := int64(0); ; {
			r, err := f.Search(t.Context(), store.SearchQuery{Viewer: u.ID, Text: "会议", Before: before, Limit: 7})
			f.must(err)
			got = append(got, r.Messages...)
			if len(r.Messages) < 7 {
				break
			}
			before = r.Messages[6].GID
		}
		if len(want) == 0 || fmt.Sprint(bodies(got)) != fmt.Sprint(bodies(want)) {
			t.Errorf("%s finds %d messages, sees %d", u.Username, len(got), len(want))
		}
	}
}

func testWatch(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	g := f.group("team", alice)
	var mu sync.Mutex
	var got store.Changed
	behind := false
	f.Watch(func(c store.Changed) {
		mu.Lock()
		defer mu.Unlock()
		got.Users, got.Groups = append(got.Users, c.Users...), append(got.Groups, c.Groups...)
	})
	f.Watch(func(store.Changed) { // the present is what it was told of
		page, err := f.SyncConversations(ctx, alice.ID, 0, 10)
		mu.Lock()
		defer mu.Unlock()
		behind = behind || err != nil || len(page.Rows) == 0
	})
	a := f.append(text(alice.ID, bob.ID, "hello"))
	for _, c := range []struct {
		name   string
		do     func()
		users  []store.User
		groups []store.GroupID
	}{
		{"a message", func() { f.append(text(alice.ID, bob.ID, "1")) }, []store.User{alice, bob}, nil},
		{"a note", func() { f.append(text(carol.ID, carol.ID, "1")) }, []store.User{carol}, nil},
		{"a group", func() { f.append(say(alice.ID, g, "1")) }, nil, []store.GroupID{g.ID}},
		{"a receipt", func() { f.append(receipt(bob.ID, alice.ID)) }, nil, nil},
		{"a member", func() { f.change(&g, store.GroupChange{Set: []store.Member{member(carol)}}) }, []store.User{carol}, nil},
		{"a decision", func() { f.decide(bob, a.Conversation, store.StateChange{ReadSeq: &a.Seq}) }, []store.User{bob}, nil},
		{"no decision", func() { f.decide(bob, a.Conversation, store.StateChange{ReadSeq: &a.Seq}) }, nil, nil},
		{"hiding", func() { f.must(f.HideMessage(ctx, alice.ID, a.GID)) }, []store.User{alice}, nil},
		{"reading", func() { f.ReadUpTo(alice.ID, a.Conversation, 1) }, []store.User{alice}, nil},
	} {
		mu.Lock()
		got = store.Changed{}
		mu.Unlock()
		c.do()
		var want []store.UserID
		for _, u := range c.users {
			want = append(want, u.ID)
		}
		changed := eventually(f, func() (store.Changed, bool) {
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(got.Users)
			got.Users = slices.Compact(got.Users)
			return got, len(got.Users) >= len(want) && len(got.Groups) >= len(c.groups)
		})
		if !slices.Equal(changed.Users, want) || !slices.Equal(changed.Groups, c.groups) {
			t.Errorf("%s: told of users %v and groups %v, want %v and %v", c.name, changed.Users, changed.Groups, want, c.groups)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if behind {
		t.Error("told before it could be read")
	}
}

package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// lines describes rows as "text" of the last message, with what is unread and
// what of it is mentions.
func describe(rows []store.ConversationRow) []string {
	var out []string
	for _, r := range rows {
		s := "-"
		if r.Last != nil {
			s = r.Last.Text
		}
		if r.UnreadCount > 0 {
			s += fmt.Sprintf(" (%d/%d)", r.UnreadCount, r.Mentions)
		}
		out = append(out, s)
	}
	return out
}

func (f *fixture) list(u store.User) []store.ConversationRow {
	f.t.Helper()
	rows, err := f.ListConversations(f.t.Context(), u.ID, nil, 100)
	f.must(err)
	return rows
}

func (f *fixture) row(u store.User, c store.ConversationID) store.ConversationRow {
	f.t.Helper()
	row, err := f.ConversationOf(f.t.Context(), u.ID, c)
	f.must(err)
	return row
}

func (f *fixture) decide(u store.User, c store.ConversationID, s store.StateChange) store.ConversationRow {
	f.t.Helper()
	row, err := f.ChangeConversation(f.t.Context(), u.ID, c, s)
	f.must(err)
	return row
}

func testList(t *testing.T, f *fixture) {
	ctx := t.Context()
	me := f.user("me")
	var convs []store.ConversationID
	for i := range 5 {
		peer := f.user(fmt.Sprint("peer", i))
		a := f.append(text(peer.ID, me.ID, fmt.Sprint("old ", i)))
		f.append(text(me.ID, peer.ID, fmt.Sprint("to ", i)))
		f.append(receipt(peer.ID, me.ID))
		convs = append(convs, a.Conversation)
		if got, err := f.ConversationWith(ctx, peer.ID, me.ID); err != nil || got != a.Conversation {
			t.Errorf("conversation with %s: %d, %v", peer.Username, got, err)
		}
	}
	f.append(text(me.ID, me.ID, "note"))
	f.wantTexts("newest first", describe(f.list(me)), "note", "to 4", "to 3", "to 2", "to 1", "to 0")
	yes, no := true, false
	f.decide(me, convs[1], store.StateChange{Pinned: &yes})
	f.decide(me, convs[3], store.StateChange{Hidden: &yes})
	want := []string{"to 1", "note", "to 4", "to 2", "to 0"}
	f.wantTexts("pinned and hidden", describe(f.list(me)), want...)
	var got []string
	var before *store.ConversationRow
	for {
		rows, err := f.ListConversations(ctx, me.ID, before, 2)
		f.must(err)
		if len(rows) == 0 {
			break
		}
		got = append(got, describe(rows)...)
		before = &rows[len(rows)-1]
	}
	f.wantTexts("page by page", got, want...)
	f.append(text(me.ID, 4+me.ID, "again")) // to peer3
	f.decide(me, convs[1], store.StateChange{Pinned: &no})
	f.wantTexts("what is new comes back", describe(f.list(me)), "again", "note", "to 4", "to 2", "to 1", "to 0")
	if _, err := f.ConversationWith(ctx, me.ID, 99); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("with nobody: %v", err)
	}
}

func testConversationState(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	var a store.Accepted
	for i := range 5 {
		a = f.append(text(alice.ID, bob.ID, fmt.Sprint(i)))
	}
	c := a.Conversation
	seq := func(n int64) *int64 { return &n }
	mode := func(m store.MuteMode) *store.MuteMode { return &m }
	yes := true
	row := f.decide(bob, c, store.StateChange{ReadSeq: seq(3), Unread: &yes, Labels: []string{"work", "现场"}, Mute: mode(store.MuteMentions)})
	if s := row.State; s.ReadSeq != 3 || !s.Unread || !slices.Equal(s.Labels, []string{"work", "现场"}) || s.Mute != store.MuteMentions || row.UnreadCount != 2 {
		t.Errorf("row %+v", row)
	}
	row = f.decide(bob, c, store.StateChange{ReadSeq: seq(1)})
	if row.State.ReadSeq != 3 || row.State.Unread {
		t.Errorf("after reading something older: %+v", row.State)
	}
	same := f.decide(bob, c, store.StateChange{ReadSeq: seq(2)})
	if same.Changed != row.Changed {
		t.Errorf("nothing changed, but the stamp: %d after %d", same.Changed, row.Changed)
	}
	if row = f.decide(bob, c, store.StateChange{ReadSeq: seq(99)}); row.State.ReadSeq != 5 || row.UnreadCount != 0 {
		t.Errorf("beyond the end: %+v", row)
	}
	future, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	if row = f.decide(bob, c, store.StateChange{Mute: mode(store.MuteAll), MuteUntil: &future}); row.State.Mute != store.MuteAll || row.State.MuteUntil == nil {
		t.Errorf("muted: %+v", row.State)
	}
	if row = f.decide(bob, c, store.StateChange{MuteUntil: &past}); row.State.Mute != store.MuteNone {
		t.Errorf("after the time: %+v", row.State)
	}
	row = f.decide(bob, c, store.StateChange{ClearedSeq: seq(4)})
	f.wantTexts("after clearing", describe([]store.ConversationRow{row}), "4")
	ms, err := f.MessagesBefore(t.Context(), bob.ID, c, 0, 10)
	f.must(err)
	f.wantTexts("what is left", bodies(ms), "4")
	f.wantTexts("the other's", describe([]store.ConversationRow{f.row(alice, c)}), "4")
	f.ReadUpTo(alice.ID, c, 4)
	f.ReadUpTo(alice.ID, c, 2)
	readers := eventually(f, func() (map[store.UserID]int64, bool) {
		r, err := f.ReadBy(t.Context(), c)
		f.must(err)
		return r, len(r) == 2
	})
	if want := map[store.UserID]int64{alice.ID: 4, bob.ID: 5}; !maps.Equal(readers, want) {
		t.Errorf("read by %v, want %v", readers, want)
	}
	for name, change := range map[string]store.StateChange{"mute": {Mute: mode("loud")}, "label": {Labels: []string{"a\nb"}}} {
		if _, err := f.ChangeConversation(t.Context(), bob.ID, c, change); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testUnread(t *testing.T, f *fixture) {
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	g := f.group("team", alice, bob, carol)
	speak := func(u store.User, s string, mentions ...store.UserID) store.Accepted {
		m := say(u.ID, g, s)
		m.Mentions = mentions
		return f.append(m)
	}
	expect := func(what string, want ...string) {
		t.Helper()
		var got []string
		for _, u := range []store.User{alice, bob, carol} {
			got = append(got, describe([]store.ConversationRow{f.row(u, g.Conversation)})...)
		}
		f.wantTexts(what, got, want...)
	}
	speak(alice, "1")
	speak(alice, "2", bob.ID)
	expect("after two", "2", "2 (2/1)", "2 (2/0)")
	all := speak(carol, "3", 0, bob.ID)
	expect("after all were addressed", "3 (1/1)", "3 (3/2)", "3")
	f.change(&g, store.GroupChange{Notices: []store.NewMessage{notice(g, "n")}})
	expect("a notice is not unread", "n (1/1)", "n (3/2)", "n")
	f.decide(bob, g.Conversation, store.StateChange{ReadSeq: &all.Seq})
	speak(alice, "4")
	expect("who has read", "4", "4 (1/0)", "4 (1/0)")
	for i := range store.MaxUnread + 10 {
		f.Append(say(alice.ID, g, fmt.Sprint(i)), func(store.Accepted, error) {})
	}
	speak(alice, "end")
	expect("more than is counted", "end", "end (1000/0)", "end (1000/0)")
	speak(bob, "answer")
	expect("who answers has read", "answer (1/0)", "answer", "answer (1000/0)")
	reaction := say(carol.ID, g, "👍")
	reaction.Text = ""
	f.append(reaction)
	expect("a reaction is not listed and not unread, and who reacts has read", "answer (1/0)", "answer", "answer")
}

// testSync lets devices sync now and then, in pages of some size, while things
// happen: what they have put together is what the rows are.
func testSync(t *testing.T, f *fixture) {
	ctx := t.Context()
	me, other := f.user("me"), f.user("other")
	g := f.group("team", other)
	known := make(map[store.ConversationID]store.ConversationRow)
	since := int64(0)
	sync := func(limit int) (rows int) {
		for {
			page, err := f.SyncConversations(ctx, me.ID, since, limit)
			f.must(err)
			for _, r := range page.Rows {
				if r.Changed <= since {
					t.Errorf("conversation %d changed at %d, not after %d", r.Conversation, r.Changed, since)
				}
				known[r.Conversation] = r
			}
			rows += len(page.Rows)
			since = page.Next
			if !page.More {
				return rows
			}
		}
	}
	var peers []store.User
	for i := range 5 {
		peers = append(peers, f.user(fmt.Sprint("peer", i)))
	}
	inside := false
	for round := range 150 {
		peer := peers[rand.IntN(len(peers))]
		switch rand.IntN(7) {
		case 0:
			f.append(text(peer.ID, me.ID, fmt.Sprint("from ", round)))
		case 1:
			f.append(text(me.ID, peer.ID, fmt.Sprint("to ", round)))
		case 2:
			f.append(text(peer.ID, other.ID, "not mine"))
		case 3:
			f.append(say(other.ID, g, fmt.Sprint("group ", round)))
		case 4:
			change := store.GroupChange{Set: []store.Member{member(me)}, Backlog: 1}
			if inside {
				change = store.GroupChange{Remove: []store.UserID{me.ID}}
			}
			f.change(&g, change)
			inside = !inside
		case 5:
			for c, r := range known {
				head := rand.Int64N(r.HeadSeq + 1)
				f.decide(me, c, store.StateChange{ReadSeq: &head})
				break
			}
		case 6:
			sync(1 + rand.IntN(3))
		}
	}
	sync(2)
	if n := sync(10); n != 0 {
		t.Errorf("%d rows although nothing changed", n)
	}
	if stamp := f.SyncStamp(); stamp != since {
		t.Errorf("the present is %d, synced up to %d", stamp, since)
	}
	for _, r := range f.list(me) {
		if got := known[r.Conversation]; fmt.Sprint(describe([]store.ConversationRow{got}), got.State, got.Left, got.HeadSeq, got.Changed) !=
			fmt.Sprint(describe([]store.ConversationRow{r}), r.State, r.Left, r.HeadSeq, r.Changed) {
			t.Errorf("synced %+v, it is %+v", got, r)
		}
		delete(known, r.Conversation)
	}
	if len(known) > 0 {
		t.Errorf("synced what is not in the list: %+v", known)
	}
}

func testGroupConversations(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob := f.user("alice"), f.user("bob")
	g := f.group("team", alice)
	speak := func(s string) store.Accepted { return f.append(say(alice.ID, g, s)) }
	speak("0")
	f.wantTexts("before he comes", describe(f.list(bob)))
	f.change(&g, store.GroupChange{Set: []store.Member{member(bob)}})
	f.wantTexts("a group in which nothing was said", describe(f.list(bob)), "-")
	speak("1")
	speak("2")
	if row := f.list(bob)[0]; row.Group != g.ID || row.Left || row.HeadSeq != 3 || row.UnreadCount != 2 {
		t.Errorf("row %+v", row)
	}
	f.change(&g, store.GroupChange{Remove: []store.UserID{bob.ID}})
	speak("3")
	if row := f.list(bob)[0]; !row.Left || row.HeadSeq != 3 || row.Last.Text != "2" {
		t.Errorf("after he went: %+v", row)
	}
	f.change(&g, store.GroupChange{Set: []store.Member{member(bob)}})
	speak("4")
	speak("5")
	row := f.row(bob, g.Conversation)
	if row.UnreadCount != 4 || row.Left {
		t.Errorf("after he came back: %+v", row)
	}
	before := func(seq int64, limit int) []string {
		ms, err := f.MessagesBefore(ctx, bob.ID, g.Conversation, seq, limit)
		f.must(err)
		return bodies(ms)
	}
	f.wantTexts("newest first", before(0, 10), "5", "4", "2", "1")
	f.wantTexts("a page", before(6, 2), "4", "2")
	ms, err := f.MessagesAfter(ctx, bob.ID, g.Conversation, 2, 2)
	f.must(err)
	f.wantTexts("oldest first", bodies(ms), "2", "4")
	two := int64(2)
	f.wantTexts("read in between", describe([]store.ConversationRow{f.decide(bob, g.Conversation, store.StateChange{ReadSeq: &two})}), "5 (3/0)")
}

func testHiddenAndStars(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob := f.user("alice"), f.user("bob")
	var sent []store.Accepted
	for i := range 5 {
		sent = append(sent, f.append(text(alice.ID, bob.ID, fmt.Sprint(i))))
	}
	c := sent[0].Conversation
	stamp := f.SyncStamp()
	f.must(f.HideMessage(ctx, bob.ID, sent[4].GID))
	f.must(f.HideMessage(ctx, bob.ID, sent[2].GID))
	f.must(f.HideMessage(ctx, bob.ID, sent[2].GID))
	page, err := f.SyncConversations(ctx, bob.ID, stamp, 10)
	f.must(err)
	f.wantTexts("his row", describe(page.Rows), "3 (3/0)")
	ms, err := f.MessagesBefore(ctx, bob.ID, c, 0, 3)
	f.must(err)
	f.wantTexts("his messages", bodies(ms), "3", "1", "0")
	f.wantTexts("the other's row", describe([]store.ConversationRow{f.row(alice, c)}), "4")

	at := time.UnixMilli(1_700_000_000_000).UTC()
	for _, i := range []int{3, 0, 1} {
		f.must(f.SetStar(ctx, bob.ID, store.Star{GID: sent[i].GID, At: at, Note: "n"}, true))
	}
	f.must(f.SetStar(ctx, bob.ID, store.Star{GID: sent[1].GID, At: at, Note: "later"}, true))
	f.must(f.SetStar(ctx, bob.ID, store.Star{GID: sent[0].GID}, false))
	stars, err := f.Stars(ctx, bob.ID, 0, 10)
	f.must(err)
	if want := []store.Star{{GID: sent[3].GID, At: at, Note: "n"}, {GID: sent[1].GID, At: at, Note: "later"}}; !slices.Equal(stars, want) {
		t.Errorf("stars %+v, want %+v", stars, want)
	}
	stars, err = f.Stars(ctx, bob.ID, sent[3].GID, 10)
	f.must(err)
	if len(stars) != 1 {
		t.Errorf("older stars %+v", stars)
	}
	if stars, err = f.Stars(ctx, alice.ID, 0, 10); err != nil || len(stars) != 0 {
		t.Errorf("another's stars %+v, %v", stars, err)
	}
}

// testStrangers: what one may not see does not exist for him.
func testStrangers(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob, eve := f.user("alice"), f.user("bob"), f.user("eve")
	g := f.group("team", alice)
	said := f.append(say(alice.ID, g, "secret"))
	told := f.append(text(alice.ID, bob.ID, "secret"))
	about := f.append(receipt(alice.ID, eve.ID))
	f.change(&g, store.GroupChange{Set: []store.Member{member(bob)}})
	seq := int64(1)
	for _, c := range []store.ConversationID{said.Conversation, told.Conversation, about.Conversation, 99} {
		_, row := f.ConversationOf(ctx, eve.ID, c)
		_, changed := f.ChangeConversation(ctx, eve.ID, c, store.StateChange{ReadSeq: &seq})
		_, before := f.MessagesBefore(ctx, eve.ID, c, 0, 10)
		_, after := f.MessagesAfter(ctx, eve.ID, c, 0, 10)
		for i, err := range []error{row, changed, before, after} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("conversation %d, door %d: %v", c, i, err)
			}
		}
	}
	for u, gids := range map[store.UserID][]int64{eve.ID: {said.GID, told.GID, 99}, bob.ID: {said.GID}} {
		for _, gid := range gids {
			if err := f.HideMessage(ctx, u, gid); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("user %d hid %d: %v", u, gid, err)
			}
			if err := f.SetStar(ctx, u, store.Star{GID: gid}, true); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("user %d starred %d: %v", u, gid, err)
			}
		}
	}
	f.ReadUpTo(eve.ID, said.Conversation, 1)
	f.ReadUpTo(bob.ID, told.Conversation, 99)
	f.ReadUpTo(bob.ID, told.Conversation+1000, 1)
	f.ReadUpTo(alice.ID, said.Conversation, 1) // written with the others
	readers := eventually(f, func() (map[store.UserID]int64, bool) {
		r, err := f.ReadBy(ctx, said.Conversation)
		f.must(err)
		return r, len(r) > 0
	})
	if readers[eve.ID] != 0 {
		t.Errorf("read by %v", readers)
	}
	if row := f.row(bob, told.Conversation); row.State.ReadSeq != 0 || row.UnreadCount != 1 {
		t.Errorf("read beyond the end: %+v", row)
	}
	if page, err := f.SyncConversations(ctx, eve.ID, 0, 10); err != nil || len(page.Rows) != 0 {
		t.Errorf("synced %+v, %v", page, err)
	}
	f.wantTexts("the list", describe(f.list(eve)))
}

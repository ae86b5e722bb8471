package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

func testGroupMessages(t *testing.T, f *fixture) {
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	a1, a2, b, c := f.device(alice, "a1"), f.device(alice, "a2"), f.device(bob, "b"), f.device(carol, "c")
	g, other := f.group("team", alice, bob), f.group("other", carol)

	m := say(alice.ID, g, "one")
	m.FromDevice, m.Mentions, m.Dedup = a1.ID, []store.UserID{bob.ID, 0}, [16]byte{1}
	one := f.append(m)
	if one.Seq != 1 || one.Conversation != g.Conversation {
		t.Errorf("at %+v, the group's conversation is %d", one, g.Conversation)
	}
	if again := f.append(m); !again.Duplicate || again.GID != one.GID {
		t.Errorf("a repetition: %+v", again)
	}
	got, err := f.Message(t.Context(), one.GID)
	f.must(err)
	if got.Group != g.ID || got.To != 0 || !slices.Equal(got.Mentions, m.Mentions) {
		t.Errorf("read %+v", got)
	}
	f.append(text(bob.ID, alice.ID, "aside"))
	two := f.append(say(bob.ID, g, "two"))
	f.append(say(carol.ID, other, "elsewhere"))
	f.wantTexts("the sending device", f.pending(a1), "aside", "two")
	f.wantTexts("the sender's other device", f.pending(a2), "one", "aside", "two")
	f.wantTexts("a member", f.pending(b), "one", "aside", "two")
	f.wantTexts("no member", f.pending(c), "elsewhere")

	f.deliver(b, one)
	f.wantTexts("after the first", f.pending(b), "aside", "two")
	f.deliver(b, two)
	f.wantTexts("after both", f.pending(b), "aside")

	r := receipt(bob.ID, alice.ID)
	r.Group = g.ID
	about := f.append(r)
	if got, err := f.Message(t.Context(), about.GID); err != nil || got.Group != g.ID || got.Conversation == g.Conversation {
		t.Errorf("a receipt about a message of the group: %+v, %v", got, err)
	}
	f.wantTexts("the receipt", f.pending(a1), "aside", "two", "<imdn/>")
	for name, m := range map[string]*store.NewMessage{
		"to a user and a group": {Kind: store.KindText, From: alice.ID, To: bob.ID, Group: g.ID},
		"to no group":           {Kind: store.KindText, From: alice.ID, Group: 99},
		"a notice to a user":    {Kind: store.KindNotice, From: alice.ID, To: bob.ID},
		"a receipt to a group":  {Kind: store.KindReceipt, From: alice.ID, Group: g.ID},
	} {
		if _, err := f.tryAppend(m); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// testGroupWindows: what one sees of a group begins when he comes and ends when
// he goes, also for a device that was away all the time.
func testGroupWindows(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	b := f.device(bob, "b")
	g := f.group("team", alice)
	speak := func(s string) { f.append(say(alice.ID, g, s)) }
	speak("before")
	f.wantTexts("before he comes", f.pending(b))
	f.change(&g, store.GroupChange{Set: []store.Member{member(bob)}, Notices: []store.NewMessage{notice(g, "bob came")}})
	speak("inside")
	f.change(&g, store.GroupChange{Remove: []store.UserID{bob.ID}, Notices: []store.NewMessage{notice(g, "bob went")}})
	speak("without him")
	f.wantTexts("after he went", f.pending(b), "bob came", "inside", "bob went")
	f.change(&g, store.GroupChange{Set: []store.Member{member(bob)}})
	speak("again")
	f.wantTexts("after he came back", f.pending(b), "bob came", "inside", "bob went", "again")
	ms, err := f.Pending(t.Context(), bob.ID, b.ID, 2)
	f.must(err)
	f.wantTexts("a page of two", bodies(ms), "bob came", "inside")
	for _, m := range ms {
		f.deliver(b, m.Accepted)
	}
	f.wantTexts("the rest", f.pending(b), "bob went", "again")
	ms, err = f.Pending(t.Context(), bob.ID, b.ID, 10)
	f.must(err)
	f.deliver(b, ms[1].Accepted)
	f.wantTexts("at the end", f.pending(b))
	f.change(&g, store.GroupChange{Remove: []store.UserID{bob.ID}})
	speak("never")
	f.wantTexts("after he went for good", f.pending(b))
}

func testGroupHistory(t *testing.T, f *fixture) {
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	b, c := f.device(bob, "b"), f.device(carol, "c")
	g := f.group("team", alice)
	for i := range 5 {
		f.append(say(alice.ID, g, fmt.Sprint(i)))
	}
	f.wantTexts("before he comes", f.pending(b)) // and the device has everything
	f.change(&g, store.GroupChange{Set: []store.Member{member(bob)}, Backlog: 2, Notices: []store.NewMessage{notice(g, "hello")}})
	f.append(say(alice.ID, g, "5"))
	f.wantTexts("with two from before", f.pending(b), "3", "4", "hello", "5")
	for _, m := range f.pendingMessages(b) {
		f.deliver(b, m.Accepted)
	}
	f.wantTexts("afterwards", f.pending(b))
	f.change(&g, store.GroupChange{Remove: []store.UserID{bob.ID}})
	f.append(say(alice.ID, g, "6"))
	f.append(say(alice.ID, g, "7"))
	f.change(&g, store.GroupChange{Set: []store.Member{member(bob)}, Backlog: 100})
	f.wantTexts("all from before, but not what he has", f.pending(b), "6", "7")
	f.change(&g, store.GroupChange{Remove: []store.UserID{bob.ID}, Set: []store.Member{member(bob)}, Backlog: 9})
	f.wantTexts("removed and set", f.pending(b), "6", "7")
	f.change(&g, store.GroupChange{Set: []store.Member{member(carol)}})
	f.wantTexts("without history", f.pending(c))
	_, ms, err := f.Group(t.Context(), g.ID)
	f.must(err)
	if ms[1].User != bob.ID || ms[1].JoinedSeq != 0 || ms[2].JoinedSeq != 9 {
		t.Errorf("members %+v", ms)
	}
}

func (f *fixture) pendingMessages(d store.Device) []store.Message {
	f.t.Helper()
	ms, err := f.Pending(f.t.Context(), d.User, d.ID, 1000)
	f.must(err)
	return ms
}

// testReplay gives a new device some of what its user has seen before.
func testReplay(t *testing.T, f *fixture) {
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	old := f.device(bob, "old")
	g := f.group("team", alice)
	f.append(say(alice.ID, g, "before he came"))
	f.change(&g, store.GroupChange{Set: []store.Member{member(bob)}})
	for i := range 2 {
		f.append(say(alice.ID, g, fmt.Sprint("group ", i)))
	}
	for i := range 5 {
		f.append(text(carol.ID, bob.ID, fmt.Sprint("carol ", i)))
	}
	own := text(bob.ID, carol.ID, "own")
	own.FromDevice = old.ID
	f.append(own)
	f.append(receipt(carol.ID, bob.ID))
	for _, m := range f.pendingMessages(old) {
		f.deliver(old, m.Accepted)
	}
	start := func(name string, replay int) store.Device {
		d, err := f.TouchDevice(t.Context(), store.Device{User: bob.ID, Instance: "urn:uuid:" + name})
		f.must(err)
		f.must(f.StartCursors(t.Context(), bob.ID, d.ID, replay))
		f.must(f.StartCursors(t.Context(), bob.ID, d.ID, 100))
		return d
	}
	f.wantTexts("none", f.pending(start("none", 0)))
	d := start("three", 3)
	f.wantTexts("three a conversation", f.pending(d), "group 0", "group 1", "carol 3", "carol 4", "own")
	f.append(say(alice.ID, g, "new"))
	for _, m := range f.pendingMessages(d)[:3] {
		f.deliver(d, m.Accepted)
	}
	f.wantTexts("the rest", f.pending(d), "carol 4", "own", "new")
	for _, m := range f.pendingMessages(d) {
		f.deliver(d, m.Accepted)
	}
	f.wantTexts("at the end", f.pending(d))
	f.append(text(carol.ID, bob.ID, "later"))
	f.wantTexts("later", f.pending(d), "later")
}

// testManyGroups has more groups than are looked at one by one.
func testManyGroups(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	old := f.device(bob, "old")
	var want []string
	for i := range 20 {
		g := f.group(fmt.Sprint("g", i), alice, bob)
		want = append(want, fmt.Sprint(i))
		f.append(say(alice.ID, g, want[i]))
	}
	f.wantTexts("all", f.pending(old), want...)
	f.wantTexts("nobody has received them", f.pending(f.device(bob, "new")), want...)
	for _, m := range f.pendingMessages(old)[:15] {
		f.deliver(old, m.Accepted)
	}
	f.wantTexts("after most", f.pending(old), want[15:]...)
	f.wantTexts("what nobody has", f.pending(f.device(bob, "newer")), want[15:]...)
}

func testGroupArchive(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob := f.user("alice"), f.user("bob")
	g, other := f.group("team", alice, bob), f.group("other", alice, bob)
	for i := range 5 {
		m := say(alice.ID, g, fmt.Sprint("会议 ", i))
		m.MessageID = fmt.Sprint("id", i%4)
		f.append(m)
		f.append(say(alice.ID, other, "会议"))
		f.append(text(alice.ID, bob.ID, "会议"))
	}
	r := receipt(bob.ID, alice.ID)
	r.Group = g.ID
	f.append(r)
	found, err := f.Search(ctx, store.SearchQuery{Group: g.ID, Text: "会议", Limit: 2})
	f.must(err)
	f.wantTexts("found", bodies(found.Messages), "会议 4", "会议 3")
	all := 0
	f.must(f.Export(ctx, store.SearchQuery{Group: g.ID}, func(*store.Message) error { all++; return nil }))
	if all != 5 {
		t.Errorf("%d exported", all)
	}
	page, err := f.ConversationPage(ctx, g.Conversation, 3, 5)
	f.must(err)
	f.wantTexts("a page", bodies(page), "会议 1", "会议 0")
	m, err := f.Named(ctx, g.Conversation, "id0")
	f.must(err)
	if m.Text != "会议 0" {
		t.Errorf("the oldest of that name is %q", m.Text)
	}
	if _, err := f.Named(ctx, other.Conversation, "id0"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("in another conversation: %v", err)
	}
}

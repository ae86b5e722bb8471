package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

func testAppend(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	m := &store.NewMessage{
		Kind: store.KindText, From: alice.ID, To: bob.ID, FromDevice: 7, Dedup: [16]byte{1}, CallID: "call@host", MessageID: "mid",
		ContentType: "message/cpim", Encoding: "deflate", Headers: "Subject: 你好\r\n", Body: []byte{0, 1, 2}, Text: "你好",
		TraceID: "trace", Source: "tls 192.0.2.1:5061 Phone/1",
	}
	a := f.append(m)
	if a.Seq != 1 || a.GID <= 0 || a.Duplicate || a.At.IsZero() {
		t.Errorf("accepted %+v", a)
	}
	got, err := f.Message(t.Context(), a.GID)
	f.must(err)
	if fmt.Sprint(got.NewMessage) != fmt.Sprint(*m) || got.Accepted != a {
		t.Errorf("got %+v, want %+v %+v", got, *m, a)
	}
	b := f.append(text(bob.ID, alice.ID, "back"))
	if b.Conversation != a.Conversation || b.Seq != 2 || b.GID <= a.GID {
		t.Errorf("the answer is at %+v after %+v", b, a)
	}
	if r := f.append(receipt(bob.ID, alice.ID)); r.Conversation == a.Conversation || r.Seq != 1 {
		t.Errorf("the receipt is at %+v", r)
	}
	if note := f.append(text(alice.ID, alice.ID, "note")); note.Conversation == a.Conversation || note.Seq != 1 {
		t.Errorf("the note to oneself is at %+v", note)
	}
	if _, err := f.Message(t.Context(), 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a message that does not exist: %v", err)
	}
	empty := f.append(&store.NewMessage{Kind: store.KindText, From: alice.ID, To: bob.ID})
	if got, err := f.Message(t.Context(), empty.GID); err != nil || got.Text != "" || len(got.Body) != 0 {
		t.Errorf("an empty message: %+v, %v", got, err)
	}
}

func testInvalidMessage(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	for _, m := range []*store.NewMessage{{From: alice.ID, To: bob.ID}, {Kind: store.KindText, To: bob.ID}, {Kind: store.KindText, From: alice.ID}} {
		if _, err := f.tryAppend(m); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if a := f.append(text(alice.ID, bob.ID, "good")); a.Seq != 1 {
		t.Errorf("seq %d after invalid ones", a.Seq)
	}
}

func testDuplicates(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	const copies = 100
	got := make([]store.Accepted, copies)
	var all sync.WaitGroup
	for i := range copies {
		all.Go(func() {
			m := text(alice.ID, bob.ID, "once")
			m.Dedup = [16]byte{9, 9}
			got[i], _ = f.tryAppend(m)
		})
	}
	all.Wait()
	firsts := 0
	for _, a := range got {
		if !a.Duplicate {
			firsts++
		}
		if a.GID != got[0].GID || a.Seq != 1 || !a.At.Equal(got[0].At) {
			t.Errorf("a copy is at %+v, another at %+v", a, got[0])
		}
	}
	if firsts != 1 {
		t.Errorf("%d of %d copies were the first", firsts, copies)
	}
	m := text(bob.ID, alice.ID, "other sender")
	m.Dedup = [16]byte{9, 9}
	if a := f.append(m); a.Duplicate || a.Seq != 2 {
		t.Errorf("the same key of another sender: %+v", a)
	}
}

func testDenseSeq(t *testing.T, f *fixture) {
	const writers, each = 50, 20
	users := []store.User{f.user("a"), f.user("b"), f.user("c")}
	var mu sync.Mutex
	seqs := make(map[store.ConversationID][]int64)
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for j := range each {
				a, err := f.tryAppend(text(users[i%3].ID, users[j%3].ID, "x"))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				seqs[a.Conversation] = append(seqs[a.Conversation], a.Seq)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	total := 0
	for conv, list := range seqs {
		slices.Sort(list)
		for i, seq := range list {
			if seq != int64(i+1) {
				t.Fatalf("conversation %d: seq %d at place %d", conv, seq, i+1)
			}
		}
		total += len(list)
	}
	if total != writers*each {
		t.Errorf("%d of %d messages", total, writers*each)
	}
}

func testDoneOrder(t *testing.T, f *fixture) {
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	const n = 1000
	var order []int
	var all sync.WaitGroup
	all.Add(n)
	for i := range n {
		to := bob.ID
		if i%3 == 0 {
			to = carol.ID
		}
		f.Append(text(alice.ID, to, fmt.Sprint(i)), func(_ store.Accepted, err error) {
			if err != nil {
				t.Error(err)
			}
			order = append(order, i)
			all.Done()
		})
	}
	all.Wait()
	if !slices.IsSorted(order) {
		t.Errorf("done was called in the order %v", order)
	}
}

func testPending(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	a1, a2, b1 := f.device(alice, "a1"), f.device(alice, "a2"), f.device(bob, "b1")
	f.wantTexts("at first", f.pending(b1))

	m := text(alice.ID, bob.ID, "one")
	m.FromDevice = a1.ID
	one := f.append(m)
	two := f.append(text(bob.ID, alice.ID, "two"))
	f.wantTexts("the sending device", f.pending(a1), "two")
	f.wantTexts("the sender's other device", f.pending(a2), "one", "two")
	f.wantTexts("the recipient", f.pending(b1), "one", "two")

	f.deliver(a2, one)
	f.wantTexts("after the first", f.pending(a2), "two")
	f.deliver(a2, two)
	f.wantTexts("after both", f.pending(a2))
	f.wantTexts("another device", f.pending(b1), "one", "two")
	f.append(text(bob.ID, alice.ID, "three"))
	f.wantTexts("later", f.pending(a2), "three")

	some, err := f.Pending(t.Context(), bob.ID, b1.ID, 2)
	f.must(err)
	f.wantTexts("limited", bodies(some), "one", "two")
}

func testPendingOrder(t *testing.T, f *fixture) {
	me := f.user("me")
	d := f.device(me, "d")
	const peers, rounds = 20, 30
	var users []store.User
	for i := range peers {
		users = append(users, f.user(fmt.Sprintf("peer%d", i)))
	}
	var want []string
	var sent []store.Accepted
	for r := range rounds {
		for i, u := range users {
			s := fmt.Sprintf("%d from %d", r, i)
			want = append(want, s)
			sent = append(sent, f.append(text(u.ID, me.ID, s)))
		}
	}
	var got []string
	for {
		ms, err := f.Pending(t.Context(), me.ID, d.ID, 70)
		f.must(err)
		if len(ms) == 0 {
			break
		}
		got = append(got, bodies(ms)...)
		for _, m := range ms {
			f.deliver(d, m.Accepted)
		}
	}
	f.wantTexts("over all conversations", got, want...)
	f.append(text(users[3].ID, me.ID, "last"))
	f.wantTexts("after all", f.pending(d), "last")
	if len(sent) != peers*rounds {
		t.Errorf("%d sent", len(sent))
	}
}

func testReceipts(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	a, b := f.device(alice, "a"), f.device(bob, "b")
	r := f.append(receipt(bob.ID, alice.ID))
	f.wantTexts("who gave it", f.pending(b))
	f.wantTexts("who gets it", f.pending(a), "<imdn/>")
	f.deliver(a, r)
	f.wantTexts("afterwards", f.pending(a))
	page, err := f.Page(t.Context(), alice.ID, bob.ID, 0, 10)
	f.must(err)
	f.wantTexts("the page", bodies(page))
}

func testCursorMonotonic(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	b := f.device(bob, "b")
	var sent []store.Accepted
	for i := range 5 {
		sent = append(sent, f.append(text(alice.ID, bob.ID, fmt.Sprint(i))))
	}
	f.deliver(b, sent[3])
	f.deliver(b, sent[1])
	f.wantTexts("after an old acknowledgement", f.pending(b), "4")
}

func testStartCursors(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	old := f.device(bob, "old")
	for i := range 3 {
		f.deliver(old, f.append(text(alice.ID, bob.ID, fmt.Sprint(i))))
	}
	f.wantTexts("the old device", f.pending(old))
	fresh := f.device(bob, "fresh")
	f.wantTexts("the new device", f.pending(fresh))
	f.append(text(alice.ID, bob.ID, "now"))
	f.wantTexts("the new device later", f.pending(fresh), "now")
	f.must(f.StartCursors(t.Context(), bob.ID, fresh.ID, 0))
	f.wantTexts("started twice", f.pending(fresh), "now")
}

func testStartUnreceived(t *testing.T, f *fixture) {
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	f.append(text(alice.ID, bob.ID, "before any device"))
	old := f.device(bob, "old")
	f.wantTexts("the first device", f.pending(old), "before any device")
	ms, err := f.Pending(t.Context(), bob.ID, old.ID, 10)
	f.must(err)
	f.deliver(old, ms[0].Accepted)

	f.append(text(alice.ID, bob.ID, "missed"))
	f.deliver(old, f.append(text(carol.ID, bob.ID, "received")))
	own := text(bob.ID, carol.ID, "sent by the old device")
	own.FromDevice = old.ID
	f.append(own)
	fresh := f.device(bob, "fresh")
	f.wantTexts("the new device", f.pending(fresh), "missed")
	f.append(text(carol.ID, bob.ID, "new"))
	f.wantTexts("the new device later", f.pending(fresh), "missed", "new")
	f.wantTexts("the old device", f.pending(old), "missed", "new")
}

func testDeliveries(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	b1, b2 := f.device(bob, "b1"), f.device(bob, "b2")
	a := f.append(text(alice.ID, bob.ID, "x"))
	f.deliver(b1, a)
	f.Delivered(a.Conversation, a.Seq, store.Delivery{GID: a.GID, Device: b2.ID, Status: 0, Rendering: "skipped: too big", At: a.At})
	f.append(text(alice.ID, bob.ID, "y")) // whatever class: traces are read once they are written
	got := eventually(f, func() ([]store.Delivery, bool) {
		ds, err := f.Deliveries(t.Context(), a.GID)
		f.must(err)
		return ds, len(ds) == 2
	})
	want := []store.Delivery{
		{GID: a.GID, Device: b1.ID, Status: 200, Rendering: "original", At: a.At},
		{GID: a.GID, Device: b2.ID, Rendering: "skipped: too big", At: a.At},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// testDeliverySpans: whatever came together, each message tells its own outcome.
func testDeliverySpans(t *testing.T, f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	devices := []store.Device{f.device(bob, "b1"), f.device(bob, "b2")}
	g := f.group("team", alice, bob)
	const n = 600
	sent := make([]store.Accepted, n)
	for i := range sent {
		sent[i] = f.append(say(alice.ID, g, fmt.Sprint(i)))
	}
	outcome := func(device, i int) (status int, rendering string) {
		if i/7%5 == 4 && device == 0 {
			return 415, "original"
		}
		return 200, []string{"original", "text"}[i/100%2]
	}
	for i, a := range sent {
		for j, d := range devices {
			status, rendering := outcome(j, i)
			f.Delivered(a.Conversation, a.Seq, store.Delivery{GID: a.GID, Device: d.ID, Status: status, Rendering: rendering, At: a.At})
		}
	}
	for i, a := range sent {
		got := eventually(f, func() ([]store.Delivery, bool) {
			ds, err := f.Deliveries(t.Context(), a.GID)
			f.must(err)
			return ds, len(ds) == len(devices)
		})
		slices.SortFunc(got, func(a, b store.Delivery) int { return int(a.Device - b.Device) })
		for j, d := range got {
			status, rendering := outcome(j, i)
			if d.GID != a.GID || d.Device != devices[j].ID || d.Status != status || d.Rendering != rendering || d.At.Before(a.At) {
				t.Fatalf("message %d: %+v", i, d)
			}
		}
	}
	last := sent[n-1]
	f.Delivered(last.Conversation, last.Seq, store.Delivery{GID: last.GID, Device: devices[0].ID, Status: 299, At: last.At.Add(time.Hour)})
	eventually(f, func() ([]store.Delivery, bool) {
		ds, err := f.Deliveries(t.Context(), last.GID)
		f.must(err)
		return ds, len(ds) == 2 && ds[1].Status == 299
	})
}

func testPage(t *testing.T, f *fixture) {
	alice, bob, carol := f.user("alice"), f.user("bob"), f.user("carol")
	for i := range 10 {
		f.append(text(alice.ID, bob.ID, fmt.Sprint(i)))
		f.append(text(carol.ID, bob.ID, "noise"))
		f.append(receipt(bob.ID, alice.ID))
	}
	page, err := f.Page(t.Context(), bob.ID, alice.ID, 0, 3)
	f.must(err)
	f.wantTexts("the newest", bodies(page), "9", "8", "7")
	page, err = f.Page(t.Context(), alice.ID, bob.ID, page[2].Seq, 3)
	f.must(err)
	f.wantTexts("the next", bodies(page), "6", "5", "4")
	page, err = f.Page(t.Context(), alice.ID, bob.ID, 2, 10)
	f.must(err)
	f.wantTexts("the end", bodies(page), "0")
	page, err = f.Page(t.Context(), alice.ID, carol.ID, 0, 10)
	f.must(err)
	f.wantTexts("nothing", bodies(page))
}

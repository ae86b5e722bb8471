package chat

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
)

// onDisk is a world with the real store, which lives in real time.
func onDisk(t *testing.T, dir string) (w *world, db *sqldb.DB) {
	t.Helper()
	db, err := sqldb.Open(sqldb.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w = newWorld(t)
	groups, err := group.New(t.Context(), group.Config{Store: db, Domain: "example.com", Defaults: store.GroupPolicy{History: 5}})
	if err != nil {
		t.Fatal(err)
	}
	w.groups = groups
	w.start(Config{Archive: db, Users: db, Groups: groups})
	groups.Observe(w.GroupChanged)
	for _, name := range []string{"alice", "bob", "carol"} {
		u, err := db.UserByAddress(t.Context(), name, "example.com")
		if err != nil {
			if u, err = db.AddUser(t.Context(), store.User{Username: name, Domain: "example.com"}, nil); err != nil {
				t.Fatal(err)
			}
		}
		w.people.users[name] = u
	}
	return w, db
}

// device makes a device known to store and world.
func (w *world) device(db *sqldb.DB, user, instance string) store.DeviceID {
	w.t.Helper()
	d, err := db.TouchDevice(w.t.Context(), store.Device{User: w.people.users[user].ID, Instance: instance, LastSeen: time.Now()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.people.owners[d.ID] = d.User
	return d.ID
}

// receives makes a phone tell when it has taken n messages.
func (p *phones) receives(d store.DeviceID, n int) <-chan struct{} {
	done := make(chan struct{})
	p.answer(d, func(*sip.Request) int {
		if n--; n == 0 {
			close(done)
		}
		return 200
	})
	return done
}

// TestOverTheRealStore: a pipelined flow to three devices, one of them away and
// one that comes for the first time after a restart; a note travels back.
func TestOverTheRealStore(t *testing.T) {
	const n = 500
	dir := t.TempDir()
	w, db := onDisk(t, dir)
	sender := w.device(db, "alice", "urn:uuid:a1")
	here, gone := w.device(db, "bob", "urn:uuid:b1"), w.device(db, "bob", "urn:uuid:b2")
	w.comes(sender, "")
	w.comes(here, "")
	w.comes(gone, "")
	all := w.phones.receives(here, n)
	w.leaves(gone)

	var want []string
	var sent []*answers
	for i := range n {
		want = append(want, fmt.Sprint(i))
		sent = append(sent, w.sends(sender, "bob", "text/plain", "", fmt.Sprint(i)))
	}
	if err := w.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-all
	for i, a := range sent {
		if a.status != 202 {
			t.Fatalf("message %d: %d", i, a.status)
		}
	}
	if got := w.phones.texts(here); !slices.Equal(got, want) {
		t.Errorf("the one that was there: %v", got)
	}
	w.Close()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	w, db = onDisk(t, dir)
	defer db.Close()
	defer w.Close()
	here, gone = w.device(db, "bob", "urn:uuid:b1"), w.device(db, "bob", "urn:uuid:b2")
	sender = w.device(db, "alice", "urn:uuid:a1")
	all, again := w.phones.receives(gone, n), w.phones.receives(here, 1)
	w.comes(gone, "")
	w.comes(here, "")
	w.comes(sender, "")
	<-all
	if got := w.phones.texts(gone); !slices.Equal(got, want) {
		t.Errorf("the one that came back: %d, %v", len(got), got)
	}
	w.sends(sender, "bob", "text/plain", "", "last")
	<-again
	if got := w.phones.texts(here); !slices.Equal(got, []string{"last"}) {
		t.Errorf("sent again after the restart: %v", got)
	}
}

// until makes a phone tell when it has taken a message that ends like that.
func (p *phones) until(d store.DeviceID, end string) <-chan struct{} {
	done := make(chan struct{})
	p.answer(d, func(r *sip.Request) int {
		if strings.HasSuffix(string(r.Body()), end) {
			close(done)
		}
		return 200
	})
	return done
}

// said is what a text phone of a user shows of a group's conversation, but for
// what it sent itself.
func said(t *testing.T, db *sqldb.DB, g *group.Snapshot, names map[store.UserID]string, u store.UserID, d store.DeviceID) (texts []string) {
	t.Helper()
	msgs, err := db.ConversationPage(t.Context(), g.Conversation, 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range slices.Backward(msgs) {
		if m.Seq != int64(len(msgs)-i) {
			t.Fatalf("%d stands at %d", m.Seq, len(msgs)-i)
		}
		switch {
		case m.Kind == store.KindNotice:
			texts = append(texts, "* "+m.Text)
		case m.From == u && m.FromDevice == d:
		case m.From == u:
			texts = append(texts, "我: "+m.Text)
		default:
			texts = append(texts, names[m.From]+": "+m.Text)
		}
	}
	return texts
}

// TestGroupOverTheRealStore: a group that is written in from two sides while a
// member comes and goes again, a phone that is away all the time, and a restart.
func TestGroupOverTheRealStore(t *testing.T) {
	const n = 200
	dir := t.TempDir()
	w, db := onDisk(t, dir)
	names := map[store.UserID]string{}
	for name, u := range w.people.users {
		names[u.ID] = name
	}
	alice, bob, carol := w.people.users["alice"].ID, w.people.users["bob"].ID, w.people.users["carol"].ID
	a, b := w.device(db, "alice", "urn:uuid:a1"), w.device(db, "bob", "urn:uuid:b1")
	away, c := w.device(db, "bob", "urn:uuid:b2"), w.device(db, "carol", "urn:uuid:c1")
	for _, d := range []store.DeviceID{a, b, away, c} {
		w.comes(d, "")
	}
	w.leaves(away)
	g, err := w.groups.Create(t.Context(), group.Actor{User: alice}, store.Group{Name: "team", Subject: "T"}, []store.UserID{bob})
	if err != nil {
		t.Fatal(err)
	}
	change := func(c group.Change) {
		if _, err := w.groups.Change(t.Context(), group.Actor{User: alice}, g.ID, c); err != nil {
			t.Fatal(err)
		}
	}
	here, guest := w.phones.until(b, ": last"), w.phones.until(c, "移出了群聊")
	for i := range n {
		w.sends([]store.DeviceID{a, b}[i%2], "team", "text/plain", "", fmt.Sprint(i))
		switch i {
		case n / 2:
			change(group.Add{Users: []store.UserID{carol}})
		case n * 3 / 4:
			change(group.Remove{Users: []store.UserID{carol}})
		}
	}
	w.sends(a, "team", "text/plain", "", "last")
	<-here
	<-guest
	all := said(t, db, g, names, bob, b)
	expect(t, "the one that was there", w.phones.texts(b), all)
	all = said(t, db, g, names, carol, c)
	end := slices.IndexFunc(all, func(s string) bool { return strings.HasSuffix(s, "移出了群聊") })
	begin := slices.IndexFunc(all, func(s string) bool { return strings.Contains(s, "邀请carol加入") })
	if begin < 5 || end < begin {
		t.Fatalf("the guest came at %d and went at %d", begin, end)
	}
	expect(t, "the guest, with five messages from before", w.phones.texts(c), all[begin-5:end+1])
	if err := w.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	w, db = onDisk(t, dir)
	defer db.Close()
	defer w.Close()
	w.people.owners[away], w.people.owners[b], w.people.owners[a] = bob, bob, alice
	back := w.phones.until(away, ": last")
	again := w.phones.receives(b, 1)
	w.comes(away, "")
	w.comes(b, "")
	w.comes(a, "")
	<-back
	expect(t, "the one that was away", w.phones.texts(away), said(t, db, g, names, bob, 0))
	w.sends(a, "team", "text/plain", "", "after the restart")
	<-again
	expect(t, "sent again after the restart", w.phones.texts(b), []string{"alice: after the restart"})
}

package chat

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
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
	w.start(Config{Archive: db, Users: db})
	for _, name := range []string{"alice", "bob"} {
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

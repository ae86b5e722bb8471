package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/sparkleim/sparkle/picture"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
)

// witness notes what authentication, the registrar and groups are told.
type witness struct {
	told   []string
	broken error // what groups answer
}

func (w *witness) Forget(u store.UserID)     { w.note("auth forgets %d", u) }
func (w *witness) ForgetUser(u store.UserID) { w.note("registrar forgets %d", u) }
func (w *witness) RemoveUser(u store.UserID) { w.note("user %d is disconnected", u) }
func (w *witness) RemoveDevice(d store.DeviceID) {
	w.note("device %d is disconnected", d)
}

func (w *witness) UserChanged(u store.User) { w.note("groups hear of %d", u.ID) }
func (w *witness) UserRemoved(_ context.Context, u store.UserID) error {
	w.note("user %d leaves his groups", u)
	return w.broken
}
func (w *witness) Follow(context.Context) error {
	w.note("groups follow the units")
	return w.broken
}

func (w *witness) Assign(o picture.Owner, name string) {
	if name != "" {
		w.note("user %d looks like %s", o.User, name)
	}
}

// parts is everybody who hears of changes, over a store.
func (w *witness) parts(db *sqldb.DB) accountParts {
	return accountParts{store: db, auth: w, phones: w, groups: w, rooms: attendanceWitness{w, "rooms"}, events: attendanceWitness{w, "events"}, pictures: w, log: slog.New(slog.DiscardHandler), domain: "example.com", md5: true}
}

func (w *witness) note(format string, args ...any) {
	w.told = append(w.told, fmt.Sprintf(format, args...))
}

// since returns what was told since the last call.
func (w *witness) since() []string {
	told := w.told
	w.told = nil
	return told
}

// callsWitness is the calls among those who forget.
type callsWitness struct{ *witness }

func (w callsWitness) Forget(u store.UserID) { w.note("calls forget %d", u) }

// attendanceWitness is the rooms, or the subscriptions.
type attendanceWitness struct {
	*witness
	of string
}

func (w attendanceWitness) UserChanged(u store.User) { w.note("%s hear of %d", w.of, u.ID) }
func (w attendanceWitness) Forget(u store.UserID)    { w.note("%s forget %d", w.of, u) }
func (w attendanceWitness) ForgetDevice(u store.UserID, d store.DeviceID) {
	w.note("%s forget device %d of %d", w.of, d, u)
}

func newTestAccounts(t *testing.T) (*accounts, *sqldb.DB, *witness) {
	t.Helper()
	db, err := sqldb.Open(sqldb.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &witness{}
	a, err := newAccounts(t.Context(), w.parts(db))
	if err != nil {
		t.Fatal(err)
	}
	return a, db, w
}

// TestChangesReachEverybody states who hears of which change.
func TestChangesReachEverybody(t *testing.T) {
	a, db, w := newTestAccounts(t)
	u, err := a.Add(t.Context(), store.User{Username: "alice"}, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	d, err := db.TouchDevice(t.Context(), store.Device{User: u.ID, Instance: "urn:uuid:1"})
	if err != nil {
		t.Fatal(err)
	}
	auth, registrar, groups, rooms := fmt.Sprintf("auth forgets %d", u.ID), fmt.Sprintf("registrar forgets %d", u.ID), fmt.Sprintf("groups hear of %d", u.ID), fmt.Sprintf("rooms hear of %d", u.ID)
	calls, gone, left := fmt.Sprintf("calls forget %d", u.ID), fmt.Sprintf("user %d is disconnected", u.ID), fmt.Sprintf("user %d leaves his groups", u.ID)
	noRooms, noEvents := fmt.Sprintf("rooms forget %d", u.ID), fmt.Sprintf("events forget %d", u.ID)
	changed := []string{auth, registrar, groups, rooms}
	a.calls = callsWitness{w}
	w.since()
	for _, test := range []struct {
		name   string
		change func() error
		want   []string
	}{
		{"rename", func() error { u.DisplayName = "Alice"; u, err = a.Update(t.Context(), u); return err }, changed},
		{"password", func() error { return a.SetPassword(t.Context(), u, "battery staple") }, []string{auth}},
		{"picture", func() error { u.Picture = "p"; u, err = a.Update(t.Context(), u); return err }, append([]string{fmt.Sprintf("user %d looks like p", u.ID)}, changed...)},
		{"picture removed", func() error { u.Picture = ""; u, err = a.Update(t.Context(), u); return err }, changed},
		{"disable", func() error { u.Disabled = true; u, err = a.Update(t.Context(), u); return err }, append(changed, gone, noRooms, noEvents)},
		{"revoke", func() error { _, err := a.RevokeDevice(t.Context(), d.ID); return err }, []string{fmt.Sprintf("device %d is disconnected", d.ID),
			fmt.Sprintf("rooms forget device %d of %d", d.ID, u.ID), fmt.Sprintf("events forget device %d of %d", d.ID, u.ID)}},
		{"remove", func() error { return a.Remove(t.Context(), u) },
			[]string{left, auth, calls, registrar, gone, noRooms, noEvents, left, "groups follow the units"}},
		{"remove again", func() error { a.Remove(t.Context(), u); return nil }, []string{left}},
	} {
		if err := test.change(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := w.since(); !slices.Equal(got, test.want) {
			t.Errorf("%s: told %q, want %q", test.name, got, test.want)
		}
	}
}

// TestUserWhoCannotLeaveHisGroupsStays: there must be an account to be removed again.
func TestUserWhoCannotLeaveHisGroupsStays(t *testing.T) {
	a, db, w := newTestAccounts(t)
	u, err := a.Add(t.Context(), store.User{Username: "alice"}, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	w.broken = store.ErrUnavailable
	if err := a.Remove(t.Context(), u); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("removed: %v", err)
	}
	if _, err := db.User(t.Context(), u.ID); err != nil {
		t.Errorf("the account is gone: %v", err)
	}
}

func TestAccountPasswords(t *testing.T) {
	a, db, _ := newTestAccounts(t)
	u, err := a.Add(t.Context(), store.User{Username: "alice"}, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	want := auth.HashPassword(u.ID, "alice", "example.com", "correct horse", true)
	check := func(want store.Credential) {
		t.Helper()
		c, err := db.Credential(t.Context(), "alice", "example.com")
		if err != nil || !bytes.Equal(c.SHA256, want.SHA256) || !bytes.Equal(c.MD5, want.MD5) || c.User != u.ID {
			t.Errorf("%+v %v, want %+v", c, err, want)
		}
	}
	check(want)
	if err := a.SetPassword(t.Context(), u, "battery staple"); err != nil {
		t.Fatal(err)
	}
	check(auth.HashPassword(u.ID, "alice", "example.com", "battery staple", true))
}

func TestNumbersBelongToUsers(t *testing.T) {
	a, db, w := newTestAccounts(t)
	u, err := a.Add(t.Context(), store.User{Username: "alice", Numbers: []string{"1003"}}, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for _, acc := range []*accounts{a, reopened(t, db, w)} {
		if acc.Owner("1003") != u.ID || acc.Owner("alice") != u.ID || acc.Owner("1004") != 0 {
			t.Error("1003 is not alice's, or more than that is")
		}
		if got := acc.Numbers(u.ID); !slices.Equal(got, []string{"1003", "alice"}) || acc.Numbers(u.ID+1) != nil {
			t.Errorf("alice's numbers: %q", got)
		}
		if !acc.owns(u.ID, "1003") || acc.owns(u.ID, "1004") || acc.owns(u.ID+1, "1003") {
			t.Error("1003 is not alice's, or more than that is")
		}
	}
	u.Numbers = []string{"1004"}
	if u, err = a.Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if a.owns(u.ID, "1003") || !a.owns(u.ID, "1004") {
		t.Error("the change of the number did not arrive")
	}
	if err := a.Remove(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if a.owns(u.ID, "1004") || a.Owner("alice") != 0 || a.Numbers(u.ID) != nil {
		t.Error("a removed user owns a number")
	}
}

func reopened(t *testing.T, db *sqldb.DB, w *witness) *accounts {
	t.Helper()
	a, err := newAccounts(t.Context(), w.parts(db))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestImportKeepsWhatTheFileDoesNotSay(t *testing.T) {
	a, db, _ := newTestAccounts(t)
	if _, err := a.Add(t.Context(), store.User{Username: "alice", DisplayName: "Alice", Admin: true}, "correct horse"); err != nil {
		t.Fatal(err)
	}
	added, updated, err := a.Import(t.Context(),
		[]store.User{{Username: "alice", Numbers: []string{"1003"}}, {Username: "bob", Numbers: []string{"1004"}}},
		[]string{"", "battery staple"})
	if err != nil || added != 1 || updated != 1 {
		t.Fatalf("%d added, %d updated, %v", added, updated, err)
	}
	u, err := a.Find(t.Context(), "1003")
	if err != nil || u.Username != "alice" || u.DisplayName != "Alice" || !u.Admin {
		t.Errorf("%+v %v", u, err)
	}
	if c, err := db.Credential(t.Context(), "alice", "example.com"); err != nil || c.SHA256 == nil {
		t.Errorf("alice lost her password: %v", err)
	}
	if !a.owns(u.ID, "1003") {
		t.Error("the imported number is not known")
	}
	for name, users := range map[string][]store.User{
		"no password":    {{Username: "carol"}},
		"foreign domain": {{Username: "alice", Domain: "example.org"}},
	} {
		if _, _, err := a.Import(t.Context(), users, []string{""}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

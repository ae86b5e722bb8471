package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
)

// witness notes what authentication and the registrar are told.
type witness struct{ told []string }

func (w *witness) Forget(u store.UserID)     { w.note("auth forgets %d", u) }
func (w *witness) ForgetUser(u store.UserID) { w.note("registrar forgets %d", u) }
func (w *witness) RemoveUser(u store.UserID) { w.note("user %d is disconnected", u) }
func (w *witness) RemoveDevice(d store.DeviceID) {
	w.note("device %d is disconnected", d)
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

func newTestAccounts(t *testing.T) (*accounts, *sqldb.DB, *witness) {
	t.Helper()
	db, err := sqldb.Open(sqldb.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &witness{}
	a, err := newAccounts(t.Context(), db, w, w, "example.com", []string{auth.SHA256, auth.MD5})
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
	forgotten := []string{fmt.Sprintf("auth forgets %d", u.ID), fmt.Sprintf("registrar forgets %d", u.ID)}
	disconnected := append(slices.Clone(forgotten), fmt.Sprintf("user %d is disconnected", u.ID))
	removed := slices.Insert(slices.Clone(disconnected), 1, fmt.Sprintf("calls forget %d", u.ID))
	a.calls = callsWitness{w}
	w.since()
	for _, test := range []struct {
		name   string
		change func() error
		want   []string
	}{
		{"rename", func() error { u.DisplayName = "Alice"; u, err = a.Update(t.Context(), u); return err }, forgotten},
		{"password", func() error { return a.SetPassword(t.Context(), u, "battery staple") }, forgotten[:1]},
		{"disable", func() error { u.Disabled = true; u, err = a.Update(t.Context(), u); return err }, disconnected},
		{"revoke", func() error { _, err := a.RevokeDevice(t.Context(), d.ID); return err }, []string{fmt.Sprintf("device %d is disconnected", d.ID)}},
		{"remove", func() error { return a.Remove(t.Context(), u) }, removed},
		{"remove again", func() error { a.Remove(t.Context(), u); return nil }, nil},
	} {
		if err := test.change(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := w.since(); !slices.Equal(got, test.want) {
			t.Errorf("%s: told %q, want %q", test.name, got, test.want)
		}
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
	a, err := newAccounts(t.Context(), db, w, w, "example.com", nil)
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

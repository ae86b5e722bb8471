package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// eventually waits for what the store does on its own time.
func eventually[T any](f *fixture, ask func() (T, bool)) T {
	f.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		got, ok := ask()
		if ok {
			return got
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("still %+v", got)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func testUsers(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice := f.user("alice", "+8610123", "1001")
	if alice.ID <= 0 || alice.Version != 1 || alice.Created.IsZero() {
		t.Errorf("added %+v", alice)
	}
	for _, name := range []string{"alice", "Alice", "+8610123", "1001"} {
		got, err := f.UserByAddress(ctx, name, "Example.com")
		f.must(err)
		if fmt.Sprint(got) != fmt.Sprint(alice) {
			t.Errorf("%s: got %+v, want %+v", name, got, alice)
		}
	}
	if _, err := f.UserByAddress(ctx, "alice", "example.org"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another domain: %v", err)
	}
	alice.Numbers, alice.DisplayName, alice.Picture, alice.Disabled = []string{"1002"}, "爱丽丝", "0123abcd", true
	changed, err := f.UpdateUser(ctx, alice)
	f.must(err)
	if changed.Version != 2 || !slices.Equal(changed.Numbers, []string{"1002"}) || changed.Username != "alice" {
		t.Errorf("updated %+v", changed)
	}
	if got, err := f.User(ctx, alice.ID); err != nil || fmt.Sprint(got) != fmt.Sprint(changed) || got.Picture != "0123abcd" {
		t.Errorf("stored %+v, want %+v, %v", got, changed, err)
	}
	if _, err := f.UserByAddress(ctx, "1001", "example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old number: %v", err)
	}
	f.user("bob")
	f.user("100%_sure")
	for match, want := range map[string]int{"": 3, "丽": 1, "BOB": 1, "1002": 1, "%_": 1, "nobody": 0} {
		got, err := f.ListUsers(ctx, match, 0, 10)
		f.must(err)
		if len(got) != want {
			t.Errorf("%q matches %d, want %d", match, len(got), want)
		}
	}
	rest, err := f.ListUsers(ctx, "", alice.ID, 1)
	f.must(err)
	if len(rest) != 1 || rest[0].Username != "bob" {
		t.Errorf("after alice: %+v", rest)
	}
	if _, err := f.UpdateUser(ctx, store.User{ID: 999}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("update of nobody: %v", err)
	}
	if _, err := f.AddUser(ctx, store.User{Domain: "example.com"}, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a user without a name: %v", err)
	}
}

func testTakenAddresses(t *testing.T, f *fixture) {
	alice := f.user("alice", "1001")
	bob := f.user("bob")
	for _, u := range []store.User{
		{Username: "ALICE", Domain: "example.com"},
		{Username: "1001", Domain: "example.com"},
		{Username: "carol", Domain: "example.com", Numbers: []string{"bob"}},
		{Username: "carol", Domain: "example.com", Numbers: []string{"7", "7"}},
	} {
		if _, err := f.AddUser(t.Context(), u, nil); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s %v: %v", u.Username, u.Numbers, err)
		}
	}
	if got, err := f.ListUsers(t.Context(), "", 0, 10); err != nil || len(got) != 2 {
		t.Errorf("refused users left traces: %+v, %v", got, err)
	}
	bob.Numbers = []string{"1002", "1001"}
	if _, err := f.UpdateUser(t.Context(), bob); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a number of alice: %v", err)
	}
	if got, err := f.User(t.Context(), bob.ID); err != nil || got.Numbers != nil || got.Version != 1 {
		t.Errorf("after the refused update: %+v, %v", got, err)
	}
	if _, err := f.AddUser(t.Context(), store.User{Username: alice.Username, Domain: "example.org"}, nil); err != nil {
		t.Errorf("the same name elsewhere: %v", err)
	}
}

func testImport(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice := f.user("alice", "1001")
	alice.Picture = "0123abcd"
	_, err := f.UpdateUser(ctx, alice)
	f.must(err)
	users := []store.User{
		{Username: "alice", Domain: "example.com", DisplayName: "Alice A"},
		{Username: "bob", Domain: "example.com", Numbers: []string{"1001"}},
	}
	cs := []*store.Credential{nil, {Username: "bob", Realm: "example.com", MD5: make([]byte, 16)}}
	added, updated, err := f.ImportUsers(ctx, users, cs)
	f.must(err)
	if added != 1 || updated != 1 {
		t.Errorf("%d added, %d updated", added, updated)
	}
	if got, err := f.User(ctx, alice.ID); err != nil || got.DisplayName != "Alice A" || got.Numbers != nil || got.Picture != alice.Picture {
		t.Errorf("alice is %+v, %v", got, err)
	}
	if _, err := f.Credential(ctx, "bob", "example.com"); err != nil {
		t.Error(err)
	}
	users = []store.User{{Username: "carol", Domain: "example.com"}, {Username: "dave", Domain: "example.com", Numbers: []string{"bob"}}}
	if _, _, err := f.ImportUsers(ctx, users, make([]*store.Credential, 2)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a bad list: %v", err)
	}
	if _, err := f.UserByAddress(ctx, "carol", "example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("half of a bad list was imported: %v", err)
	}
}

func testRemoveUser(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice, bob := f.user("alice", "1001"), f.user("bob")
	d := f.device(alice, "a")
	f.must(f.SetCredential(ctx, store.Credential{User: alice.ID, Username: "alice", Realm: "example.com", MD5: make([]byte, 16)}))
	a := f.append(text(alice.ID, bob.ID, "kept"))
	f.SaveBindings([]store.Binding{{User: alice.ID, Device: d.ID, Instance: d.Instance, Contact: "sip:a@h", Expires: time.Now().Add(time.Hour)}}, nil)
	f.must(f.RemoveUser(ctx, alice.ID))
	if _, err := f.User(ctx, alice.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the user: %v", err)
	}
	if _, err := f.Credential(ctx, "alice", "example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the credential: %v", err)
	}
	if ds, err := f.ListDevices(ctx, alice.ID); err != nil || len(ds) != 0 {
		t.Errorf("the devices: %v, %v", ds, err)
	}
	if bs, err := f.AllBindings(ctx); err != nil || len(bs) != 0 {
		t.Errorf("the bindings: %v, %v", bs, err)
	}
	if m, err := f.Message(ctx, a.GID); err != nil || string(m.Body) != "kept" {
		t.Errorf("the message: %+v, %v", m, err)
	}
	if name, err := f.AddressOf(ctx, alice.ID); err != nil || name != "alice@example.com" {
		t.Errorf("the name: %q, %v", name, err)
	}
	if again := f.user("alice", "1001"); again.ID == alice.ID {
		t.Error("the number of a removed user was given again")
	}
	if err := f.RemoveUser(ctx, alice.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

func testPeople(t *testing.T, f *fixture) {
	var ids []store.UserID
	for i := range 150 { // more than any store reads at once
		ids = append(ids, f.user(fmt.Sprint("u", i), fmt.Sprint("1", i)).ID)
	}
	f.must(f.RemoveUser(t.Context(), ids[3]))
	people, err := f.People(t.Context(), append(ids, ids[0], 0, 9999))
	f.must(err)
	if len(people) != len(ids) {
		t.Errorf("%d people, want %d", len(people), len(ids))
	}
	if u := people[ids[149]]; u.AOR() != "u149@example.com" || u.DisplayName != "The u149" || fmt.Sprint(u.Numbers) != "[1149]" {
		t.Errorf("the last one: %+v", u)
	}
	if u := people[ids[3]]; u.Username != "u3" || len(u.Numbers) != 0 {
		t.Errorf("who was removed: %+v", u)
	}
	if people, err = f.People(t.Context(), nil); err != nil || len(people) != 0 {
		t.Errorf("nobody: %v, %v", people, err)
	}
}

func testCredentials(t *testing.T, f *fixture) {
	ctx := t.Context()
	md5, sha := bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 32)
	alice, err := f.AddUser(ctx, store.User{Username: "alice", Domain: "example.com"}, &store.Credential{Username: "alice", Realm: "r", MD5: md5, SHA256: sha})
	f.must(err)
	got, err := f.Credential(ctx, "alice", "r")
	f.must(err)
	if got.User != alice.ID || !bytes.Equal(got.MD5, md5) || !bytes.Equal(got.SHA256, sha) || got.Disabled || got.Version != 1 {
		t.Errorf("got %+v", got)
	}
	f.must(f.SetCredential(ctx, store.Credential{User: alice.ID, Username: "alice", Realm: "r", SHA256: sha}))
	if got, err = f.Credential(ctx, "alice", "r"); err != nil || got.MD5 != nil || got.Version != 2 {
		t.Errorf("changed: %+v, %v", got, err)
	}
	bob := f.user("bob")
	for name, c := range map[string]struct {
		c    store.Credential
		want error
	}{
		"another's":   {store.Credential{User: bob.ID, Username: "alice", Realm: "r", SHA256: sha}, store.ErrConflict},
		"nobody's":    {store.Credential{User: 999, Username: "x", Realm: "r", SHA256: sha}, store.ErrNotFound},
		"short":       {store.Credential{User: bob.ID, Username: "bob", Realm: "r", MD5: sha}, store.ErrInvalid},
		"without any": {store.Credential{User: bob.ID, Username: "bob", Realm: "r"}, store.ErrInvalid},
	} {
		if err := f.SetCredential(ctx, c.c); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	alice.Disabled = true
	_, err = f.UpdateUser(ctx, alice)
	f.must(err)
	if got, err = f.Credential(ctx, "alice", "r"); err != nil || !got.Disabled {
		t.Errorf("of a disabled user: %+v, %v", got, err)
	}
}

func testDevices(t *testing.T, f *fixture) {
	ctx := t.Context()
	alice := f.user("alice")
	told := store.Device{User: alice.ID, Instance: "urn:uuid:1", UserAgent: "Phone/1", Accept: []string{"text/plain", "message/cpim"}, Specs: "groupchat"}
	d, err := f.TouchDevice(ctx, told)
	f.must(err)
	again, err := f.TouchDevice(ctx, told)
	f.must(err)
	if d.ID <= 0 || again.ID != d.ID || !slices.Equal(d.Accept, told.Accept) || d.FirstSeen.IsZero() {
		t.Errorf("made %+v, found %+v", d, again)
	}
	told.UserAgent = "Phone/2"
	if again, err = f.TouchDevice(ctx, told); err != nil || again.UserAgent != "Phone/2" || again.ID != d.ID {
		t.Errorf("changed %+v, %v", again, err)
	}
	revoked, err := f.RevokeDevice(ctx, d.ID)
	f.must(err)
	if revoked.Revoked == nil {
		t.Errorf("revoked %+v", revoked)
	}
	if _, err := f.TouchDevice(ctx, told); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a revoked device: %v", err)
	}
	if _, err := f.RevokeDevice(ctx, 999); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a device that does not exist: %v", err)
	}
	f.device(f.user("bob"), "2")
	if all, err := f.ListDevices(ctx, 0); err != nil || len(all) != 2 {
		t.Errorf("all: %+v, %v", all, err)
	}
	if _, err := f.TouchDevice(ctx, store.Device{User: 999, Instance: "x"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a device of nobody: %v", err)
	}
}

func testBindings(t *testing.T, f *fixture) {
	alice := f.user("alice")
	d := f.device(alice, "1")
	expires := time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()
	b := store.Binding{
		User: alice.ID, Device: d.ID, Instance: d.Instance, RegID: 1, Contact: "sip:alice@192.0.2.1:5060;transport=tls", Params: ";+sip.ice",
		Path: []string{"<sip:p1;lr>", "<sip:p2;lr>"}, Q: 700, CallID: "c", CSeq: 4294967295, Expires: expires, Received: "tls 192.0.2.1:5061",
		Local: "192.0.2.9:5061", UserAgent: "Phone/1",
	}
	old := b
	old.RegID, old.Expires = 2, time.Now().Add(-time.Minute)
	plain1, plain2 := b, b
	plain1.Instance, plain2.Instance = "", ""
	plain2.Contact = "sip:other@h"
	f.SaveBindings([]store.Binding{b, old, plain1, plain2}, nil)
	b.CSeq = 7
	f.SaveBindings([]store.Binding{b}, []store.Binding{plain1})
	got := eventually(f, func() ([]store.Binding, bool) {
		bs, err := f.AllBindings(t.Context())
		f.must(err)
		return bs, len(bs) == 2
	})
	if want := []store.Binding{plain2, b}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := f.RevokeDevice(t.Context(), d.ID); err != nil {
		t.Fatal(err)
	}
	if bs, err := f.AllBindings(t.Context()); err != nil || len(bs) != 0 {
		t.Errorf("of a revoked device: %v, %v", bs, err)
	}
}

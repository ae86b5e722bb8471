package main

import (
	"errors"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// TestAccountOfTheAssistant: it is made once, nobody logs in to it, and nobody
// loses his name to it.
func TestAccountOfTheAssistant(t *testing.T) {
	a, db, _ := newTestAccounts(t)
	first, err := assistantAccount(t.Context(), db, "example.com", "en")
	if err != nil || first.DisplayName != "Assistant" {
		t.Fatalf("%+v, %v", first, err)
	}
	if _, err := db.Credential(t.Context(), assistantName, "example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it has a credential: %v", err)
	}
	first.DisplayName = "Helper"
	if _, err = db.UpdateUser(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	again, err := assistantAccount(t.Context(), db, "example.com", "zh")
	if err != nil || again.ID != first.ID || again.DisplayName != "Helper" {
		t.Errorf("at the next start: %+v, %v", again, err)
	}

	a.assistant = first.ID
	_, _, imported := a.Import(t.Context(), []store.User{{Username: assistantName}}, []string{"let me in"})
	for what, err := range map[string]error{
		"removed":        a.Remove(t.Context(), first),
		"password":       a.SetPassword(t.Context(), first, "let me in"),
		"password, file": imported,
	} {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := assistantAccount(t.Context(), db, "example.com", "zh"); err != nil {
		t.Errorf("after that: %v", err)
	}
}

func TestTheNameOfTheAssistantIsTaken(t *testing.T) {
	a, db, _ := newTestAccounts(t)
	if _, err := a.Add(t.Context(), store.User{Username: assistantName}, "correct horse"); err != nil {
		t.Fatal(err)
	}
	if u, err := assistantAccount(t.Context(), db, "example.com", "zh"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a user with a password became %+v, %v", u, err)
	}
	a, db, _ = newTestAccounts(t)
	if _, err := a.Add(t.Context(), store.User{Username: "alice", Numbers: []string{assistantName}}, "correct horse"); err != nil {
		t.Fatal(err)
	}
	if u, err := assistantAccount(t.Context(), db, "example.com", "zh"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a number of Alice became %+v, %v", u, err)
	}
}

package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/wire"
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

// TestTextCommands: a softphone that can only write makes a group, asks who is in
// it, and nobody else is told of that.
func TestTextCommands(t *testing.T) {
	d := startDemo(t, t.TempDir())
	alice, bob := d.phone(t, "alice"), d.phone(t, "bob")
	ask := func(to, text, want string) {
		t.Helper()
		alice.message(to, text)
		alice.final(t, 202)
		answer := await(t, alice.requests)
		if from := wire.Header(answer, "From"); !strings.Contains(from, "assistant@") || !strings.Contains(string(answer.Body()), want) {
			t.Errorf("%s: %s says %q, want %q", text, from, answer.Body(), want)
		}
	}
	ask(assistantName, "你好", "我是小助手")
	alice.message(assistantName, "/建群 午餐 bob")
	alice.final(t, 202)
	for notice, answer := false, false; !notice || !answer; { // in whatever order
		body := string(await(t, alice.requests).Body())
		notice = notice || strings.Contains(body, "创建了群聊")
		answer = answer || strings.Contains(body, "已创建“午餐”")
	}
	lunch := ""
	for _, g := range d.groups.All() {
		if g.Subject == "午餐" {
			lunch = g.Name
		}
	}
	if body := string(await(t, bob.requests).Body()); !strings.Contains(body, "创建了群聊") {
		t.Errorf("Bob is told %q", body)
	}
	ask(lunch, "/成员", "午餐（2 人）")
	alice.message(lunch, "走吗")
	alice.final(t, 202)
	if body := string(await(t, bob.requests).Body()); !strings.Contains(body, "走吗") {
		t.Errorf("Bob is told %q before what Alice said", body)
	}
}

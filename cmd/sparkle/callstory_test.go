package main

import (
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// TestStoryOfAMoment: what happens within a millisecond is told in its order: nobody
// answers before he was tried.
func TestStoryOfAMoment(t *testing.T) {
	moment := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	r := store.CallRecord{Started: moment, Ringing: &moment, Answered: &moment, Callee: store.CallParty{Address: "echo@example.com"},
		Attempts: []store.CallAttempt{{Target: "device sip:echo", Started: moment.Add(900 * time.Microsecond)}}}
	want := []string{"the call begins", "tries device sip:echo: no answer yet", "answered by echo@example.com"}
	for i, e := range events(&r) {
		if e.text != want[i] {
			t.Errorf("event %d: %s, want %s", i+1, e.text, want[i])
		}
	}
}

package call

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/store"
)

// bothAnswer is dave's two devices that answer at once. Steps in the dialogs with
// either follow "in first" or "in second".
const bothAnswer = `
	alice INVITE dave (A)
	dave gets INVITE (sdes A)
	dave2 gets INVITE (sdes A)
	dave2 180
	alice gets 180 INVITE
	dave 200 (D1)
	alice gets 200 INVITE (D1)
	in first
	alice ACK
	dave gets ACK
	dave2 gets CANCEL
	dave2 200 (D2)
	alice gets 200 INVITE (D2)
	dave2 200 CANCEL
	in second
	media A=D1`

// The caller acknowledges the answers of two devices and ends the dialog with one
// (RFC 3261 §13.2.2.4): the call is with the other, and so says the record.
func TestRivals(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		stays        string // the device
		attempts     string // how they ended
		by           string // who ended the call
	}{
		{"the second stays", bothAnswer + `
			alice ACK
			dave2 gets ACK
			in first
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE
			media A=D2
			in second
			alice INVITE (A2)
			dave2 gets INVITE (sdes A2)
			dave2 200 (D3)
			alice gets 200 INVITE (D3)
			alice ACK
			dave2 gets ACK
			dave2 BYE
			alice gets BYE
			alice 200 BYE
			dave2 gets 200 BYE`, "dave2", "487 200", "callee"},
		{"the second stays, for the first hangs up", bothAnswer + `
			alice ACK
			dave2 gets ACK
			dave BYE
			alice gets BYE
			alice 200 BYE
			dave gets 200 BYE
			media A=D2
			told D2
			alice BYE
			dave2 gets BYE
			dave2 200 BYE
			alice gets 200 BYE`, "dave2", "487 200", "caller"},
		{"the first stays", bothAnswer + `
			alice ACK
			dave2 gets ACK
			alice BYE
			dave2 gets BYE
			dave2 200 BYE
			alice gets 200 BYE
			media A=D1
			in first
			alice INVITE (A2)
			dave gets INVITE (sdes A2)
			dave 200 (D3)
			alice gets 200 INVITE (D3)
			alice ACK
			dave gets ACK
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE`, "dave", "200 487", "caller"},
		{"the caller does not see the second", bothAnswer + `
			in first
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE
			dave2 200 (D2)
			dave2 gets ACK
			dave2 gets BYE
			dave2 200 BYE`, "dave", "200 487", "caller"},
		{"the second is repeated, before the end of the first and after", bothAnswer + `
			dave2 200 (D2)
			alice gets 200 INVITE (D2)
			alice ACK
			dave2 gets ACK
			in first
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE
			dave2 200 (D2)
			alice gets 200 INVITE (D2)
			in second
			media A=D2
			alice ACK
			dave2 gets ACK
			alice BYE
			dave2 gets BYE
			dave2 200 BYE
			alice gets 200 BYE`, "dave2", "487 200", "caller"},
		{"the first dialog ends in the middle of an offer", bothAnswer + `
			alice ACK
			dave2 gets ACK
			in first
			alice INVITE (A2)
			dave gets INVITE (sdes A2)
			dave BYE
			alice gets BYE
			alice 200 BYE
			dave gets 200 BYE
			media A=D2
			dave 487 INVITE
			dave gets ACK
			alice gets 487 INVITE
			in second
			alice UPDATE (A3)
			dave2 gets UPDATE (sdes A3)
			dave2 200 UPDATE (D3)
			alice gets 200 UPDATE (D3)
			alice BYE
			dave2 gets BYE
			dave2 200 BYE
			alice gets 200 BYE`, "dave2", "487 200", "caller"},
		{"the first is repeated after its end", bothAnswer + `
			alice ACK
			dave2 gets ACK
			in first
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE
			dave 200 (D1)
			alice gets 200 INVITE
			alice ACK
			dave gets ACK
			in second
			alice BYE
			dave2 gets BYE
			dave2 200 BYE
			alice gets 200 BYE`, "dave2", "487 200", "caller"},
		{"the second wants to be refreshed", strings.Replace(bothAnswer, "dave2 200 (D2)",
			"dave2 adds Session-Expires: 90;refresher=uas\ndave2 200 (D2)", 1) + `
			alice ACK
			dave2 gets ACK
			in first
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE
			wait 99s
			quiet
			wait 3s
			alice gets BYE
			dave2 gets BYE
			dave2 200 BYE`, "dave2", "487 200", "session timer"},
		{"nothing in the second dialog disturbs the first", bothAnswer + `
			alice ACK (A9)
			dave2 gets ACK
			alice INVITE (A2)
			alice gets 491 INVITE
			alice INVITE
			alice gets 491 INVITE
			dave2 UPDATE (D9)
			dave2 gets 491 UPDATE
			dave2 UPDATE
			alice gets UPDATE
			alice 200 UPDATE (A9)
			dave2 gets 200 UPDATE
			media A=D1
			alice BYE
			dave2 gets BYE
			dave2 200 BYE
			alice gets 200 BYE
			in first
			alice INVITE (A3)
			dave gets INVITE (sdes A3)
			dave 200 (D3)
			alice gets 200 INVITE (D3)
			alice ACK
			dave gets ACK
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE`, "dave", "200 487", "caller"},
		{"the second takes what the first did not", strings.NewReplacer(
			"alice gets 200 INVITE (D2)", "alice gets 200 INVITE (D1)", "dave2 200 (D2)", "dave2 200 (D2 video)").Replace(bothAnswer) + `
			alice ACK
			dave2 gets ACK
			in first
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE
			media A=D2 video
			told D1
			in second
			alice BYE
			dave2 gets BYE
			dave2 200 BYE
			alice gets 200 BYE`, "dave2", "487 200", "caller"},
		{"the second has said nothing that can be used", strings.NewReplacer(
			"alice gets 200 INVITE (D2)", "alice gets 200 INVITE (D1)", "dave2 200 (D2)", "dave2 200 (bad)").Replace(bothAnswer) + `
			alice ACK
			dave2 gets ACK
			in first
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE`, "dave", "200 487", "caller"},
		{"the second rang with early media", `
			alice INVITE dave (A)
			dave gets INVITE (sdes A)
			dave2 gets INVITE (sdes A)
			dave2 183 (D2)
			alice gets 183 INVITE (D2)
			media A=D2
			dave 200 (D1)
			alice gets 200 INVITE (D1)
			in first
			alice ACK
			dave gets ACK
			dave2 gets CANCEL
			dave2 200 CANCEL
			media A=D1
			dave2 200
			alice gets 200 INVITE (D2)
			in second
			alice ACK
			dave2 gets ACK
			dave BYE
			alice gets BYE
			alice 200 BYE
			dave gets 200 BYE
			media A=D2
			alice BYE
			dave2 gets BYE
			dave2 200 BYE
			alice gets 200 BYE`, "dave2", "487 200", "caller"},
		{"an offer of before in the second dialog", `
			alice INVITE dave (A)
			dave gets INVITE (sdes A)
			dave2 gets INVITE (sdes A)
			dave2 adds Require: 100rel
			dave2 183 (D2)
			alice gets 183 INVITE (D2)
			in second
			alice PRACK
			dave2 gets PRACK
			dave2 200 PRACK
			alice gets 200 PRACK
			alice UPDATE (A2)
			dave2 gets UPDATE (sdes A2)
			dave 200 (D1)
			alice gets 200 INVITE (D1)
			in first
			alice ACK
			dave gets ACK
			dave2 gets CANCEL
			dave2 200 CANCEL
			dave2 200 UPDATE (D3)
			alice gets 200 UPDATE
			dave2 487
			dave2 gets ACK
			media A2=D1
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE`, "dave", "200 487", "caller"},
		{"the devices offer", `
			alice INVITE dave
			dave gets INVITE
			dave2 gets INVITE
			dave 200 (D1)
			alice gets 200 INVITE (sdes D1)
			in first
			alice ACK (A)
			dave gets ACK (A)
			dave2 200 (D2)
			alice gets 200 INVITE (sdes D1)
			in second
			alice ACK (A)
			dave2 gets ACK
			alice BYE
			dave2 gets BYE
			dave2 200 BYE
			alice gets 200 BYE
			in first
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE`, "dave", "200 487", "caller"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.davesTwo()
				w.Play(tt.script + "\nquiet")
				if n := w.service.InProgress(); n != 0 {
					t.Fatalf("%d calls go on", n)
				}
				r := w.records.newest()
				if r.Callee.Device != tt.stays+" phone" || r.Status != 200 || r.EndedBy != tt.by {
					t.Errorf("the record tells %q, status %d, ended by %s", r.Callee.Device, r.Status, r.EndedBy)
				}
				var attempts []string
				for _, a := range r.Attempts {
					attempts = append(attempts, fmt.Sprint(a.Status))
				}
				if got := strings.Join(attempts, " "); got != tt.attempts {
					t.Errorf("attempts ended with %s, want %s", got, tt.attempts)
				}
			})
		})
	}
}

// davesTwo gives dave two devices, and alice as many dialogs at once.
func (w *world) davesTwo() {
	w.Phone("dave", "tls")
	w.Phone("dave2", "tls")
	alice, peers, dialogs := w.Phones["alice"], map[string]string{}, map[string]siptest.Dialog{}
	w.Steps["in"] = func(_, which string) {
		dialogs[alice.Dialog.Remote] = alice.Dialog
		if peer, known := peers[which]; known {
			alice.Dialog = dialogs[peer]
		} else {
			peers[which] = alice.Dialog.Remote
		}
	}
	w.Steps["told"] = func(line, answer string) { // to the caller, by what his leg stands at
		if got := w.relay.sessions[0].legs[0].answer; got != answer {
			w.t.Fatalf("%s: the answer is %q", line, got)
		}
	}
}

// Of two phones behind the second device the one that answered first is the rival.
func TestSecondDialogOfARival(t *testing.T) {
	inWorld(t, func(w *world) {
		w.davesTwo()
		w.Play(bothAnswer + "\nalice ACK\ndave2 gets ACK")
		third, second := w.Phone("dave3", "tls guest"), w.Phones["dave2"]
		third.Got["INVITE"], third.Flow = second.Got["INVITE"], second.Flow
		w.Play(`
			dave3 200 (D3)
			alice gets 200 INVITE (D1)
			in third
			alice ACK
			dave2 gets ACK
			alice BYE
			dave2 gets BYE
			dave2 200 BYE
			alice gets 200 BYE
			in first
			alice BYE
			dave gets BYE
			dave 200 BYE
			alice gets 200 BYE
			media A=D2
			quiet`)
	})
}

// A call of two that live ends in both dialogs.
func TestHangUpOfRivals(t *testing.T) {
	inWorld(t, func(w *world) {
		w.davesTwo()
		w.Play(bothAnswer + "\nalice ACK\ndave2 gets ACK")
		if err := w.service.HangUp(t.Context(), w.service.Live()[0].ID, "root"); err != nil {
			t.Fatal(err)
		}
		w.Play(`
			alice gets BYE
			alice gets BYE
			dave gets BYE
			dave 200 BYE
			dave2 gets BYE
			dave2 200 BYE
			quiet`)
	})
}

// The ports of a device that rang are given back when it says that it does not ring
// any more, and not later than those of the call.
func TestLegsOfThoseWhoRang(t *testing.T) {
	inWorld(t, func(w *world) {
		w.davesTwo()
		w.Play(`
			alice INVITE dave (A)
			dave gets INVITE (sdes A)
			dave2 gets INVITE (sdes A)
			dave2 180
			alice gets 180 INVITE
			dave 200 (D1)
			alice gets 200 INVITE (D1)
			alice ACK
			dave gets ACK
			dave2 gets CANCEL
			dave2 200 CANCEL`)
		loser := w.relay.sessions[0].legs[2]
		if loser.closed {
			t.Error("it may still answer")
		}
		w.Play("dave2 487\n dave2 gets ACK\n quiet\n media A=D1")
		if !loser.closed {
			t.Error("the ports of a device that was cancelled are kept")
		}
	})
}

// Who was forwarded from takes the call all the same: the record is about him again.
func TestRivalBeforeForward(t *testing.T) {
	setup := fakeSetup{settings: []store.CallSettings{{User: 'd', ForwardNoAnswer: "carol", NoAnswerAfter: 10}}}
	inWorld(t, func(w *world) {
		if err := w.service.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.davesTwo()
		w.Targets["dave"] = w.Targets["dave"][:1]
		w.Play(`
			alice INVITE dave (A)
			dave gets INVITE (sdes A)
			dave 180
			alice gets 180 INVITE
			wait 11s
			dave gets CANCEL
			alice gets 181 INVITE
			carol gets INVITE (sdes A)
			carol 200 (C)
			alice gets 200 INVITE (C)
			alice ACK
			carol gets ACK`)
		if r := w.records.newest(); r.Callee.Address != "carol@example.com" {
			t.Errorf("the record tells %+v", r.Callee)
		}
		w.Play(`
			dave 200 (D)
			alice gets 200 INVITE (D)
			dave 200 CANCEL
			alice ACK
			dave gets ACK
			carol BYE
			alice gets BYE
			alice 200 BYE
			carol gets 200 BYE
			media A=D
			quiet`)
		if r := w.records.newest(); r.Callee.Address != "dave@example.com" || r.Callee.User != 'd' || r.Callee.Device != "dave phone" {
			t.Errorf("the record tells %+v", r.Callee)
		}
	}, func(c *Config) { c.Setup = &setup })
}

// Of a group that rings, the record names the member whose device stays.
func TestRivalsOfGroup(t *testing.T) {
	setup := fakeSetup{groups: []store.HuntGroup{{Name: "sales", Members: []string{"bob", "carol"}}}}
	inWorld(t, func(w *world) {
		if err := w.service.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.davesTwo()
		w.Play(`
			alice INVITE sales (A)
			bob gets INVITE (sdes A)
			carol gets INVITE (sdes A)
			bob 200 (B)
			alice gets 200 INVITE (B)
			in first
			alice ACK
			bob gets ACK
			carol 200 (C)
			alice gets 200 INVITE (C)
			in second
			alice ACK
			carol gets ACK
			in first
			alice BYE
			bob gets BYE
			bob 200 BYE
			alice gets 200 BYE
			media A=C
			quiet`)
		if r := w.records.newest(); r.Callee.User != carol || r.Callee.Address != "carol@example.com" || r.Ended != nil {
			t.Errorf("the record tells %+v, ended %v", r.Callee, r.Ended)
		}
	}, func(c *Config) { c.Setup = &setup })
}

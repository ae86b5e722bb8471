package call

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// bothHungUp is what the phones see of a call that we end.
const bothHungUp = `
	alice gets BYE
	alice 200 BYE
	bob gets BYE
	bob 200 BYE
	quiet`

func TestHangUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(talk + `
			alice INFO > bob 200`)
		live := w.service.Live()
		if len(live) != 1 || len(live[0].Quality) != 2 || live[0].Ended != nil {
			t.Fatalf("live: %+v", live)
		}
		if err := w.service.HangUp(t.Context(), live[0].ID, "root"); err != nil {
			t.Fatal(err)
		}
		w.Play(bothHungUp)
		alice, bob := w.Phones["alice"].Got["BYE"], w.Phones["bob"].Got["BYE"]
		for header, want := range map[string]string{
			"CSeq": "3 BYE", "From": "<sip:alice@example.com>;tag=alice", "To": "<sip:bob@example.com>;tag=bob", "Max-Forwards": "69",
		} {
			if v := wire.Header(bob, header); v != want {
				t.Errorf("bob's BYE has %s: %s, want %s", header, v, want)
			}
		}
		if v := wire.Header(alice, "Reason"); v != `Q.850;cause=16;text="ended by root"` {
			t.Errorf("Reason %s", v)
		}
		if v := wire.Header(alice, "CSeq"); v != "1 BYE" {
			t.Errorf("alice's BYE has CSeq %s", v)
		}
		if r := w.records.newest(); r.EndedBy != "administrator" || !strings.Contains(r.Reason, "root") {
			t.Errorf("record %+v", r)
		}
		if err := w.service.HangUp(t.Context(), live[0].ID, "root"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("again: %v", err)
		}
	})
}

func TestHangUpWhileItRings(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play("alice INVITE bob (A)\n bob gets INVITE (sdes A)\n bob 180\n alice gets 180 INVITE")
		if err := w.service.HangUp(t.Context(), w.service.Live()[0].ID, "root"); err != nil {
			t.Fatal(err)
		}
		w.Play(`
			alice gets 480 INVITE
			bob gets CANCEL
			bob 200 CANCEL
			bob 200 (B)                  # too late
			bob gets ACK
			bob gets BYE
			bob 200 BYE
			quiet`)
		if r := w.records.newest(); r.EndedBy != "administrator" || r.Status != 480 {
			t.Errorf("record %+v", r)
		}
	})
}

// Whatever ends a call ends it for both, once, and says why in the record.
func TestEnds(t *testing.T) {
	tests := []struct {
		name   string
		end    func(w *world)
		script string
		by     string
		cause  int
	}{
		{"nothing is heard", func(w *world) {
			w.relay.sessions[0].on(media.Event{Kind: media.EventSilent})
		}, bothHungUp, "media", 102},
		{"the media failed", func(w *world) {
			w.relay.sessions[0].on(media.Event{Kind: media.EventFailed})
		}, bothHungUp, "media", 41},
		{"only a warning", func(w *world) {
			w.relay.sessions[0].on(media.Event{Kind: media.EventAttack})
		}, "quiet\n alice BYE > bob 200\n quiet", "caller", 16},
		{"the phone says why", func(w *world) {
			w.Phones["bob"].Add(`Reason: SIP;cause=200, Q.850 ;cause=31;text="no more"`)
		}, "bob BYE > alice 200\n quiet", "callee", 31},
		{"a late offer is not answered", func(w *world) {
			w.Play("alice INVITE\n bob gets INVITE\n bob 200 (B2)\n alice gets 200 INVITE (sdes B2)\n alice ACK")
		}, "alice gets BYE\n alice 200 BYE\n bob gets BYE\n bob gets ACK\n bob 200 BYE\n quiet", "media", 65},
		{"the server drains", func(w *world) { w.service.Drain(cancelled()) }, bothHungUp, "restart", 41},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.Play(talk)
				tt.end(w)
				synctest.Wait()
				w.Play(tt.script)
				if r := w.records.newest(); r.EndedBy != tt.by || r.Cause != tt.cause || r.Reason == "" {
					t.Errorf("record %+v", r)
				}
			})
		})
	}
}

// A caller may be silent as long as it rings, whatever he hears; the relay counts
// anew from the answer, when he is connected once more.
func TestSilenceWhileItRings(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play("alice INVITE bob (A)\n bob gets INVITE (sdes A)\n bob 183 (B)\n alice gets 183 INVITE (B)\n media A=B")
		session := w.relay.sessions[0]
		session.on(media.Event{Kind: media.EventSilent})
		synctest.Wait()
		before := session.joins
		w.Play("quiet\n bob 200 (B)\n alice gets 200 INVITE (B)\n alice ACK\n bob gets ACK\n quiet")
		if session.joins == before {
			t.Error("the relay was not told of the answer")
		}
		session.on(media.Event{Kind: media.EventSilent})
		synctest.Wait()
		w.Play(bothHungUp)
		if r := w.records.newest(); r.EndedBy != "media" {
			t.Errorf("record %+v", r)
		}
	})
}

// A server that stops lets people finish.
func TestDrain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(talk)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		drained := make(chan struct{})
		go func() { w.service.Drain(ctx); close(drained) }()
		w.Play("wait 5s\n carol INVITE bob (C)\n carol gets 503 INVITE\n quiet")
		w.Play("alice BYE > bob 200")
		<-drained
		if ctx.Err() != nil {
			t.Error("waited although nobody talked")
		}
	})
}

// A call that was let in a moment before the server began to stop, and is noted a
// moment after, ends as others do.
func TestDrainOvertakesACall(t *testing.T) {
	inWorld(t, func(w *world) {
		w.service.Drain(cancelled())
		w.service.closing.Store(false)
		w.Play(talk)
		w.service.closing.Store(true)
		w.Play("alice BYE > bob 200")
		w.service.Drain(cancelled())
	})
}

func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.records.open = []store.CallRecord{{ID: 7, CallID: "old"}}
		if err := w.service.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := w.records.last[7]; r.Ended == nil || r.EndedBy != "restart" || r.Cause != 41 {
			t.Errorf("record %+v", r)
		}
	})
}

func TestSessionTimer(t *testing.T) {
	tests := []struct {
		name   string
		caller string // headers of alice's INVITE
		asked  string // Session-Expires that bob gets
		callee string // headers of bob's 200
		told   string // Session-Expires that alice gets
		alive  string // how long it lasts at least
	}{
		{"nobody has any", "", "1800", "", "", ""},
		{"the callee refreshes", "", "1800", "Session-Expires: 600;refresher=uas\nRequire: timer", "600;refresher=uas", "600s"},
		{"only the caller has one", "Supported: timer", "1800", "", "1800;refresher=uac", "1800s"},
		{"the caller's own", "Supported: timer\nSession-Expires: 120", "120", "", "120;refresher=uac", "120s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				alice, bob := w.Phones["alice"], w.Phones["bob"]
				alice.Add(tt.caller)
				w.Play("alice INVITE bob (A)\n bob gets INVITE (sdes A)")
				if v := wire.Header(bob.Got["INVITE"], "Session-Expires"); v != tt.asked {
					t.Errorf("bob is asked for %q", v)
				}
				bob.Add(tt.callee)
				w.Play("bob 200 (B)\n alice gets 200 INVITE (B)\n alice ACK\n bob gets ACK")
				if v := wire.Header(alice.Last, "Session-Expires"); v != tt.told {
					t.Errorf("alice is told %q", v)
				}
				if tt.alive == "" {
					w.Play("wait 24h\n quiet")
					return
				}
				w.Play("wait " + tt.alive + "\n quiet")
				w.Play("wait 15s" + bothHungUp)
				if r := w.records.newest(); r.EndedBy != "session timer" || r.Cause != 102 {
					t.Errorf("record %+v", r)
				}
			})
		})
	}
}

// A refresh starts the time anew; one without a timer ends it.
func TestSessionRefresh(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play("alice INVITE bob (A)\n bob gets INVITE (sdes A)\n bob adds Session-Expires: 100;refresher=uas\n bob 200 (B)\n alice gets 200 INVITE (B)\n alice ACK\n bob gets ACK")
		for range 5 {
			w.Play(`
				wait 90s
				bob UPDATE
				alice gets UPDATE
				alice adds Session-Expires: 100;refresher=uac
				alice 200 UPDATE
				bob gets 200 UPDATE
				quiet`)
		}
		w.Play("bob UPDATE > alice 200\n wait 24h\n quiet")
	})
}

// RFC 4028 §6: a device that wants longer ones than we asked for, and a caller
// who wants too short ones.
func TestSessionTooShort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 422
			bob gets ACK
			bob gets INVITE (sdes A)`)
		got := w.Phones["bob"].Got["INVITE"]
		if se, cseq := wire.Header(got, "Session-Expires"), wire.Header(got, "CSeq"); se != "" || cseq != "2 INVITE" {
			t.Errorf("asked again with Session-Expires %q and CSeq %q", se, cseq)
		}
		w.Play("bob 486\n bob gets ACK\n alice gets 486 INVITE")
		w.Phones["alice"].Add("Supported: timer\nSession-Expires: 60")
		w.Play("alice INVITE bob (A)\n alice gets 422 INVITE\n quiet")
		if v := wire.Header(w.Phones["alice"].Last, "Min-SE"); v != "90" {
			t.Errorf("Min-SE %q", v)
		}
	})
}

func TestLimits(t *testing.T) {
	t.Run("of the server", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.Play(talk + "\n carol INVITE bob (C)\n carol gets 503 INVITE\n quiet")
			if v := wire.Header(w.Phones["carol"].Last, "Retry-After"); v == "" {
				t.Error("no Retry-After")
			}
		}, func(c *Config) { c.MaxCalls = 1 })
	})
	t.Run("of a user", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.Play(talk + "\n alice INVITE carol (A)\n alice gets 403 INVITE\n carol INVITE bob (C)\n bob gets INVITE (sdes C)\n bob 486\n bob gets ACK\n carol gets 486 INVITE\n quiet")
		}, func(c *Config) { c.MaxPerUser = 1 })
	})
}

// The same INVITE by two ways is one call (RFC 3261 §8.2.2.2).
func TestMerged(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play("alice INVITE bob (A)\n bob gets INVITE (sdes A)")
		alice := w.Phones["alice"]
		hs := slices.DeleteFunc(slices.Clone(alice.Sent.Headers()), func(h sip.Header) bool { return h.Name() == "Via" })
		hs = append(hs, wire.H("Via", alice.Via()))
		first := alice.Sent
		alice.Sent = wire.NewRequest("INVITE", first.Recipient, first.Body(), hs...)
		alice.Transmit(alice.Sent)
		synctest.Wait()
		w.Play("alice gets 482 INVITE")
		alice.Sent = first
		w.Play("bob 486\n bob gets ACK\n alice gets 486 INVITE\n quiet")
	})
}

// Where the number of the caller's requests is another one at the device, both
// see one row of their own.
func TestShiftedNumbers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play("alice INVITE bob (A)\n bob gets INVITE (sdes A)\n bob 488\n bob gets ACK\n bob gets INVITE (dtls A)")
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		check := func(method, sent, got string) {
			t.Helper()
			if v := wire.Header(bob.Got[method], "CSeq"); v != got {
				t.Errorf("bob got %s", v)
			}
			if v := wire.Header(alice.Last, "CSeq"); method != "ACK" && v != sent {
				t.Errorf("alice got %s", v)
			}
		}
		bob.Add("Require: 100rel\nRSeq: 7")
		w.Play("bob 183 (dtls B)\n alice gets 183 INVITE (dtls B)\n")
		check("INVITE", "1 INVITE", "2 INVITE")
		alice.Add("RAck: 7 1 INVITE")
		w.Play("alice PRACK > bob 200")
		check("PRACK", "2 PRACK", "3 PRACK")
		if v := wire.Header(bob.Got["PRACK"], "RAck"); v != "7 2 INVITE" {
			t.Errorf("RAck %s", v)
		}
		w.Play("bob 200\n alice gets 200 INVITE\n alice ACK\n bob gets ACK")
		check("ACK", "", "2 ACK")
		w.Play("alice INFO > bob 200")
		check("INFO", "3 INFO", "4 INFO")
		w.Play("bob INFO > alice 200")
		if v := wire.Header(bob.Last, "CSeq"); v != wire.Header(alice.Got["INFO"], "CSeq") {
			t.Errorf("bob's own number changed: %s", v)
		}
		w.service.Drain(cancelled())
		w.Play(bothHungUp)
		check("BYE", "3 INFO", "5 BYE")
	})
}

// RFC 3261 §18.3, RFC 2046: what is not a description alone.
func TestOtherBodies(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		send := func(kind, body, header string) {
			alice.Add("Content-Type: " + kind + "\n" + header)
			alice.Request("INVITE", "sip:bob@example.com", body)
			synctest.Wait()
		}
		const parts = "--b1\r\nContent-Type: application/pidf+xml\r\n\r\n<here/>\r\n--b1\r\nContent-Type: application/sdp\r\n\r\nA\r\n--b1--\r\n"
		send(`multipart/mixed;boundary="b1"`, parts, "")
		if got := bob.Take(); got != "INVITE ("+strings.Replace(parts, "\r\nA\r\n", "\r\nsdes A\r\n", 1)+")" {
			t.Errorf("bob got %s", got)
		}
		w.Play("bob 486\n bob gets ACK\n alice gets 486 INVITE")

		send("application/resource-lists+xml", "<list/>", "")
		w.Play("bob gets INVITE (<list/>)")
		if v := wire.Header(bob.Got["INVITE"], "Session-Expires"); v != "" || len(w.service.Live()) != 0 {
			t.Error("an INVITE without description is a call")
		}
		w.Play("bob 486\n bob gets ACK\n alice gets 486 INVITE")

		send("application/sdp", "zzz", "Content-Encoding: deflate")
		w.Play("alice gets 415 INVITE\n quiet")
	})
}

func TestRecord(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Phone("bob2", "tls")
		w.Play(`
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob2 gets INVITE (sdes A)
			wait 1s
			alice gets 100 INVITE
			bob 486
			bob gets ACK
			bob2 180
			alice gets 180 INVITE
			wait 2s
			bob2 200 (B)
			alice gets 200 INVITE (B)
			alice ACK
			bob2 gets ACK
			wait 10s
			alice BYE > bob2 200`)
		r := w.records.newest()
		if r.Direction != "internal" || r.Dialled != "sip:bob@example.com" || r.Caller.Address != "alice@example.com" ||
			r.Caller.Device != "alice phone" || r.Callee.Address != "bob@example.com" || r.Callee.Device != "bob2 phone" ||
			r.Status != 200 || r.Cause != 16 || r.EndedBy != "caller" {
			t.Errorf("record %+v", r)
		}
		if ring, talk := r.Ringing.Sub(r.Started), r.Ended.Sub(*r.Answered); ring != time.Second || talk != 10*time.Second {
			t.Errorf("rang after %v, talked %v", ring, talk)
		}
		if len(r.Attempts) != 2 || r.Attempts[0].Status != 486 || r.Attempts[0].Cause != 17 ||
			r.Attempts[1].Status != 200 || !strings.HasPrefix(r.Attempts[1].Target, "device sip:bob2@") {
			t.Errorf("attempts %+v", r.Attempts)
		}
		if len(r.Quality) != 2 || r.Quality[1].Leg != "callee" || r.Quality[0].JitterMS != 1.5 || r.Quality[0].Dropped != 3 {
			t.Errorf("quality %+v", r.Quality)
		}
		if w.records.saved != 3 {
			t.Errorf("saved %d times", w.records.saved)
		}
	})
}

// What a carrier answers without telling a cause has the one that the status
// stands for; the cause that he tells stays.
func TestCauseOfCarrier(t *testing.T) {
	c := &call{}
	begun := time.Now()
	for _, a := range []store.CallAttempt{
		{Target: "gateway a", Started: begun},
		{Target: "gateway a", Started: begun, Status: 503},
		{Target: "gateway b", Started: begun, Status: 503, Cause: 34},
		{Target: "gateway c", Started: begun, Status: 200},
	} {
		c.attempted(a)
	}
	var causes []int
	for _, a := range c.record.Attempts {
		causes = append(causes, a.Cause)
	}
	if !slices.Equal(causes, []int{41, 34, 0}) {
		t.Errorf("causes %v", causes)
	}
}

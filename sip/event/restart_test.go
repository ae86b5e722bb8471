package event

import (
	"context"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// cseq is that of the last NOTIFY that a phone got.
func cseq(p *siptest.Phone) int {
	number, _, _ := strings.Cut(wire.Header(p.Got["NOTIFY"], "CSeq"), " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return math.MinInt
	}
	return n
}

// A restart is not noticed: what was missed comes with the next REGISTER, in the
// same dialog, and the numbers grow.
func TestRestart(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		w.Play(`
			subscribe alice team 3600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)
			alice 200 NOTIFY
			change team
			alice gets NOTIFY (team +4)
			alice 200 NOTIFY
			restart now
			quiet
			registers alice
			quiet                       # she missed nothing
			restart now
			change team                 # nobody is told before he is there, or there are news
			alice gets NOTIFY (team +5)`)
		w.header("alice", "Call-ID", alice.Dialog.CallID)
		w.header("alice", "To", alice.Dialog.Local)
		w.header("alice", "From", alice.Dialog.Remote)
		last := 2
		for range 5 {
			if got := cseq(alice); got <= last {
				t.Errorf("CSeq %d after %d", got, last)
			}
			last = cseq(alice)
			w.Play("alice 200 NOTIFY\nrestart now")
			w.rooms.versions["team@example.com"]++ // while nobody serves
			w.Play("registers alice")
			if got := alice.Take(); !strings.HasPrefix(got, "NOTIFY (team +") {
				t.Fatalf("got %q", got)
			}
		}
		w.Play(`
			alice 200 NOTIFY
			refresh alice 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY
			alice 200 NOTIFY
			restart now
			wait 600s
			alice gets NOTIFY
			alice 200 NOTIFY`)
		w.live(0)
	})
}

// Of a list the subscriber gets after a restart what he missed, and nothing that he
// knows: thousands come back at once.
func TestRestartOfList(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			list alice team;Last-Notify=3 den
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (den 1)
			alice 200 NOTIFY
			change team
			alice gets NOTIFY (team +4)
			alice 200 NOTIFY
			restart now
			change hall
			quiet
			registers alice
			quiet
			restart now`)
		w.rooms.versions["team@example.com"]++ // while nobody serves
		w.Play(`
			registers alice
			alice gets NOTIFY (team +5)
			alice 200 NOTIFY
			change den
			alice gets NOTIFY (den +2)
			alice 200 NOTIFY`)
		for range saveEvery - 1 { // more than the store was told
			w.change("den")
			w.take("alice")
		}
		last := cseq(w.Phones["alice"])
		w.crash()
		w.Step("registers alice")
		w.take("alice")
		if got := cseq(w.Phones["alice"]); got <= last {
			t.Errorf("CSeq %d after %d", got, last)
		}
	})
}

// After a crash it is told what the last refresh, or SUBSCRIBE, found it not to know.
func TestCrashWithList(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			list alice team;Last-Notify=3 den
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (den 1)
			alice 200 NOTIFY
			change team
			alice gets NOTIFY (team +4)
			alice 200 NOTIFY`)
		w.crash()
		w.Play(`
			registers alice
			alice gets NOTIFY (team +4)
			alice 200 NOTIFY
			alice gets NOTIFY (den 1)
			alice 200 NOTIFY
			quiet`)
	})
}

// What expired while nobody served, or has no package any more, is removed.
func TestRestoreForgets(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			subscribe alice team 60
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)
			alice 200 NOTIFY`)
		w.store.rows["another package"] = store.Subscription{Package: "presence"}
		w.n.Close()
		sleep(60e9)
		delete(w.store.rows, "another package")
		w.start()
		w.live(0)
	})
}

// A failing store ends the start, and says why.
func TestRestoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Packages: []Package{&rooms{}}})
		defer n.Close()
		err := n.Restore(t.Context(), func(_ context.Context, _ func(store.Subscription) error) error { return store.ErrUnavailable })
		if err != store.ErrUnavailable {
			t.Error(err)
		}
	})
}

// A subscription is saved for what it was told and seldom for its numbers.
func TestSaves(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			list alice team
			alice gets 200 SUBSCRIBE`)
		w.take("alice")
		before := w.store.saves
		for range saveEvery * 2 {
			w.change("team")
			w.take("alice")
		}
		if got := w.store.saves - before; got < 1 || got > 3 {
			t.Errorf("saved %d times", got)
		}
		for _, row := range w.store.rows {
			if int(row.LocalCSeq)+leap <= cseq(w.Phones["alice"]) {
				t.Errorf("CSeq %d in the store, %d used", row.LocalCSeq, cseq(w.Phones["alice"]))
			}
		}
	})
}

// Who is removed, or whose device is revoked, is told of nothing any more.
func TestForgottenUsers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			subscribe alice team
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)
			alice 200 NOTIFY
			list alice den hall
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (den 1)
			alice 200 NOTIFY
			alice gets NOTIFY (hall 1)
			subscribe bob team
			bob gets 200 SUBSCRIBE
			bob gets NOTIFY (team 3)
			bob 200 NOTIFY`)
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		w.live(3)
		w.n.Forget(alice.User)
		w.live(1)
		w.n.ForgetDevice(bob.User, 0) // another one
		w.live(1)
		w.Play(`
			alice 200 NOTIFY             # what was under way
			change team den
			bob gets NOTIFY (team +4)
			bob 200 NOTIFY
			quiet`)
		w.n.ForgetDevice(bob.User, w.device(bob))
		w.live(0)
		w.Play(`
			change team
			refresh bob 600
			bob gets 481 SUBSCRIBE
			quiet`)
	})
}

package focus

import (
	"testing"
	"testing/synctest"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// A BYE in a room's dialog that comes from the device in it is believed without a
// challenge, after which some clients know no dialog any more. Nothing else is.
func TestByeNeedsNoProof(t *testing.T) {
	inWorld(t, func(w *world) {
		bob := w.comes("bob2", "udp")
		w.away(w.Phones["bob"])
		uri := w.creates(w.Phones["alice"], "Subject: Team", "bob")
		w.Play("invites bob2")
		dialog := bob.Dialog
		w.doubt = true
		for _, step := range []string{"INVITE", "UPDATE", "REFER", "MESSAGE", "SUBSCRIBE"} {
			bob.InDialog(step, "")
			bob.Want("401 " + step)
		}
		bob.Request("BYE", uri, "")
		bob.Want("401 BYE")
		for what, change := range map[string]func(*siptest.Dialog){
			"Call-ID":      func(d *siptest.Dialog) { d.CallID += "x" },
			"To tag":       func(d *siptest.Dialog) { d.Remote += "x" },
			"no user":      func(d *siptest.Dialog) { d.Remote = d.Remote[:len(d.Remote)-3] },
			"another user": func(d *siptest.Dialog) { d.Remote = d.Remote[:len(d.Remote)-2] + "2p" },
			"From tag":     func(d *siptest.Dialog) { d.Local += "x" },
			"factory":      func(d *siptest.Dialog) { d.Target.User = "conference-factory" },
		} {
			bob.Dialog = dialog
			change(&bob.Dialog)
			bob.InDialog("BYE", "")
			synctest.Wait()
			if got := bob.Take(); got != "401 BYE" {
				t.Errorf("another %s: %s", what, got)
			}
		}
		// Who has seen everything sends from elsewhere.
		carol := w.Phones["carol"]
		carol.Dialog = dialog
		w.Play(`
			carol BYE
			carol gets 401 BYE`)
		bob.Dialog = dialog
		bob.Dialog.CSeq = 50
		w.Play(`
			bob2 BYE
			bob2 gets 200 BYE
			quiet`)
		if got := w.members(); got != "alice owner" {
			t.Error(got)
		}
		w.Idle()
	})
}

// A BYE to a device that is not answered is owed at its next REGISTER.
func TestByeIsNotAnswered(t *testing.T) {
	inWorld(t, func(w *world) {
		bob := w.Phones["bob"]
		w.creates(w.Phones["alice"], "Subject: Team", "bob")
		w.Play("invites bob")
		w.change(group.Remove{Users: users("bob")})
		w.Play(`
			bob gets BYE
			wait 33s
			quiet`)
		if len(w.memory.rooms) != 2 {
			t.Error("the room is forgotten")
		}
		w.registers(bob)
		w.Play("bob gets BYE")
		w.away(bob)
		w.Play("wait 33s")
		bob = w.back(bob)
		w.Play(`
			bob gets BYE
			bob 200 BYE
			quiet`)
		if got := header(bob, "BYE", "CSeq"); got != "4 BYE" {
			t.Error(got)
		}
		w.Idle()
	})
}

// The renewal of a lost dialog fails; the device is told at another time.
func TestRenewalIsNotAnswered(t *testing.T) {
	inWorld(t, func(w *world) {
		bob := w.Phones["bob"]
		w.creates(w.Phones["alice"], "Subject: Team", "bob")
		w.Play("invites bob")
		w.change(group.Remove{Users: users("bob")})
		w.Play(`
			bob gets BYE
			bob 481 BYE
			bob gets INVITE
			wait 33s
			quiet`)
		w.registers(bob)
		w.Play(`
			invites bob
			bob gets BYE
			bob 200 BYE
			quiet`)
		if len(w.memory.rooms) != 1 {
			t.Error(w.memory.rooms)
		}
		w.Idle()
	})
}

func TestJudge(t *testing.T) {
	for err, want := range map[error]verdict{
		transaction.ErrTimeout: away, transaction.ErrTransport: away, transaction.ErrOverload: unable,
	} {
		if got := judge(nil, err); got != want {
			t.Errorf("%v: %d", err, got)
		}
	}
}

// The registrar asks the store who people are; it may fail.
func TestSlowDirectory(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Slow = true
		w.creates(w.Phones["alice"], "Subject: Team", "bob", "nobody")
		w.Play("invites bob")
		if got := w.members(); got != "alice owner, bob member" {
			t.Error(got)
		}
	})
}

// A request that panics costs its sender a 500 and nobody else anything.
func TestPanic(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		w.focus.OnJoined(func(store.UserID, store.DeviceID) { panic("oh") })
		w.asks(alice, "Subject: X", "dave")
		if got := alice.Take(); got != "200 INVITE" { // it was answered before
			t.Error(got)
		}
		w.focus.cfg.Groups = nil
		w.asks(alice, "Subject: X", "dave")
		w.refusedWith(alice, 500, "trace")
	})
}

// A user who asks for more than can be done is turned away; nobody else is.
func TestOneUserLeavesRoomForOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		block := make(chan struct{})
		for range jobsEach {
			if err := w.focus.jobs.Do(alice.User, func() { <-block }); err != nil {
				t.Fatal(err)
			}
		}
		w.asks(alice, "Subject: X", "dave")
		w.refusedWith(alice, 503, "waiting")
		if wire.Header(alice.Last, "Retry-After") == "" {
			t.Error("nothing is said of when to come back")
		}
		w.creates(w.Phones["bob"], "Subject: Y", "carol")
		close(block)
		synctest.Wait()
		w.creates(alice, "Subject: Z", "carol")
	})
}

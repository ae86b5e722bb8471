package focus

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// change changes group 1 behind the clients' backs.
func (w *world) change(changes ...group.Change) {
	w.t.Helper()
	if _, err := w.groups.Change(context.Background(), group.Actor{System: true}, 1, changes...); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

func users(names ...string) (ids []store.UserID) {
	for _, n := range names {
		ids = append(ids, store.UserID(n[0]))
	}
	return ids
}

// A device that was away gets what it is owed when it registers, one INVITE after
// the other, and its messages after that.
func TestInvitedAtRegister(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		w.away(bob)
		for i := range 3 {
			w.creates(alice, fmt.Sprintf("Subject: Number %d", i), "bob")
		}
		w.Play("quiet")
		if w.focus.Standing(2, w.device(bob)) != Joining {
			t.Error("bob is not awaited")
		}
		bob = w.back(bob)
		done := w.registers(bob)
		for range 3 {
			bob.Want("INVITE")
			w.Quiet("one at a time")
			if done.Load() {
				t.Error("messages may follow before the last INVITE")
			}
			bob.Respond(200, "INVITE", "")
			bob.Want("ACK")
		}
		g, _ := w.groups.ByID(2)
		w.focus.Confirmed(bob.User, w.device(bob).ID, g.AOR())
		if !done.Load() || w.focus.Standing(2, w.device(bob)) != Inside {
			t.Error(done.Load(), w.focus.Standing(2, w.device(bob)))
		}
		// A refresh costs nothing more.
		if done := w.registers(bob); !done.Load() {
			t.Error("a refresh is not answered for at once")
		}
		w.Play("quiet")
		w.Idle()
	})
}

// A device that shows no rooms is none of our business.
func TestOtherPhonesAreNotInvited(t *testing.T) {
	inWorld(t, func(w *world) {
		w.memory.user("erin")
		w.Phone("erin", "udp") // without a GRUU
		w.creates(w.Phones["alice"], "Subject: Team", "erin")
		w.Play("quiet")
		erin := w.Targets["erin"][0].Device
		called := false
		w.focus.Reachable(erin.User, erin.ID, func() { called = true })
		if !called {
			t.Error("messages must wait")
		}
		if w.focus.Standing(1, &erin) != Outside {
			t.Error("a plain phone is awaited in a room")
		}
		w.Play("quiet")
	})
}

func TestRefusal(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		w.creates(alice, "Subject: Team", "bob")
		w.joined = nil
		w.Play("invites bob 603")
		if w.standing(bob) != Outside || len(w.joined) != 1 {
			t.Error("bob has refused", w.standing(bob), w.joined)
		}
		if done := w.registers(bob); !done.Load() {
			t.Error("a refresh waits")
		}
		w.Play("quiet")
		w.away(bob)
		bob = w.back(bob) // it registers anew
		w.Play(`
			invites bob
			quiet`)
		if w.standing(bob) != Inside {
			t.Error("not in the room")
		}
		w.Idle()
	})
}

// What is no refusal is tried again at the next REGISTER, but not for ever: messages
// wait for it.
func TestFailures(t *testing.T) {
	for _, status := range []string{"480", "487", "408", "500", "503"} {
		t.Run(status, func(t *testing.T) {
			inWorld(t, func(w *world) {
				alice, bob := w.Phones["alice"], w.Phones["bob"]
				w.creates(alice, "Subject: Team", "bob")
				w.Play("invites bob " + status)
				for range maxFailures - 1 {
					if w.standing(bob) != Joining {
						t.Error("given up too early")
					}
					w.Play("quiet")
					w.registers(bob)
					w.Play("invites bob " + status)
				}
				if w.standing(bob) != Outside {
					t.Error("messages wait for ever")
				}
				w.registers(bob)
				w.Play("quiet")
				w.Idle()
			})
		})
	}
}

func TestSilence(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		w.creates(alice, "Subject: Team", "bob")
		w.Play(`
			bob gets INVITE
			wait 10s`)
		done := w.registers(bob)
		w.Play(`
			wait 20s
			quiet`)
		if done.Load() {
			t.Error("messages may follow an INVITE that is not answered")
		}
		w.Play("wait 3s")
		if !done.Load() || w.standing(bob) != Joining {
			t.Error(done.Load(), w.standing(bob))
		}
		w.registers(bob)
		w.Play("invites bob")
		w.Idle()
	})
}

// A client that rings and does not answer by itself is cancelled.
func TestRinging(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		w.creates(alice, "Subject: Team", "bob")
		w.Play(`
			bob gets INVITE
			bob 180
			wait 31s
			bob gets CANCEL
			bob 200 CANCEL
			bob 487
			bob gets ACK
			quiet`)
		if w.standing(bob) != Joining {
			t.Error(w.standing(bob))
		}
		w.Idle()
	})
}

// A flow that breaks while an INVITE is under way costs nothing but this INVITE;
// and one that has silently gone does not delay the device that is back.
func TestNewFlow(t *testing.T) {
	for name, gone := range map[string]bool{"broken": true, "silent": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				alice, bob := w.Phones["alice"], w.Phones["bob"]
				w.creates(alice, "Subject: Team", "bob")
				w.Play("bob gets INVITE")
				if gone {
					w.away(bob)
				}
				bob = w.back(bob)
				w.Play(`
					invites bob
					quiet`)
				if w.standing(bob) != Inside {
					t.Error(w.standing(bob))
				}
				w.Play(`wait 40s`)
				if w.standing(bob) != Inside || len(w.memory.rooms) != 2 {
					t.Error("the end of the first INVITE did something")
				}
				w.Idle()
			})
		})
	}
}

// A 2xx that comes again, because the ACK was lost, is acknowledged again.
func TestSecondAnswer(t *testing.T) {
	inWorld(t, func(w *world) {
		bob2 := w.comes("bob2", "udp")
		w.creates(w.Phones["alice"], "Subject: Team", "bob")
		w.Play(`
			invites bob
			invites bob2`)
		bob2.Respond(200, "INVITE", "")
		bob2.Want("ACK")
		if via := header(bob2, "ACK", "Via"); !strings.HasPrefix(via, "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=") {
			t.Error(via)
		}
		w.Play("quiet")
		w.Idle()
	})
}

// Who is taken out while he is away hears of it when he is back, after a restart
// too, and in a dialog that the client remembers.
func TestRemovedWhileAway(t *testing.T) {
	for name, restart := range map[string]bool{"running": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				bob := w.Phones["bob"]
				w.creates(w.Phones["alice"], "Subject: Team", "bob")
				w.Play("invites bob")
				w.away(bob)
				w.change(group.Remove{Users: users("bob")})
				w.Play("quiet")
				if restart {
					w.restart(true)
				}
				if w.standing(bob) != Inside { // as far as the device knows
					t.Error(w.standing(bob))
				}
				bob = w.back(bob)
				done := w.registers(bob)
				w.Play(`bob gets BYE`)
				if done.Load() {
					t.Error("messages may come before the BYE")
				}
				if got, want := header(bob, "BYE", "To"), "<sip:bob@example.com;gr=urn:uuid:bob>;tag=bob"; got != want {
					t.Errorf("To: %s, want %s", got, want)
				}
				if restart && header(bob, "BYE", "CSeq") != "102 BYE" {
					t.Error("CSeq did not jump:", header(bob, "BYE", "CSeq"))
				}
				w.Play(`
					bob 200 BYE
					quiet`)
				if w.standing(bob) != Inside || !done.Load() || len(w.memory.rooms) != 1 {
					t.Error(w.standing(bob), done.Load(), w.memory.rooms)
				}
				w.Idle()
			})
		})
	}
}

// A client that was started again knows no dialog, and still shows the room: it is
// invited once more, for the BYE.
func TestRemovedAfterTheClientWasStartedAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		bob := w.Phones["bob"]
		w.creates(w.Phones["alice"], "Subject: Team", "bob")
		w.Play("invites bob")
		first := bob.Dialog.CallID
		w.change(group.Remove{Users: users("bob")})
		w.Play(`
			bob gets BYE
			bob 481 BYE
			invites bob`)
		if got := header(bob, "INVITE", "Subject"); got != "" {
			t.Errorf("he is told that the group is called %s", got)
		}
		if bob.Dialog.CallID == first {
			t.Error("no dialog of its own")
		}
		w.Play(`
			bob gets BYE
			bob 481 BYE
			quiet`)
		if len(w.memory.rooms) != 1 {
			t.Error(w.memory.rooms)
		}
		w.Idle()
	})
}

func TestRemovedAndRefusesToHearOfIt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.creates(w.Phones["alice"], "Subject: Team", "bob")
		w.Play("invites bob")
		w.change(group.Remove{Users: users("bob")})
		w.Play(`
			bob gets BYE
			bob 481 BYE
			invites bob 488
			quiet`)
		if len(w.memory.rooms) != 1 {
			t.Error(w.memory.rooms)
		}
		w.Idle()
	})
}

// Comes, goes and comes again faster than his devices answer.
func TestBackAndForth(t *testing.T) {
	inWorld(t, func(w *world) {
		bob := w.Phones["bob"]
		w.creates(w.Phones["alice"], "Subject: Team", "bob")
		w.Play("bob gets INVITE")
		w.change(group.Remove{Users: users("bob")})
		w.Play(`
			bob 200
			bob gets ACK
			bob gets BYE`)
		w.change(group.Add{Users: users("bob")})
		w.Play(`
			quiet
			bob 200 BYE
			invites bob
			quiet`)
		if w.standing(bob) != Inside || len(w.memory.rooms) != 2 {
			t.Error(w.standing(bob), w.memory.rooms)
		}
		// Out and in again while he is away: one INVITE.
		w.away(bob)
		w.change(group.Remove{Users: users("bob")})
		w.change(group.Add{Users: users("bob")})
		w.back(bob)
		w.Play(`
			invites bob
			quiet`)
		w.Idle()
	})
}

// A BYE of a device whose user has been taken out in this moment.
func TestByesCross(t *testing.T) {
	inWorld(t, func(w *world) {
		w.creates(w.Phones["alice"], "Subject: Team", "bob")
		w.Play("invites bob")
		w.change(group.Remove{Users: users("bob")})
		w.Play(`
			bob BYE
			bob gets BYE
			bob gets 200 BYE
			bob 481 BYE
			quiet`)
		if len(w.memory.rooms) != 1 {
			t.Error(w.memory.rooms)
		}
		w.Idle()
	})
}

// A restart is not noticed; rows that were not written cost an INVITE more.
func TestRestart(t *testing.T) {
	inWorld(t, func(w *world) {
		bob, carol := w.Phones["bob"], w.Phones["carol"]
		w.creates(w.Phones["alice"], "Subject: Team", "bob", "carol")
		w.Play(`
			invites bob
			invites carol`)
		delete(w.memory.rooms, [2]int64{1, int64(w.device(carol).ID)})
		w.restart(false)
		if w.standing(bob) != Inside || w.standing(carol) != Joining {
			t.Error(w.standing(bob), w.standing(carol))
		}
		w.registers(bob)
		w.registers(carol)
		w.Play(`
			invites carol
			quiet`)
		bob.Dialog.CSeq = 7
		w.Play(`
			bob BYE
			bob gets 200 BYE
			quiet`)
		w.Idle()
	})
}

func TestRestoreForgetsDevicesThatAreNoMore(t *testing.T) {
	inWorld(t, func(w *world) {
		bob, carol := w.Phones["bob"], w.Phones["carol"]
		w.creates(w.Phones["alice"], "Subject: Team", "bob", "carol")
		w.Play(`
			invites bob
			invites carol`)
		now := time.Now()
		revoked := *w.device(bob)
		revoked.Revoked = &now
		w.memory.device(revoked)
		delete(w.memory.devices, w.device(carol).ID)
		w.memory.SaveRooms([]store.RoomDevice{{Group: 9, User: 'a', Device: w.device(w.Phones["alice"]).ID}}, nil)
		w.restart(true)
		if len(w.memory.rooms) != 1 {
			t.Error(w.memory.rooms)
		}
	})
}

// Many devices are invited side by side, not more than the limit at once.
func TestLimit(t *testing.T) {
	inWorld(t, func(w *world) {
		w.focus.line.mu.Lock()
		w.focus.line.limit = 2
		w.focus.line.mu.Unlock()
		var phones []*siptest.Phone
		for i := range 4 {
			phones = append(phones, w.comes(fmt.Sprint("bob", i+2), "tls"))
		}
		w.away(w.Phones["bob"])
		w.creates(w.Phones["alice"], "Subject: Team", "bob")
		open := 0
		for open < len(phones) {
			asked := 0
			for _, p := range phones {
				if m, ok := p.Next().(*sip.Request); ok && m.Method == "INVITE" {
					p.Got["INVITE"] = m
					asked++
				}
			}
			if asked == 0 || asked > 2 {
				t.Fatalf("%d INVITEs at once", asked)
			}
			open += asked
			for _, p := range phones {
				if p.Got["INVITE"] != nil {
					p.Respond(200, "INVITE", "")
					p.Want("ACK")
					delete(p.Got, "INVITE")
				}
			}
		}
		if waiting, underWay := w.focus.line.load(); waiting+underWay != 0 {
			t.Error(waiting, underWay)
		}
		w.Idle()
	})
}

// By a proxy of their own, over WebSocket: Path and Record-Route.
func TestPathAndWebSocket(t *testing.T) {
	inWorld(t, func(w *world) {
		w.away(w.Phones["bob"])
		bob := w.comes("bob3", "wss path=<sip:edge.example.net;lr>")
		w.creates(w.Phones["alice"], "Subject: Team", "bob")
		w.Play(`invites bob3`)
		for _, method := range []string{"INVITE", "ACK"} {
			if got := header(bob, method, "Route"); got != "<sip:edge.example.net;lr>" {
				t.Errorf("%s goes by %s", method, got)
			}
		}
		if got := header(bob, "INVITE", "Record-Route"); got != "<sip:192.0.2.1:5061;transport=ws;lr>" {
			t.Error(got)
		}
		if got := wire.URIString(&bob.Got["ACK"].Recipient); got != "sip:bob@example.com;gr=urn:uuid:bob3" {
			t.Error(got)
		}
	})
}

// The rooms of who is removed or disabled end with that, also in the store; and those
// of a revoked device.
func TestForgottenUsers(t *testing.T) {
	for _, how := range []string{"in the room", "being invited", "being told BYE", "away"} {
		t.Run(how, func(t *testing.T) {
			inWorld(t, func(w *world) {
				alice, bob := w.Phones["alice"], w.Phones["bob"]
				w.creates(alice, "Subject: Team", "bob", "carol")
				w.Play("invites carol")
				if how == "being invited" {
					bob.Want("INVITE")
				} else {
					w.Play("invites bob")
				}
				if how == "being told BYE" {
					if _, err := w.groups.Change(w.t.Context(), group.Actor{System: true}, w.group().ID, group.Remove{Users: []store.UserID{bob.User}}); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					bob.Want("BYE")
				}
				device := *w.device(bob)
				w.away(bob)
				w.focus.Forget(bob.User)
				synctest.Wait()
				time.Sleep(time.Minute) // what was under way times out
				sh := w.focus.devices.of(bob.User)
				if known := sh.find(bob.User, device.ID); known != nil {
					t.Errorf("known: %+v", known)
				}
				for _, row := range w.memory.rooms {
					if row.User == bob.User {
						t.Errorf("kept: %+v", row)
					}
				}
				if _, underWay := w.focus.line.load(); underWay != 0 {
					t.Errorf("%d requests are under way", underWay)
				}
				carol := w.Phones["carol"]
				if w.standing(carol) != Inside {
					t.Error("another member is not in the room any more")
				}
				w.focus.ForgetDevice(carol.User, w.device(carol).ID)
				if w.standing(carol) == Inside {
					t.Error("a revoked device is in the room")
				}
				for p := range w.Phones {
					w.Phones[p].Take()
				}
			})
		})
	}
}

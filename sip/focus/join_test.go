package focus

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/wire"
)

// A client that was started again has lost its dialog: it opens another one, and
// renames or leaves in that.
func TestRejoin(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		uri := w.creates(alice, "Subject: Team", "bob")
		w.Play("invites bob")
		old := bob.Dialog
		bob.Add("Require: recipient-list-invite")
		bob.Request("INVITE", uri, "")
		bob.Want("200 INVITE")
		bob.InDialog("ACK", "")
		if header := wire.Header(bob.Last, "Contact"); header != "<"+uri+">;isfocus;text" {
			t.Error(header)
		}
		if len(w.memory.rooms) != 2 {
			t.Errorf("%d rows", len(w.memory.rooms))
		}
		// What comes in the old one is too late.
		now := bob.Dialog
		bob.Dialog = old
		w.Play(`
			bob BYE
			bob gets 481 BYE`)
		bob.Dialog = now
		w.Play(`
			bob BYE
			bob gets 200 BYE
			quiet`)
		if got := w.members(); got != "alice owner" {
			t.Error(got)
		}
		w.Idle()
	})
}

func TestRejoinWithSubject(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		uri := w.creates(alice, "Subject: Team", "bob")
		w.Play("invites bob")
		alice.Add("Subject: 新的名字")
		alice.Request("INVITE", uri, "")
		alice.Want("200 INVITE")
		alice.InDialog("ACK", "")
		bob.Add("Subject: Bob's")
		bob.Request("INVITE", uri, "")
		bob.Want("200 INVITE")
		if got := w.group().Subject; got != "新的名字" {
			t.Errorf("it is called %s", got)
		}
		// With a list it adds.
		alice.Add(listHeaders)
		alice.Request("INVITE", uri, deflated(list("carol", "bob", "nobody")))
		synctest.Wait()
		alice.Want("200 INVITE")
		w.Play("invites carol")
		if got := w.members(); got != "alice owner, bob member, carol member" {
			t.Error(got)
		}
	})
}

func TestRename(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		w.creates(alice, "Subject: Team", "bob")
		w.Play("invites bob")
		w.Play(`
			alice adds Subject: Other
			alice INVITE
			alice gets 200 INVITE
			alice ACK
			alice INVITE
			alice gets 200 INVITE
			alice ACK`)
		if g := w.group(); g.Subject != "Other" || g.Version != 2 {
			t.Errorf("%s, version %d", g.Subject, g.Version)
		}
		bob.Add("Subject: Bob's")
		w.Play("bob INVITE")
		w.refusedWith(bob, 403, "Only the owner and administrators")
		bob.Add("Content-Type: application/sdp")
		w.Play("bob INVITE (v=0)")
		w.refusedWith(bob, 488, "voice conferences come later")
		w.Idle()
	})
}

// What is sent inside a dialog, or looks so.
func TestInDialog(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		uri := w.creates(alice, "Subject: Team", "bob")
		w.Play("invites bob")
		w.Play(`
			alice UPDATE
			alice gets 200 UPDATE
			alice INFO
			alice gets 200 INFO
			alice OPTIONS
			alice gets 200 OPTIONS
			alice PRACK
			alice gets 481 PRACK
			alice NOTIFY
			alice gets 481 NOTIFY
			alice PUBLISH
			alice gets 489 PUBLISH`)
		alice.Dialog.CSeq -= 3
		w.Play(`alice UPDATE`)
		w.refusedWith(alice, 500, "older")

		// Another user's dialog is none for bob, whatever he knows of it.
		stolen := alice.Dialog
		stolen.Local = strings.Replace(stolen.Local, "alice@", "bob@", 1)
		stolen.CSeq += 10
		own := bob.Dialog
		bob.Dialog = stolen
		w.Play(`
			bob BYE
			bob gets 481 BYE`)
		bob.Dialog.Local = alice.Dialog.Local
		w.Play(`
			bob BYE
			bob gets 403 BYE`) // by the chain: From is not his
		bob.Dialog = own
		for what, change := range map[string]func(*siptest.Dialog){
			"Call-ID":  func(d *siptest.Dialog) { d.CallID += "x" },
			"To tag":   func(d *siptest.Dialog) { d.Remote += "x" },
			"From tag": func(d *siptest.Dialog) { d.Local += "x" },
			"group":    func(d *siptest.Dialog) { d.Target.User = "conference-factory" },
		} {
			bob.Dialog = own
			change(&bob.Dialog)
			w.Play("bob BYE")
			if got := bob.Take(); got != "481 BYE" {
				t.Errorf("another %s: %s", what, got)
			}
		}
		bob.Dialog = own
		for _, method := range []string{"BYE", "UPDATE", "PRACK", "INFO"} {
			bob.Request(method, uri, "")
			bob.Want("481 " + method)
		}
		if got := w.members(); got != "alice owner, bob member" {
			t.Error(got)
		}
		w.Play("quiet")
		w.Idle()
	})
}

func TestOptions(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, carol := w.Phones["alice"], w.Phones["carol"]
		uri := w.creates(alice, "Subject: Team", "bob")
		w.Play("invites bob")
		alice.Request("OPTIONS", uri, "")
		alice.Want("200 OPTIONS")
		if got := wire.Header(alice.Last, "Contact"); got != "<"+uri+">;isfocus;text" {
			t.Error(got)
		}
		alice.Request("OPTIONS", "sip:conference-factory@example.com", "")
		alice.Want("200 OPTIONS")
		// To who is not in it there is no group.
		nothing := func(method string) string {
			carol.Add("Refer-To: <sip:dave@example.com>\nSubject: Mine")
			carol.Request(method, uri, "")
			synctest.Wait()
			got := carol.Take()
			return got + wire.Header(carol.Last, "Warning")
		}
		for _, method := range []string{"OPTIONS", "INVITE", "REFER", "BYE", "UPDATE"} {
			if got := nothing(method); got != "404 "+method {
				t.Errorf("%s of a stranger: %s", method, got)
			}
		}
		for _, method := range []string{"BYE", "REFER", "FROTZ"} {
			carol.Request(method, "sip:conference-factory@example.com", "")
			carol.Want("405 " + method)
		}
		w.Play("quiet")
		w.Idle()
	})
}

// An INVITE to the group by one who cannot be in a room, or with a call in it.
func TestJoinRefuses(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		w.memory.user("erin")
		w.Phone("erin", "tls") // a desk phone
		uri := w.creates(alice, "Subject: Team", "erin")
		w.Play("quiet")
		erin := w.Phones["erin"]
		erin.Request("INVITE", uri, "v=0")
		w.refusedWith(erin, 488, "voice conferences come later")
		erin.Request("INVITE", uri, "")
		w.refusedWith(erin, 403, "GRUU")
		if w.standing(erin) != Outside {
			t.Error("a desk phone is in a room")
		}
	})
}

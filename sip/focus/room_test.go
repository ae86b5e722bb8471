package focus

import (
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/wire"
)

func TestCreate(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		w.asks(alice, "Subject: 晨会", "bob", "carol", "dave", "nobody", "eve@elsewhere.org")
		if got := alice.Take(); got != "200 INVITE" {
			t.Fatalf("alice got %q %s", got, wire.Header(alice.Last, "Warning"))
		}
		g := w.group()
		for name, want := range map[string]string{
			"Contact":      "<" + g.URI() + ">;isfocus;text",
			"Record-Route": "<sip:192.0.2.1:5061;transport=tls;lr>",
		} {
			if got := wire.Header(alice.Last, name); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		alice.InDialog("ACK", "")
		if got := w.members(); got != "alice owner, bob member, carol member, dave member" || g.Subject != "晨会" {
			t.Errorf("%s: %s", g.Subject, got)
		}
		if w.standing(alice) != Inside || w.standing(bob) != Joining {
			t.Error(w.standing(alice), w.standing(bob))
		}
		w.Play(`
			bob gets INVITE
			carol gets INVITE
			quiet                       # alice is in the room by her own INVITE
			bob 180
			bob 200
			bob gets ACK
			carol 200
			carol gets ACK
			quiet`)
		if got := strings.Join(w.joined, ", "); got != "alice 1, alice 1, bob 2, carol 3" { // alice knows, too, who is in it
			t.Error(got)
		}
		if w.standing(bob) != Inside {
			t.Error(w.standing(bob))
		}
		gruu := "<sip:bob@example.com;gr=urn:uuid:bob>"
		for name, want := range map[string]string{
			"To": gruu, "Subject": "晨会", "Contact": "<" + g.URI() + ">;isfocus;text", "CSeq": "1 INVITE", "One-To-One-Chat-Room": "",
		} {
			if got := header(bob, "INVITE", name); got != want {
				t.Errorf("%s of the INVITE: %s, want %s", name, got, want)
			}
		}
		if got := wire.URIString(&bob.Got["INVITE"].Recipient); "<"+got+">" != gruu {
			t.Errorf("Request-URI %s", got)
		}
		if from := header(bob, "INVITE", "From"); !strings.HasPrefix(from, "<"+g.URI()+">;tag=") {
			t.Errorf("From: %s", from)
		}
		if len(w.memory.rooms) != 3 {
			t.Errorf("%d rows", len(w.memory.rooms))
		}
		w.Idle()
	})
}

func TestReferAddsAndRemoves(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob, carol := w.Phones["alice"], w.Phones["bob"], w.Phones["carol"]
		g := w.creates(alice, "Subject: Team", "bob")
		room := alice.Dialog
		w.Play("invites bob")
		refer := func(to string) {
			t.Helper()
			alice.Add("Refer-To: " + to)
			alice.Request("REFER", g, "")
			alice.Want("202 REFER")
		}
		refer("<sip:carol@example.com>;text")
		w.Play("invites carol")
		refer("<sip:bob@example.com>;text;admin=1")
		if got := w.members(); got != "alice owner, bob administrator, carol member" {
			t.Error(got)
		}
		refer("<sip:bob@example.com>;text;admin=0")
		refer("<sip:bob@example.com;method=BYE>;text")
		w.Play(`
			bob gets BYE
			bob 200 BYE
			quiet`)
		if bob.Got["BYE"] == nil || wire.Header(bob.Got["BYE"], "Call-ID") != bob.Dialog.CallID {
			t.Error("BYE is not in bob's dialog")
		}
		if got := w.members(); got != "alice owner, carol member" || len(w.memory.rooms) != 2 {
			t.Error(got, len(w.memory.rooms))
		}
		// Carol leaves, and alice who is told nothing of it here, too.
		carol.Dialog.CSeq = 10
		w.Play(`
			carol BYE
			carol gets 200 BYE
			quiet`)
		alice.Dialog = room
		w.Play(`
			alice BYE
			alice gets 200 BYE
			quiet`)
		if len(w.groups.All()) != 0 || len(w.memory.rooms) != 0 {
			t.Error(w.groups.All(), w.memory.rooms)
		}
		w.Idle()
	})
}

package call

import "testing"

// A branch may be several phones (RFC 3261 §12.1): a PBX or a carrier rings with one
// tag and answers with another. What the one said reliably is not what the other
// says.
func TestSecondDialogOfABranch(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pbx()
		w.Play(`
			bob adds Require: 100rel
			bob adds RSeq: 1
			bob 183 (B)
			alice gets 183 INVITE (B)
			alice PRACK > bob 200
			bob2 200 (B2)
			alice gets 200 INVITE (B2)
			media A=B2
			alice ACK
			bob gets ACK`)
	})
}

// Two phones behind one target answer at once. The caller ends the second dialog
// (RFC 3261 §13.2.2.4), and not the call.
func TestSecondAnswerOfABranch(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pbx()
		alice := w.Phones["alice"]
		w.Play(`
			bob 200 (B)
			alice gets 200 INVITE (B)
			alice ACK
			bob gets ACK`)
		first := alice.Dialog
		w.Play(`
			bob2 200 (B2)
			alice gets 200 INVITE (B)
			alice ACK
			bob gets ACK
			alice BYE
			bob gets BYE
			bob 200 BYE`)
		alice.Take()
		if w.service.InProgress() != 1 {
			t.Fatal("the call has ended with its second dialog")
		}
		first.CSeq = alice.Dialog.CSeq
		alice.Dialog = first
		w.Play(`
			media A=B
			alice INVITE (A2)
			bob gets INVITE (sdes A2)
			bob 200 (B3)
			alice gets 200 INVITE (B3)
			alice ACK
			bob gets ACK
			alice BYE > bob 200
			quiet`)
		if r := w.records.newest(); r.EndedBy != "caller" {
			t.Errorf("ended by %s", r.EndedBy)
		}
	})
}

// pbx lets alice call bob, who is a PBX with another phone: bob2.
func (w *world) pbx() {
	w.Phone("bob2", "tls")
	w.Targets["bob"] = w.Targets["bob"][:1]
	w.Play("alice adds Supported: 100rel\nalice INVITE bob (A)\nbob gets INVITE (sdes A)")
	w.Phones["bob2"].Got["INVITE"] = w.Phones["bob"].Got["INVITE"]
	w.Phones["bob2"].Flow = w.Phones["bob"].Flow
}

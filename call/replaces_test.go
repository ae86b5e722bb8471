package call

import (
	"testing"

	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// A call that takes the place of another one (RFC 3891) comes through to one who does
// not want to be called; one that only says so does not.
func TestReplaces(t *testing.T) {
	setup := fakeSetup{
		settings: []store.CallSettings{{User: bob, DoNotDisturb: true}},
		groups:   []store.HuntGroup{{Name: "sales", Members: []string{"carol"}}},
	}
	withServices(t, &setup, func(w *world, _ *fakeBorder) {
		alice := w.Phones["alice"]
		replacing := func(callID, script string) {
			t.Helper()
			alice.Add("Replaces: " + callID + ";to-tag=1;from-tag=2")
			w.Play(script)
		}
		const refused = `
			alice INVITE bob (A)
			alice gets 480 INVITE
			quiet`
		w.Play("bob INVITE sales (B)\ncarol gets INVITE (sdes B)\ncarol 200 (C)\nbob gets 200 INVITE (C)\nbob ACK\ncarol gets ACK")
		callID := wire.Header(w.Phones["bob"].Sent, "Call-ID")
		replacing("made-up", refused)
		replacing(callID, `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 486
			bob gets ACK
			alice gets 486 INVITE
			quiet`)
		replacing(callID, `
			alice INVITE sales (A)         # as she was called
			carol gets INVITE (sdes A)
			carol 486
			carol gets ACK
			alice gets 486 INVITE
			quiet`)
		w.Play("bob BYE\ncarol gets BYE\ncarol 200 BYE\nbob gets 200 BYE")
		replacing(callID, refused)
	})
}

package call

import (
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// A user or a hunt group with the number 110 does not stand before the police; but
// calls from outside and diversions do not become emergency calls.
func TestEmergencyNumberOfSomebody(t *testing.T) {
	setup := fakeSetup{
		settings: []store.CallSettings{{User: carol, ForwardAlways: "110"}},
		groups:   []store.HuntGroup{{Name: "sales", Numbers: []string{"110"}, Members: []string{"bob"}}},
	}
	for name, setup := range map[string]*fakeSetup{"a user": {settings: setup.settings}, "a group": &setup} {
		t.Run(name, func(t *testing.T) {
			withServices(t, setup, func(w *world, _ *fakeBorder) {
				w.Targets["110"] = w.Targets["bob"]
				for _, caller := range []string{"alice", "dave"} {
					w.Play(caller + " INVITE 110 (A)\ncarrier gets INVITE (plain A)\ncarrier 486\ncarrier gets ACK\n" + caller + " gets 486 INVITE\nquiet")
				}
				w.Play(`
					alice INVITE carol (A)
					alice gets 181 INVITE
					bob gets INVITE (sdes A)
					bob 486
					bob gets ACK
					alice gets 486 INVITE
					quiet`)
			})
		})
	}
}

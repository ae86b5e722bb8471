package call

import (
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// The limit of a user stands in the place of the server's, for calls inside too.
func TestCallsOfAUser(t *testing.T) {
	for _, tt := range []struct {
		name         string
		servers, own int
		secondPasses bool
	}{
		{"the server's", 1, 0, false},
		{"his own, without one of the server", 0, 1, false},
		{"his own, which is less", 5, 1, false},
		{"his own, which is more", 1, 2, true},
		{"none", 0, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setup := fakeSetup{settings: []store.CallSettings{{User: alice, MaxCalls: tt.own}}}
			withServices(t, &setup, func(w *world, _ *fakeBorder) {
				w.service.cfg.MaxPerUser = tt.servers
				w.Play(talk)
				if tt.secondPasses {
					w.Play("alice INVITE carol (A)\ncarol gets INVITE (sdes A)\ncarol 486\ncarol gets ACK\nalice gets 486 INVITE")
				} else {
					w.Play("alice INVITE carol (A)\nalice gets 403 INVITE\nquiet")
				}
				w.service.Drain(cancelled())
				w.TakeAll()
			})
		})
	}
}

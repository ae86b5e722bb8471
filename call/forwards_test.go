package call

import (
	"errors"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// Forwards that could never ring anybody.
func TestForwardsToNobody(t *testing.T) {
	s := withSettings(t, &fakeSetup{})
	for _, to := range []string{"+86101", "sip:+86-101@example.org", "tel:+86101", "tel:nobody"} {
		for _, set := range []store.CallSettings{{ForwardAlways: to}, {ForwardBusy: to}, {ForwardNoAnswer: to}, {ForwardOffline: to}} {
			set.User = alice
			if _, err := s.SetSettings(t.Context(), set); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), to) {
				t.Errorf("alice forwards to %s: %v", to, err)
			}
			set.User = bob
			if _, err := s.SetSettings(t.Context(), set); (err == nil) == (to == "tel:nobody") {
				t.Errorf("bob forwards to %s: %v", to, err)
			}
		}
	}
}

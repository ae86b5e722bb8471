package call

import (
	"testing"

	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Each user and each hunt group has an hour of its own; a transfer that was judged
// is not yet a call.
func TestCallsOfAnHour(t *testing.T) {
	group := func(name string) store.HuntGroup {
		return store.HuntGroup{Name: name, Members: []string{"erin"}, Overflow: "0105550000"}
	}
	setup := fakeSetup{groups: []store.HuntGroup{group("sales"), group("support")}}
	withRealBorder(t, &setup, func(w *world, b *guardedBorder) {
		class := store.ClassOfService{Name: "default", CallsPerHour: 1}
		if _, err := b.real.SetClass(t.Context(), class); err != nil {
			t.Fatal(err)
		}
		alice := w.phones["alice"]
		for range 2 {
			alice.extra = append(alice.extra, wire.H("Refer-To", "<sip:0105550000@example.com>"))
			alice.ask("REFER", "sip:carol@example.com")
			w.play("carol gets REFER\ncarol 200 REFER\nalice gets 200 REFER")
		}
		for _, step := range []struct {
			to    string
			rings bool
		}{
			{"sales", true}, {"sales", false}, {"support", true}, {"support", false}, {"0105550000", true}, {"0105550000", false},
		} {
			alice.invite("sip:" + step.to + "@example.com")
			rings := w.phones["carrier"].take() != ""
			if rings != step.rings {
				t.Errorf("%s goes out: %v", step.to, rings)
			}
			if rings {
				w.play("carrier 486\ncarrier gets ACK")
			}
			w.drainPhones()
		}
	})
}

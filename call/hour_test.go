package call

import (
	"testing"

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
		for range 2 {
			w.Play("alice adds Refer-To: <sip:0105550000@example.com>\nalice REFER carol\ncarol gets REFER\ncarol 200 REFER\nalice gets 200 REFER")
		}
		for _, step := range []struct {
			to    string
			rings bool
		}{
			{"sales", true}, {"sales", false}, {"support", true}, {"support", false}, {"0105550000", true}, {"0105550000", false},
		} {
			w.invite("alice", "sip:"+step.to+"@example.com")
			rings := w.Phones["carrier"].Take() != ""
			if rings != step.rings {
				t.Errorf("%s goes out: %v", step.to, rings)
			}
			if rings {
				w.Play("carrier 486\ncarrier gets ACK")
			}
			w.TakeAll()
		}
	})
}

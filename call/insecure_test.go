package call

import (
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// A caller whose description cannot be used rings nobody, however many there are to
// try.
func TestUnusableOfferRingsNobody(t *testing.T) {
	setup := fakeSetup{
		groups: []store.HuntGroup{
			{Name: "serial", Serial: true, Members: []string{"bob", "carol"}, Overflow: "dave"},
			{Name: "parallel", Members: []string{"bob", "carol"}, Overflow: "0105550000"},
		},
	}
	for _, called := range []string{"bob", "serial", "parallel", "0105550000"} {
		for offer, refusal := range map[string]string{"plain": "488", "malformed": "400"} {
			t.Run(called+" "+offer, func(t *testing.T) {
				withServices(t, &setup, func(w *world, _ *fakeBorder) {
					w.Play("alice INVITE " + called + " (" + offer + ")\n alice gets " + refusal + " INVITE\n quiet")
				})
			})
		}
	}
}

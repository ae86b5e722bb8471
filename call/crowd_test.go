package call

import (
	"fmt"
	"testing"

	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// All devices of a large group ring at once: bob's, and 80 of dave, as those of many
// members would.
func TestLargeGroupRings(t *testing.T) {
	setup := fakeSetup{groups: []store.HuntGroup{{Name: "sales", Members: []string{"bob", "dave"}}}}
	withServices(t, &setup, func(w *world, _ *fakeBorder) {
		names := []string{"bob", "dave", "dave2"}
		for i := range 78 {
			names = append(names, w.Phone(fmt.Sprint("dave", i+3), "tls").Name)
		}
		w.Play("alice INVITE sales (A)")
		for _, name := range names {
			p := w.Phones[name]
			p.Want("INVITE (sdes A)")
			if got := wire.Header(p.Got["INVITE"], "Max-Breadth"); got != "1" {
				t.Errorf("%s may make %s of it", name, got)
			}
			w.Step(name + " 486")
			w.Step(name + " gets ACK")
		}
		w.Play("alice gets 486 INVITE\nquiet")
	})
}

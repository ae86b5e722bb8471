package media_test

import (
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/media"
)

// TestCrowd has many calls on two loops begin, talk, change and end at the same
// time, with everything that may be called meanwhile.
func TestCrowd(t *testing.T) {
	metrics := prometheus.NewRegistry()
	e := newEngine(t, func(c *media.Config) { c.Loops, c.Metrics = 2, metrics })
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	pairs := [][2]flavour{{sdesPhone, plainPhone}, {gcmPhone, dtlsPhone}, {icePhone, osrtpPhone}, {plainPhone, webPhone}}
	var parties sync.WaitGroup
	for _, pair := range pairs {
		parties.Go(func() {
			for range rounds {
				c := newCall(t, e, newPhone(t, pair[0], "audio"), newPhone(t, pair[1]))
				var others sync.WaitGroup
				others.Go(func() { c.a.Report(); c.b.Keying(); e.Usage() })
				c.talk(5)
				c.exchange(c.caller, c.callee, c.a, c.b)
				c.talk(5)
				others.Go(c.b.Close)
				others.Go(c.session.Close)
				others.Go(func() { c.a.Report() })
				others.Wait()
			}
		})
	}
	parties.Wait()
	if u := e.Usage(); u.Sessions != 0 || u.Legs != 0 || u.Ports != 0 {
		t.Errorf("in use: %+v", u)
	}
	counter(t, metrics, "sparkle_media_packets_total", "", float64(20*rounds*len(pairs)))
	counter(t, metrics, "sparkle_media_handshakes_total", "done", float64(4*rounds))
}

package call

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/store"
)

// A call that is over counts by how it ended and by what became of its packets:
// a party cannot have lost more than it was sent.
func TestFinished(t *testing.T) {
	m := newMetrics(prometheus.NewRegistry())
	now := time.Now()
	m.finished(&store.CallRecord{Status: 200, Answered: &now, Ended: &now, Quality: []store.CallQuality{
		{Received: 90, Lost: 10, Sent: 50, LostRemote: 5},
		{Received: 1, Sent: 3, LostRemote: 1 << 40},
	}})
	for _, status := range []int{486, 487, 408, 603, 404, 500} {
		m.finished(&store.CallRecord{Status: status, Ended: &now})
	}
	for _, result := range results() {
		if n := testutil.ToFloat64(m.ended.WithLabelValues(result)); n != 1 {
			t.Errorf("%v calls ended as %q", n, result)
		}
	}
	if n := testutil.CollectAndCount(m.ended); n != len(results()) {
		t.Errorf("%d results, want %d", n, len(results()))
	}
	for fate, want := range map[string]float64{"arrived": 90 + 45 + 1, "lost": 10 + 5 + 3} {
		if n := testutil.ToFloat64(m.packets.WithLabelValues(fate)); n != want {
			t.Errorf("%v packets %s, want %v", n, fate, want)
		}
	}
}

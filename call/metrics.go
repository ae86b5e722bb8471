package call

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

type metrics struct {
	live     prometheus.Gauge
	started  *prometheus.CounterVec
	ended    *prometheus.CounterVec
	denied   *prometheus.CounterVec
	setup    prometheus.Histogram
	duration prometheus.Histogram
	mos      prometheus.Histogram
	packets  *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		live: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sparkle_call_live", Help: "Calls in progress, those that ring too.",
		}),
		started: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_call_started_total", Help: "Calls that began, by direction.",
		}, []string{"direction"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_call_ended_total", Help: "Calls that ended, by result.",
		}, []string{"result"}),
		denied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_call_denied_total", Help: "Calls, diversions and transfers that somebody tried and may not, by why.",
		}, []string{"why"}),
		setup: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sparkle_call_setup_seconds", Help: "From the INVITE to the first ringing or answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10},
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sparkle_call_duration_seconds", Help: "From the answer to the end.",
			Buckets: []float64{1, 5, 15, 30, 60, 180, 600, 1800, 3600, 10800},
		}),
		mos: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sparkle_call_mos", Help: "Estimated quality of what each side sent (ITU-T G.107), 1 to 4.5.",
			Buckets: []float64{2, 2.5, 3, 3.3, 3.6, 3.8, 4, 4.2, 4.4},
		}),
		packets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_call_packets_total", Help: "Packets of media between parties and relay, both ways, in calls that have ended, by fate: arrived or lost.",
		}, []string{"fate"}),
	}
	// From the start, so that the first one is an increase.
	for _, why := range denials() {
		m.denied.WithLabelValues(why)
	}
	for _, result := range results() {
		m.ended.WithLabelValues(result)
	}
	for _, fate := range []string{"arrived", "lost"} {
		m.packets.WithLabelValues(fate)
	}
	if r != nil {
		r.MustRegister(m.live, m.started, m.ended, m.denied, m.setup, m.duration, m.mos, m.packets)
	}
	return m
}

// finished counts a call that is over.
func (m *metrics) finished(r *store.CallRecord) {
	m.ended.WithLabelValues(result(r)).Inc()
	if r.Answered != nil {
		m.duration.Observe(r.Ended.Sub(*r.Answered).Seconds())
	}
	for _, q := range r.Quality {
		if q.MOS > 0 {
			m.mos.Observe(q.MOS)
		}
		gone := min(q.LostRemote, q.Sent) // as the party says
		m.packets.WithLabelValues("arrived").Add(float64(q.Received + q.Sent - gone))
		m.packets.WithLabelValues("lost").Add(float64(q.Lost + gone))
	}
}

// began notes how long a caller waited for the first sign.
func (m *metrics) began(started, now time.Time) { m.setup.Observe(now.Sub(started).Seconds()) }

func results() []string {
	return []string{"answered", "busy", "cancelled", "no answer", "rejected", "unknown", "failed"}
}

// result is the end of a call in one word or two.
func result(r *store.CallRecord) string {
	switch {
	case r.Answered != nil:
		return "answered"
	case r.Status == 486 || r.Status == 600:
		return "busy"
	case r.Status == 487:
		return "cancelled"
	case r.Status == 480 || r.Status == 408:
		return "no answer"
	case r.Status == 403 || r.Status == 603:
		return "rejected"
	case r.Status == 404 || r.Status == 604 || r.Status == 484:
		return "unknown"
	}
	return "failed"
}

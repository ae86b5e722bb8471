package proxy

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// reason is why a request was not forwarded.
type reason int

const (
	loopFound reason = iota
	breadthUsedUp
	tokenForged
	nobodyThere
	deviceGone
	notWatched
	reasons
)

func (w reason) String() string {
	return [reasons]string{"loop", "breadth", "forged token", "unknown user", "unreachable", "call"}[w]
}

// level tells what an administrator should see from what happens all day.
func (w reason) level() slog.Level {
	switch w {
	case loopFound, breadthUsedUp, tokenForged:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

type metrics struct {
	forwarded prometheus.Counter
	refused   [reasons]prometheus.Counter
	open      prometheus.Gauge
	timedOut  prometheus.Counter
	panics    prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sparkle_proxy_refused_total",
		Help: "Requests that were not forwarded, by reason.",
	}, []string{"reason"})
	m := &metrics{
		forwarded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sparkle_proxy_forwarded_total",
			Help: "Requests sent to devices, each branch of a fork counted.",
		}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sparkle_proxy_response_contexts",
			Help: "Forwarded requests that have no final response yet.",
		}),
		timedOut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sparkle_proxy_timer_c_total",
			Help: "Calls that rang too long without news (Timer C).",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sparkle_proxy_panics_total",
			Help: "Requests that were lost to an error in the program.",
		}),
	}
	for w := range reasons {
		m.refused[w] = refused.WithLabelValues(w.String())
	}
	if r != nil {
		r.MustRegister(m.forwarded, m.open, m.timedOut, m.panics, refused)
	}
	return m
}

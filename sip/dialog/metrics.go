package dialog

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one user agent; their label agent is its name.
type metrics struct {
	live    atomic.Int64
	begun   *prometheus.CounterVec // by direction
	panics  prometheus.Counter
	dropped prometheus.Counter
	noACK   prometheus.Counter
	late    prometheus.Counter
}

func newMetrics(r prometheus.Registerer, name string) (*metrics, error) {
	labels := prometheus.Labels{"agent": name}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels})
	}
	m := &metrics{
		begun: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_dialog_sessions_total", Help: "Sessions of a user agent of ours.", ConstLabels: labels,
		}, []string{"direction"}),
		panics:  counter("sparkle_dialog_panics_total", "Handlers of sessions that panicked."),
		dropped: counter("sparkle_dialog_dropped_total", "Messages that found a queue full."),
		noACK:   counter("sparkle_dialog_unacknowledged_total", "Answers whose ACK or PRACK never came."),
		late:    counter("sparkle_dialog_late_answers_total", "Answers that came too late and were ended with BYE."),
	}
	if r == nil {
		return m, nil
	}
	live := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sparkle_dialog_sessions", Help: "Sessions at the moment.", ConstLabels: labels,
	}, func() float64 { return float64(m.live.Load()) })
	for _, c := range []prometheus.Collector{m.begun, m.panics, m.dropped, m.noACK, m.late, live} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

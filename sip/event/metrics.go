package event

import "github.com/prometheus/client_golang/prometheus"

// metrics are the counters of the package. They count also when nobody collects
// them.
type metrics struct {
	begun, ended, refused prometheus.Counter
	notifies              prometheus.Counter
	unreachable           prometheus.Counter
	postponed, rejected   prometheus.Counter
}

// newMetrics makes the metrics and registers them with reg, when not nil. live
// counts the subscriptions.
func newMetrics(reg prometheus.Registerer, live func() float64) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "sparkle_event_" + name, Help: help})
	}
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sparkle_event_notify_failures_total", Help: "NOTIFYs that a device did not take.",
	}, []string{"why"})
	m := &metrics{
		begun:       counter("begun_total", "Subscriptions that began."),
		ended:       counter("ended_total", "Subscriptions that ended."),
		refused:     counter("refused_total", "SUBSCRIBE requests that were not accepted."),
		notifies:    counter("notifies_total", "NOTIFYs sent."),
		unreachable: failed.WithLabelValues("unreachable"),
		postponed:   failed.WithLabelValues("later"),
		rejected:    failed.WithLabelValues("refused"),
	}
	if reg != nil {
		reg.MustRegister(m.begun, m.ended, m.refused, m.notifies, failed, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sparkle_event_subscriptions", Help: "Subscriptions in force.",
		}, live))
	}
	return m
}

// answer counts how a NOTIFY ended.
func (m *metrics) answer(v verdict) {
	switch v {
	case broken:
		m.unreachable.Inc()
	case later:
		m.postponed.Inc()
	case refused:
		m.rejected.Inc()
	}
}

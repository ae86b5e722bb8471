package chat

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

// metrics are the counters of the package. They count also when nobody
// collects them.
type metrics struct {
	texts, receipts prometheus.Counter
	duplicates      prometheus.Counter
	composing       prometheus.Counter
	refused         prometheus.Counter
	delivered       prometheus.Counter
	failed          prometheus.Counter
	skipped         prometheus.Counter
	retries         prometheus.Counter
	merged          prometheus.Counter
	commands        prometheus.Counter
	accept          prometheus.Histogram
	delivery        prometheus.Histogram
	fanout          prometheus.Histogram
}

// newMetrics makes the metrics and registers them with reg, when not nil.
// devices counts the device queues in memory, waiting what groups have to do.
func newMetrics(reg prometheus.Registerer, devices, waiting func() int) *metrics {
	accepted := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sparkle_chat_accepted_total", Help: "Messages committed to the archive.",
	}, []string{"kind"})
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "sparkle_chat_" + name, Help: help})
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sparkle_chat_" + name, Help: help, Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		})
	}
	m := &metrics{
		texts:      accepted.WithLabelValues("text"),
		receipts:   accepted.WithLabelValues("receipt"),
		duplicates: counter("duplicates_total", "Messages that were in the archive already."),
		composing:  counter("transient_total", "Messages passed on without being kept."),
		refused:    counter("refused_total", "Messages that were not accepted."),
		delivered:  counter("delivered_total", "Messages that a device took."),
		failed:     counter("failed_total", "Messages that a device will never take."),
		skipped:    counter("skipped_total", "Messages that a device cannot show or need not see."),
		retries:    counter("retries_total", "Deliveries put off."),
		merged:     counter("group_merged_total", "Messages of groups that were too many for memory and went to all devices by the archive."),
		commands:   counter("commands_total", "Texts that were done instead of said."),
		accept:     seconds("accept_seconds", "From a message's arrival to its 202."),
		delivery:   seconds("delivery_seconds", "From the commit of a message to the 200 of a device."),
		fanout:     seconds("fanout_seconds", "From the commit of a message in a group until all its members were given it."),
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sparkle_chat_" + name, Help: help},
			func() float64 { return float64(value()) })
	}
	if reg != nil {
		reg.MustRegister(accepted, m.duplicates, m.composing, m.refused, m.delivered, m.failed,
			m.skipped, m.retries, m.merged, m.commands, m.accept, m.delivery, m.fanout,
			gauge("device_queues", "Device queues in memory.", devices),
			gauge("group_steps", "Messages and changes of groups that wait for their turn.", waiting))
	}
	return m
}

// accepted counts a commit that took since start.
func (m *metrics) accepted(kind store.Kind, a store.Accepted, start time.Time) {
	m.accept.Observe(time.Since(start).Seconds())
	switch {
	case a.Duplicate:
		m.duplicates.Inc()
	case kind == store.KindReceipt:
		m.receipts.Inc()
	default:
		m.texts.Inc()
	}
}

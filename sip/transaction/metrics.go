package transaction

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are plain atomics on the way of a message; Prometheus reads them when
// it asks.
type metrics struct {
	live               [kinds][states]atomic.Int64
	timeouts           [kinds]atomic.Uint64
	responsesToUs      [7]atomic.Uint64 // by class, 1 to 6
	responsesByUs      [7]atomic.Uint64
	resentToUs         atomic.Uint64
	resentByUs         atomic.Uint64
	overloads, panics  atomic.Uint64
	strays             atomic.Uint64
	descLive, descTime *prometheus.Desc
	descRes, descAgain *prometheus.Desc
	descOver, descPan  *prometheus.Desc
	descStray          *prometheus.Desc
}

func newMetrics(r prometheus.Registerer) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sparkle_transaction_"+name, help, labels, nil)
	}
	m := &metrics{
		descLive:  desc("live", "Transactions by machine and state.", "kind", "state"),
		descTime:  desc("timeouts_total", "Transactions that ended by Timer B, F or H.", "kind"),
		descRes:   desc("responses_total", "Responses by direction and class.", "direction", "class"),
		descAgain: desc("retransmissions_total", "Repeated messages by direction.", "direction"),
		descOver:  desc("overloads_total", "Transactions refused because there were too many."),
		descStray: desc("strays_total", "Responses without a transaction, dropped."),
		descPan:   desc("panics_total", "Panics of transaction users that were survived."),
	}
	if r != nil {
		r.MustRegister(m)
	}
	return m
}

func (m *metrics) enter(k kind, s state)       { m.live[k][s].Add(1) }
func (m *metrics) leave(k kind, s state)       { m.live[k][s].Add(-1) }
func (m *metrics) move(k kind, from, to state) { m.leave(k, from); m.enter(k, to) }
func (m *metrics) timeout(k kind)              { m.timeouts[k].Add(1) }
func (m *metrics) sent(status int)             { m.responsesByUs[class(status)].Add(1) }
func (m *metrics) received(status int)         { m.responsesToUs[class(status)].Add(1) }

func class(status int) int { return min(max(status/100, 1), 6) }

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.descLive, m.descTime, m.descRes, m.descAgain, m.descOver, m.descPan, m.descStray} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for k := range kinds {
		for s := range states {
			v := float64(m.live[k][s].Load())
			ch <- prometheus.MustNewConstMetric(m.descLive, prometheus.GaugeValue, v, k.String(), s.String())
		}
		count(m.descTime, m.timeouts[k].Load(), k.String())
	}
	for c := 1; c <= 6; c++ {
		label := strconv.Itoa(c) + "xx"
		count(m.descRes, m.responsesToUs[c].Load(), "received", label)
		count(m.descRes, m.responsesByUs[c].Load(), "sent", label)
	}
	count(m.descAgain, m.resentToUs.Load(), "received")
	count(m.descAgain, m.resentByUs.Load(), "sent")
	count(m.descOver, m.overloads.Load())
	count(m.descPan, m.panics.Load())
	count(m.descStray, m.strays.Load())
}

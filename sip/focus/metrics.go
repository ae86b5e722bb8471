package focus

import (
	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the counters of the package. They count also when nobody collects
// them.
type metrics struct {
	requests map[sip.RequestMethod]prometheus.Counter
	refused  prometheus.Counter
	invites  prometheus.Counter
	results  [away + 1]prometheus.Counter
	byes     prometheus.Counter
	states   prometheus.Counter
}

// newMetrics makes the metrics and registers them with reg, when not nil.
func newMetrics(reg prometheus.Registerer, s *Service) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "sparkle_focus_" + name, Help: help})
	}
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sparkle_focus_invited_total", Help: "INVITEs to devices by what came of them.",
	}, []string{"result"})
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sparkle_focus_requests_total", Help: "Requests to groups and to their factory.",
	}, []string{"method"})
	m := &metrics{
		requests: map[sip.RequestMethod]prometheus.Counter{},
		refused:  counter("refused_total", "Requests that were not answered with 2xx."),
		invites:  counter("invites_total", "INVITEs sent to devices."),
		byes:     counter("byes_total", "BYEs sent to devices."),
		states:   counter("documents_total", "Documents about a group that were written; subscribers share them."),
	}
	for _, method := range []sip.RequestMethod{sip.INVITE, sip.ACK, sip.BYE, sip.REFER, sip.OPTIONS, sip.UPDATE, sip.INFO, otherMethod} {
		m.requests[method] = requests.WithLabelValues(string(method))
	}
	for v, name := range map[verdict]string{accepted: "accepted", refused: "refused", unable: "unable", away: "away"} {
		m.results[v] = results.WithLabelValues(name)
	}
	if reg != nil {
		gauge := func(name, help string, value func() int) prometheus.Collector {
			return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sparkle_focus_" + name, Help: help},
				func() float64 { return float64(value()) })
		}
		reg.MustRegister(requests, m.refused, m.invites, results, m.byes, m.states,
			gauge("waiting", "Devices that wait to be told of groups.", func() int { n, _ := s.line.load(); return n }),
			gauge("under_way", "Requests to devices that are not answered.", func() int { _, n := s.line.load(); return n }))
	}
	return m
}

// otherMethod is counted for what nobody has heard of.
const otherMethod = "other"

func (m *metrics) request(method sip.RequestMethod) {
	counter, known := m.requests[method]
	if !known {
		counter = m.requests[otherMethod]
	}
	counter.Inc()
}

func (m *metrics) invited(v verdict) { m.results[v].Inc() }

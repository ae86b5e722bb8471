package server

import (
	"sync/atomic"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
)

// counters of the chain.
type counters struct {
	byMethod map[string]prometheus.Counter // those we know; resolved once
	other    prometheus.Counter
	byStep   *prometheus.CounterVec
	panics   atomic.Uint64
}

func newCounters(r prometheus.Registerer) *counters {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sparkle_server_requests_total", Help: "Requests that belong to no transaction, by method.",
	}, []string{"method"})
	c := &counters{
		byMethod: make(map[string]prometheus.Counter),
		other:    requests.WithLabelValues("other"),
		byStep: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_server_refused_total", Help: "Requests that ended in the chain, by step.",
		}, []string{"step"}),
	}
	for _, m := range []sip.RequestMethod{
		sip.INVITE, sip.ACK, sip.CANCEL, sip.BYE, sip.OPTIONS, sip.REGISTER, sip.MESSAGE, sip.INFO,
		sip.UPDATE, sip.PRACK, sip.REFER, sip.NOTIFY, sip.SUBSCRIBE, sip.PUBLISH,
	} {
		c.byMethod[string(m)] = requests.WithLabelValues(string(m))
	}
	if r != nil {
		r.MustRegister(requests, c.byStep, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sparkle_server_panics_total", Help: "Panics of handlers that were answered 500.",
		}, func() float64 { return float64(c.panics.Load()) }))
	}
	return c
}

func (c *counters) request(method string) {
	if m, ok := c.byMethod[method]; ok {
		m.Inc()
		return
	}
	c.other.Inc()
}

func (c *counters) refused(step string) prometheus.Counter { return c.byStep.WithLabelValues(step) }

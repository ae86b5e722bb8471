package registrar

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts REGISTERs and shows the size of the location table.
type metrics struct {
	accepted, refused prometheus.Counter
}

// newMetrics makes the metrics and registers them where r is given.
func newMetrics(r prometheus.Registerer, t *table) *metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sparkle_registrar_requests_total",
		Help: "REGISTER requests, by what was answered.",
	}, []string{"result"})
	if r != nil {
		r.MustRegister(requests, &gauge{
			table: t,
			desc: prometheus.NewDesc("sparkle_registrar_bindings",
				"Bindings that have not expired, by whether their device can be reached now.",
				[]string{"reachable"}, nil),
		})
	}
	return &metrics{
		accepted: requests.WithLabelValues("accepted"),
		refused:  requests.WithLabelValues("refused"),
	}
}

// gauge counts the table when somebody looks.
type gauge struct {
	table *table
	desc  *prometheus.Desc
}

func (g *gauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

func (g *gauge) Collect(ch chan<- prometheus.Metric) {
	live, reachable := g.table.count(time.Now())
	ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(reachable), "yes")
	ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(live-reachable), "no")
}

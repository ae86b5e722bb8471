package group

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

// metrics counts what is done to groups and shows how many there are.
type metrics struct {
	events    *prometheus.CounterVec
	refused   prometheus.Counter
	failed    prometheus.Counter
	conflicts prometheus.Counter
	left      prometheus.Counter
	seconds   prometheus.Histogram
}

// newMetrics makes the metrics and registers them where r is given.
func newMetrics(r prometheus.Registerer, x *index) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "sparkle_group_" + name, Help: help})
	}
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_group_events_total", Help: "Committed events of groups, by what happened.",
		}, []string{"action"}),
		refused:   counter("refused_total", "Changes that the rules of a group refused."),
		failed:    counter("failed_total", "Changes that the store did not commit."),
		conflicts: counter("conflicts_total", "Changes planned again because the stored group was another one."),
		left:      counter("unplaced_total", "People of a unit whom a full fixed group could not take."),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sparkle_group_change_seconds", Help: "From asking for a change of a group to its commit.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		}),
	}
	if r != nil {
		r.MustRegister(m.events, m.refused, m.failed, m.conflicts, m.left, m.seconds, &gauge{
			index: x,
			groups: prometheus.NewDesc("sparkle_group_groups",
				"Groups that are not dissolved.", []string{"kind"}, nil),
			members: prometheus.NewDesc("sparkle_group_members",
				"Memberships in groups.", []string{"kind"}, nil),
		})
	}
	return m
}

// changed counts what came of a change asked for at start.
func (m *metrics) changed(start time.Time, err error) {
	var denied *Denied
	switch {
	case err == nil:
		m.seconds.Observe(time.Since(start).Seconds())
	case errors.As(err, &denied), errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrNotFound):
		m.refused.Inc()
	default:
		m.failed.Inc()
	}
}

// gauge counts the groups when somebody looks.
type gauge struct {
	index           *index
	groups, members *prometheus.Desc
}

func (g *gauge) Describe(ch chan<- *prometheus.Desc) {
	ch <- g.groups
	ch <- g.members
}

func (g *gauge) Collect(ch chan<- prometheus.Metric) {
	groups, members := map[store.GroupKind]int{}, map[store.GroupKind]int{}
	for e := range g.index.all() {
		s := e.snapshot.Load()
		groups[s.Kind]++
		members[s.Kind] += s.Size()
	}
	for kind, n := range groups {
		ch <- prometheus.MustNewConstMetric(g.groups, prometheus.GaugeValue, float64(n), string(kind))
		ch <- prometheus.MustNewConstMetric(g.members, prometheus.GaugeValue, float64(members[kind]), string(kind))
	}
}

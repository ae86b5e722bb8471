package auth

import "github.com/prometheus/client_golang/prometheus"

// metrics counts what Check found.
type metrics struct {
	proven, accepted, challenges, wrong, repeated, replayed prometheus.Counter
	refused, unavailable, dropped, bans                     prometheus.Counter
}

// newMetrics makes the counters and registers them where r is given.
func newMetrics(r prometheus.Registerer) *metrics {
	checks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sparkle_auth_checks_total",
		Help: "Requests authenticated, by what was found.",
	}, []string{"result"})
	bans := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sparkle_auth_bans_total",
		Help: "Addresses banned for wrong passwords.",
	})
	if r != nil {
		r.MustRegister(checks, bans)
	}
	return &metrics{
		proven:      checks.WithLabelValues("flow already proven"),
		accepted:    checks.WithLabelValues("accepted"),
		challenges:  checks.WithLabelValues("challenged"),
		wrong:       checks.WithLabelValues("wrong password"),
		repeated:    checks.WithLabelValues("repeated"),
		replayed:    checks.WithLabelValues("replayed"),
		refused:     checks.WithLabelValues("malformed"),
		unavailable: checks.WithLabelValues("store unavailable"),
		dropped:     checks.WithLabelValues("banned"),
		bans:        bans,
	}
}

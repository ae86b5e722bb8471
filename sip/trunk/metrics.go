package trunk

import "github.com/prometheus/client_golang/prometheus"

// metrics of the border.
type metrics struct {
	attempts   *prometheus.CounterVec // trunk, gateway, result
	calls      *prometheus.CounterVec // trunk, direction, result
	live       *prometheus.GaugeVec   // trunk, direction
	denied     *prometheus.CounterVec // reason
	state      *prometheus.GaugeVec   // trunk, gateway: 1 up, 0 down or out, 0.5 unknown
	registered *prometheus.GaugeVec   // trunk, gateway
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sparkle_trunk_" + name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sparkle_trunk_" + name, Help: help}, labels)
	}
	m := &metrics{
		attempts:   counter("attempts_total", "Attempts at gateways: answered, refused (by the carrier), failed (of the gateway) or cancelled.", "trunk", "gateway", "result"),
		calls:      counter("calls_total", "Calls over trunks by how setting up ended.", "trunk", "direction", "result"),
		live:       gauge("calls", "Calls at the moment.", "trunk", "direction"),
		denied:     counter("denied_total", "Calls to carriers that were not allowed; a burst may be toll fraud.", "reason"),
		state:      gauge("gateway_up", "1 up, 0 down or out of service, 0.5 not known yet.", "trunk", "gateway"),
		registered: gauge("registered", "1 while our registration is valid, where the trunk wants one.", "trunk", "gateway"),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.attempts, m.calls, m.live, m.denied, m.state, m.registered} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// begin shows a trunk before anything happens on it, so that the first call of a
// kind is an increase.
func (m *metrics) begin(t *group) {
	for _, direction := range []string{"in", "out"} {
		m.live.WithLabelValues(t.Name, direction)
	}
	for _, g := range t.gateways {
		for _, result := range []string{"answered", "refused", "failed", "cancelled"} {
			m.attempts.WithLabelValues(t.Name, g.Name, result)
		}
		m.gateway(g)
	}
}

// end shows the gateways of a trunk no longer; what was counted stays.
func (m *metrics) end(t *group) {
	for _, g := range t.gateways {
		m.state.DeleteLabelValues(t.Name, g.Name)
		m.registered.DeleteLabelValues(t.Name, g.Name)
	}
}

// gateway shows the state of a gateway.
func (m *metrics) gateway(g *gateway) {
	s := g.status()
	value := map[string]float64{stateUp: 1, stateUnknown: 0.5}[s.State]
	m.state.WithLabelValues(g.trunk.Name, g.Name).Set(value)
	if !g.trunk.Register {
		return
	}
	registered := 0.0
	if s.Registered != nil {
		registered = 1
	}
	m.registered.WithLabelValues(g.trunk.Name, g.Name).Set(registered)
}

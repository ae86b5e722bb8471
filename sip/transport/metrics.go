package transport

import "github.com/prometheus/client_golang/prometheus"

// metrics is what the package counts.
type metrics struct {
	accepted   *prometheus.CounterVec
	refused    *prometheus.CounterVec
	closed     *prometheus.CounterVec
	handshakes prometheus.Counter
	panics     prometheus.Counter
	transports map[string]*counters
}

// counters is what is counted for one transport, looked up once a connection.
type counters struct {
	open              prometheus.Gauge
	bytesIn, bytesOut prometheus.Counter
	received, sent    prometheus.Counter
	malformed         prometheus.Counter
	garbage           prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sparkle", Subsystem: "transport", Name: name, Help: help,
		}, labels)
	}
	open := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "sparkle", Subsystem: "transport", Name: "connections", Help: "Open connections.",
	}, []string{"transport"})
	bytes := counter("bytes_total", "Bytes read and written.", "transport", "direction")
	messages := counter("messages_total", "SIP messages received and sent.", "transport", "direction")
	malformed := counter("malformed_total", "Messages that could not be parsed.", "transport")
	garbage := counter("garbage_total", "Datagrams that are no SIP: keep-alives, STUN, noise.", "transport")
	handshakes := counter("tls_handshake_failures_total", "TLS handshakes that failed or took too long.")
	panics := counter("handler_panics_total", "Messages lost because a handler failed.")
	m := &metrics{
		accepted:   counter("accepted_total", "Connections accepted.", "transport"),
		refused:    counter("refused_total", "Connections and datagrams refused, by limit.", "reason"),
		closed:     counter("closed_total", "Connections that ended, by cause.", "cause"),
		handshakes: handshakes.WithLabelValues(),
		panics:     panics.WithLabelValues(),
		transports: make(map[string]*counters),
	}
	for _, t := range []string{UDP, TCP, TLS, WS, WSS} {
		m.transports[t] = &counters{
			open:      open.WithLabelValues(t),
			bytesIn:   bytes.WithLabelValues(t, "in"),
			bytesOut:  bytes.WithLabelValues(t, "out"),
			received:  messages.WithLabelValues(t, "in"),
			sent:      messages.WithLabelValues(t, "out"),
			malformed: malformed.WithLabelValues(t),
			garbage:   garbage.WithLabelValues(t),
		}
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{open, bytes, messages, malformed, garbage, handshakes, panics,
		m.accepted, m.refused, m.closed} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// of returns the counters of a transport.
func (m *metrics) of(transport string) *counters { return m.transports[transport] }

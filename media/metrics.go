package media

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/media/rtp"
)

// reason is why a packet was not relayed.
type reason uint8

const (
	malformed   reason = iota // no packet of any kind that we know
	unanswered                // before the answer to our offer
	stranger                  // from an address that is not the peer's
	unauthentic               // a wrong tag
	replayed                  // received before
	unkeyed                   // no keys yet, or not any more
	payload                   // a payload number that was not agreed
	sources                   // one SSRC too many
	unconnected               // nobody is at the other end
	held                      // the direction does not allow it
	unready                   // the other side cannot be sent to yet
	late                      // older than what was sent already
	unwanted                  // of a protocol that this leg does not speak
	reasons
)

// String is the name of the reason in reports and metrics.
func (r reason) String() string {
	return [reasons]string{
		"malformed", "unanswered", "wrong_source", "wrong_tag", "replay", "no_keys", "payload_type",
		"ssrc_limit", "unconnected", "held", "not_ready", "late", "unwanted",
	}[r]
}

// hostile tells whether packets of this kind mean that somebody means ill.
func (r reason) hostile() bool { return r == stranger || r == unauthentic || r == malformed }

// verdictReason is why a rewriter does not let a packet pass.
func verdictReason(v rtp.Verdict) reason {
	switch v {
	case rtp.Unmapped:
		return payload
	case rtp.Repeated:
		return replayed
	case rtp.OtherSource:
		return sources
	}
	return late
}

// metrics count for all loops. What packets count is added up by their loop and
// brought here with every tick.
type metrics struct {
	engine           *Engine
	legs, ports      atomic.Int64
	packets, bytes   atomic.Uint64
	drops            [reasons]atomic.Uint64
	handshakes       atomic.Uint64
	handshakesFailed atomic.Uint64
	failures         atomic.Uint64
	events           [EventAttack + 1]atomic.Uint64

	descSessions, descLegs, descPorts        *prometheus.Desc
	descPackets, descBytes, descDrops        *prometheus.Desc
	descHandshakes, descFailures, descEvents *prometheus.Desc
}

func newMetrics(r prometheus.Registerer, e *Engine) (*metrics, error) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sparkle_media_"+name, help, labels, nil)
	}
	m := &metrics{
		engine:         e,
		descSessions:   desc("sessions", "Sessions that are open."),
		descLegs:       desc("legs", "Legs of open sessions."),
		descPorts:      desc("ports", "Media ports, by use.", "state"),
		descPackets:    desc("packets_total", "Packets relayed."),
		descBytes:      desc("bytes_total", "Bytes of packets relayed, as sent."),
		descDrops:      desc("drops_total", "Packets not relayed, by reason.", "reason"),
		descHandshakes: desc("handshakes_total", "DTLS handshakes, by result.", "result"),
		descFailures:   desc("failures_total", "Sessions that ended by an internal error."),
		descEvents:     desc("events_total", "Events told to the owners of sessions, by kind.", "kind"),
	}
	if r != nil {
		if err := r.Register(m); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// collect takes what a loop counted since its last tick.
func (m *metrics) collect(w *worker) {
	m.packets.Add(w.relayed.packets)
	m.bytes.Add(w.relayed.bytes)
	w.relayed = tally{}
	for i, n := range w.drops {
		if n > 0 {
			m.drops[i].Add(n)
			w.drops[i] = 0
		}
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.descSessions, m.descLegs, m.descPorts, m.descPackets, m.descBytes,
		m.descDrops, m.descHandshakes, m.descFailures, m.descEvents} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	u := m.engine.Usage()
	gauge(m.descSessions, u.Sessions)
	gauge(m.descLegs, u.Legs)
	gauge(m.descPorts, u.Ports, "used")
	gauge(m.descPorts, u.FreePorts, "free")
	count(m.descPackets, m.packets.Load())
	count(m.descBytes, m.bytes.Load())
	for r := range reasons {
		count(m.descDrops, m.drops[r].Load(), r.String())
	}
	count(m.descHandshakes, m.handshakes.Load(), "done")
	count(m.descHandshakes, m.handshakesFailed.Load(), "failed")
	count(m.descFailures, m.failures.Load())
	for k, name := range [...]string{EventSilent: "silent", EventFailed: "failed", EventAttack: "attack"} {
		count(m.descEvents, m.events[k].Load(), name)
	}
}

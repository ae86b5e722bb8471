package transport

import "github.com/prometheus/client_golang/prometheus"

// register shows what the loops count. They count for themselves, so that no
// packet costs more than the loop's own memory.
func (n *Network) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	sum := func(of func(*Loop) uint64) func() float64 {
		return func() float64 {
			total := uint64(0)
			for _, l := range n.loops {
				total += of(l)
			}
			return float64(total)
		}
	}
	counter := func(name, help string, of func(*Loop) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "sparkle", Subsystem: "media_socket", Name: name, Help: help,
		}, sum(of))
	}
	for _, c := range []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "sparkle", Subsystem: "media_socket", Name: "open", Help: "Open media sockets.",
		}, sum(func(l *Loop) uint64 { return uint64(l.open.Load()) })),
		counter("received_total", "Datagrams received.", func(l *Loop) uint64 { return l.received.Load() }),
		counter("wakeups_total", "Times a loop found something to do.", func(l *Loop) uint64 { return l.wakeups.Load() }),
		counter("send_failures_total", "Datagrams that the system did not take.", func(l *Loop) uint64 { return l.unsent.Load() }),
		counter("panics_total", "Packets and calls that a failing handler lost.", func(l *Loop) uint64 { return l.panics.Load() }),
	} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}

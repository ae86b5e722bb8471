package media

import "net/netip"

// OnLoop runs f where the packets of the session are handled.
func (s *Session) OnLoop(f func()) { s.worker.loop.Do(f) }

// Break makes the next packet that is relayed to the leg's peer fail.
func (l *Leg) Break() {
	l.session.OnLoop(func() { l.streams[0].rewriter = nil })
}

// Handled lets f hand packets to the first port of a leg, on the loop.
func (s *Session) Handled(l *Leg, f func(handle func(b []byte, from netip.AddrPort)) float64) (result float64) {
	s.OnLoop(func() {
		result = f(func(b []byte, from netip.AddrPort) {
			l.links[0].rtp.Packet(b, from, s.engine.network.Now())
		})
	})
	return result
}

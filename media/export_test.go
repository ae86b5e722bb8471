package media

import (
	"net/netip"
	"time"
)

// OnLoop runs f where the packets of the session are handled.
func (s *Session) OnLoop(f func()) { s.worker.loop.Do(f) }

// Break makes the next packet of the leg's peer fail.
func (l *Leg) Break() {
	l.session.OnLoop(func() { l.streams[0].peer = &stream{} })
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

// Age lets time pass for a leg, and looks after it.
func (l *Leg) Age(d time.Duration) {
	l.session.OnLoop(func() {
		l.heard -= int64(d)
		l.since -= int64(d)
		l.told -= int64(d)
		l.listen(l.session.engine.network.Now())
	})
}

// Tick lets the loop of the session look after its share.
func (s *Session) Tick() {
	s.OnLoop(func() { s.worker.tick(s.engine.network.Now()) })
}

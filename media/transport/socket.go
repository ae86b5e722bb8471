package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"syscall"
)

const (
	// receiveBuffer in bytes is asked for, and the system gives what it allows: a
	// second of video, should the whole process stand still for so long.
	receiveBuffer = 1 << 20
	// ordinaryBuffer is what the system gives by itself, enough for minutes of RTCP.
	ordinaryBuffer = 0
	// expedited is the DSCP of voice (RFC 3246) in its place of the old TOS byte.
	expedited = 46 << 2
)

// Socket is one UDP port.
type Socket struct {
	conn
	loop    *Loop
	handler Handler
	local   netip.AddrPort
	slot    int32 // in the loop
	closed  atomic.Bool
}

// Local is its address.
func (s *Socket) Local() netip.AddrPort { return s.local }

// Send writes one datagram without waiting: what does not fit is dropped and
// counted, as is what has an address of another family. It may be called from any
// goroutine, also when the socket is closed or being closed.
func (s *Socket) Send(b []byte, to netip.AddrPort) {
	if len(b) == 0 || s.local.Addr().Is4() != to.Addr().Is4() || !s.send(b, to) {
		s.loop.unsent.Add(1)
	}
}

// close ends a socket; more than once does no harm.
func (s *Socket) close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.loop.leave(s)
	return s.conn.close()
}

// Pair is an even port and the odd one above it.
type Pair struct {
	RTP, RTCP *Socket
	ports     *ports
	released  atomic.Bool
}

// Open binds a pair on address a. Handlers are called on the loop. It fails with
// ErrExhausted when no pair is free and with ErrClosed after the network's end.
func (l *Loop) Open(a netip.Addr, rtp, rtcp Handler) (*Pair, error) {
	ports := l.network.portsOf(a)
	for {
		port, ok := ports.take()
		if !ok {
			return nil, fmt.Errorf("%w on %v: allow more ports or wait for calls to end", ErrExhausted, a)
		}
		p, err := l.bind(a, port, rtp, rtcp)
		if err == nil {
			p.ports = ports
			return p, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			ports.restore(port)
			return nil, fmt.Errorf("open media ports on %v%s: %w", a, advice(err), err)
		}
		ports.release(port) // another program has it: not again for a while
	}
}

// advice says what to do when a port cannot be opened.
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return " (it has to be an address of this machine)"
	case errors.Is(err, syscall.EMFILE):
		return " (allow the process more open files)"
	}
	return ""
}

// bind opens both sockets of a pair.
func (l *Loop) bind(a netip.Addr, port int, rtp, rtcp Handler) (*Pair, error) {
	even, err := l.listen(netip.AddrPortFrom(a, uint16(port)), rtp, receiveBuffer)
	if err != nil {
		return nil, err
	}
	odd, err := l.listen(netip.AddrPortFrom(a, uint16(port+1)), rtcp, ordinaryBuffer)
	if err != nil {
		return nil, errors.Join(err, even.close())
	}
	return &Pair{RTP: even, RTCP: odd}, nil
}

// listen opens a socket that the loop reads.
func (l *Loop) listen(local netip.AddrPort, h Handler, buffer int) (*Socket, error) {
	s := &Socket{loop: l, handler: h, local: local}
	if err := s.conn.listen(local, buffer); err != nil {
		return nil, err
	}
	if err := l.enter(s); err != nil {
		return nil, errors.Join(err, s.conn.close())
	}
	return s, nil
}

// Close gives the ports back; more than once does no harm. When it returns on the
// loop, no handler is called any more.
func (p *Pair) Close() {
	if p.released.Swap(true) {
		return
	}
	p.closeSocket(p.RTP)
	p.closeSocket(p.RTCP)
	p.ports.release(int(p.RTP.local.Port()))
}

// CloseRTCP closes the odd port alone, when RTCP goes over the even one
// (RFC 5761 §5.1.1). No other pair gets it before Close.
func (p *Pair) CloseRTCP() { p.closeSocket(p.RTCP) }

func (p *Pair) closeSocket(s *Socket) {
	if err := s.close(); err != nil {
		s.loop.network.log.Warn("closing a media port failed", "port", s.local, "err", err)
	}
}

package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"hash/maphash"
	"net"
	"net/netip"
	"time"

	"github.com/sparkleim/sparkle/sip/wire"
)

// udpSocket is one of the sockets of a UDP listener. The kernel spreads peers
// over them; each has one goroutine that reads.
type udpSocket struct {
	stack    *Stack
	listener *Listener
	conn     *net.UDPConn
	counters *counters
}

// socketBuffer is what we ask the kernel to hold for a socket while we are busy.
const socketBuffer = 4 << 20

// listenUDP opens n sockets on one address.
func (s *Stack) listenUDP(l *Listener, n int) error {
	lc := net.ListenConfig{Control: reusePort}
	address := l.spec.Address
	network := family("udp", address)
	// Sharing is for us alone: a second server on the address, which the kernel
	// would let in, must be an error here.
	probe, err := net.ListenPacket(network, address)
	if err != nil {
		return err
	}
	probe.Close()
	for range n {
		pc, err := lc.ListenPacket(context.Background(), network, address)
		if err != nil {
			for _, u := range l.sockets {
				u.conn.Close()
			}
			return err
		}
		conn := pc.(*net.UDPConn)
		bigBuffers(conn, socketBuffer)
		l.addr = addrPort(conn.LocalAddr())
		address = l.addr.String() // port 0 became a real one
		l.sockets = append(l.sockets, &udpSocket{s, l, conn, s.metrics.of(UDP)})
	}
	return nil
}

// serve reads datagrams until the socket is closed. The handler's calls are in
// the order of arrival on this socket.
func (u *udpSocket) serve(h Handler) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// The kernel is short of something: keep the listener, slowly.
			u.stack.warn("cannot read from a UDP socket", "listener", u.listener.spec.Name, "error", err)
			time.Sleep(10 * time.Millisecond)
		default:
			u.datagram(h, buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		}
	}
}

// datagram drops what cannot be SIP before anything is spent on it, parses the
// rest and hands it on.
func (u *udpSocket) datagram(h Handler, b []byte, from netip.AddrPort) {
	u.counters.bytesIn.Add(float64(len(b)))
	if !looksLikeSIP(b) {
		u.counters.garbage.Inc() // also keep-alives: CRLFs, zeros, STUN (RFC 5626 §3.5.2)
		return
	}
	if !u.stack.admits(from.Addr()) {
		u.stack.metrics.refused.WithLabelValues(refusedBanned).Inc()
		return
	}
	m, err := wire.Parse(b)
	if err != nil {
		u.malformed(h, from, err)
		return
	}
	u.counters.received.Inc()
	f := u.flow(from)
	u.guard(f, func() { u.stack.deliver(h, f, m) })
}

func (u *udpSocket) malformed(h Handler, from netip.AddrPort, err error) {
	u.counters.malformed.Inc()
	var e *wire.Error
	if !errors.As(err, &e) || e.Request == nil {
		return
	}
	f := u.flow(from)
	u.guard(f, func() { u.stack.refuse(h, f, e) })
}

// guard runs a handler; one that fails loses its datagram and nothing else.
func (u *udpSocket) guard(f *Flow, handle func()) {
	defer func() {
		if v := recover(); v != nil {
			u.stack.panicked(f, v)
		}
	}()
	handle()
}

// looksLikeSIP tells whether a datagram may be a message: a method or "SIP/2.0"
// begins with a token character (RFC 3261 §25.1), and nothing is shorter than
// its start line. STUN begins with two zero bits, RTP with binary 10.
func looksLikeSIP(b []byte) bool {
	if len(b) < len("A sip:b SIP/2.0") {
		return false
	}
	switch c := b[0]; {
	case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		return true
	case c == '\r' || c == '\n':
		return hasText(b) // leading CRLF before a start line, RFC 3261 §7.5
	default:
		return c == '!' || c == '%' || c == '*' || c == '_' || c == '+' || c == '`' || c == '\'' || c == '~' || c == '-' || c == '.'
	}
}

// hasText tells whether anything but CR and LF is in b.
func hasText(b []byte) bool {
	for _, c := range b {
		if c != '\r' && c != '\n' {
			return true
		}
	}
	return false
}

// flow makes the flow to a remote address. Nothing is kept of it.
func (u *udpSocket) flow(remote netip.AddrPort) *Flow {
	return &Flow{
		ID:        u.stack.udpID(u.listener.index, remote),
		Transport: UDP,
		Local:     u.listener.addr,
		Remote:    remote,
		Listener:  u.listener.spec.Name,
		stack:     u.stack,
		link:      u,
	}
}

// udpID is the same for every datagram between a listener and a remote address,
// and never that of a connection: those have the upper bit clear.
func (s *Stack) udpID(listener int, remote netip.AddrPort) uint64 {
	type path struct {
		listener int
		remote   netip.AddrPort
	}
	return maphash.Comparable(s.seed, path{listener, remote}) | 1<<63
}

func (u *udpSocket) send(f *Flow, b []byte) error {
	n, err := u.conn.WriteToUDPAddrPort(b, f.Remote)
	if err != nil {
		if errors.Is(err, net.ErrClosed) {
			return ErrClosed
		}
		return err
	}
	u.counters.sent.Inc()
	u.counters.bytesOut.Add(float64(n))
	return nil
}

func (u *udpSocket) shut(string)                    {}
func (u *udpSocket) open() bool                     { return true }
func (u *udpSocket) tlsState() *tls.ConnectionState { return nil }

// UDPFlow returns a flow to remote from the UDP listener that serves local, or
// when local is zero from the first one of the same address family.
func (s *Stack) UDPFlow(local, remote netip.AddrPort) (*Flow, error) {
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	for _, l := range s.listeners() {
		if len(l.sockets) > 0 && l.reaches(local, remote) {
			return l.sockets[int(remote.Port())%len(l.sockets)].flow(remote), nil
		}
	}
	return nil, errNoUDP(local, remote)
}

// reaches tells whether a UDP listener can send from local to remote.
func (l *Listener) reaches(local, remote netip.AddrPort) bool {
	if local.IsValid() && local != l.addr {
		return false
	}
	here := l.addr.Addr()
	anyFamily := here.Is6() && here.IsUnspecified()
	// A socket bound to loopback reaches nothing else.
	return anyFamily || here.Is4() == remote.Addr().Is4() && (!here.IsLoopback() || remote.Addr().IsLoopback())
}

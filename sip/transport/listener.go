package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Spec says where to listen and how others see it. Names must differ.
type Spec struct {
	Name      string // for logs and policy; default "tcp 192.0.2.1:5060"
	Transport string // "udp", "tcp" or "tls"
	Address   string // "192.0.2.1:5060", "[::]:5061"; port 0 takes a free one
	Public    string // host or host:port that goes into Via and Record-Route; default the address
	Sockets   int    // UDP sockets sharing the address, each with a reader; default one for two processors on Linux, else 1
}

// Listener is one address that we listen on.
type Listener struct {
	spec    Spec
	stack   *Stack
	index   int
	addr    netip.AddrPort
	host    string // what we call ourselves
	port    int
	tcp     net.Listener
	sockets []*udpSocket
}

// Name returns the listener's name.
func (l *Listener) Name() string { return l.spec.Name }

// Addr returns the address that it is bound to, with the real port.
func (l *Listener) Addr() netip.AddrPort { return l.addr }

// Listen opens a listener. It is read from once Serve was called.
func (s *Stack) Listen(spec Spec) (*Listener, error) {
	l := &Listener{spec: spec, stack: s}
	l.spec.Transport = strings.ToUpper(spec.Transport)
	if err := l.bind(); err != nil {
		return nil, fmt.Errorf("transport: listener %s %s %s: %w", spec.Name, spec.Transport, spec.Address, err)
	}
	l.host, l.port = l.sentBy()
	if l.spec.Name == "" {
		l.spec.Name = strings.ToLower(l.spec.Transport) + " " + l.addr.String()
	}
	s.enrol(l)
	s.log.Info("listening", "listener", l.spec.Name, "transport", l.spec.Transport, "address", l.addr)
	return l, nil
}

// enrol adds a listener to those that are served.
func (s *Stack) enrol(l *Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.index = len(s.heard)
	s.heard = append(s.heard, l)
	if s.handler != nil {
		l.serve(s.handler)
	}
}

func (l *Listener) bind() error {
	switch l.spec.Transport {
	case UDP:
		n := l.spec.Sockets
		if n <= 0 {
			n = defaultSockets()
		}
		return l.stack.listenUDP(l, n)
	case TLS:
		if len(l.stack.cfg.TLS.Certificates) == 0 {
			return errors.New("TLS needs a certificate and a key")
		}
		fallthrough
	case TCP:
		var err error
		lc := net.ListenConfig{
			Control: endDeadPeers,
			// Go's default of 15 s would wake the radio of every phone four times a minute.
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 3 * time.Minute, Interval: 30 * time.Second, Count: 4},
		}
		l.tcp, err = lc.Listen(context.Background(), family("tcp", l.spec.Address), l.spec.Address)
		if err != nil {
			return err
		}
		l.addr = addrPort(l.tcp.Addr())
		return nil
	}
	return fmt.Errorf("the transport is %q; it must be udp, tcp or tls", l.spec.Transport)
}

// sentBy is the host and port by which peers reach this listener.
func (l *Listener) sentBy() (string, int) {
	port := int(l.addr.Port())
	if l.spec.Public == "" {
		return reachable(l.addr.Addr()).String(), port
	}
	host, p, err := net.SplitHostPort(l.spec.Public)
	if err != nil {
		return strings.Trim(l.spec.Public, "[]"), port
	}
	if n, err := strconv.Atoi(p); err == nil {
		port = n
	}
	return host, port
}

// reachable turns the unspecified address into the one that this computer uses
// towards others, loopback when there is none. No packet is sent for that.
func reachable(addr netip.Addr) netip.Addr {
	if !addr.IsUnspecified() {
		return addr
	}
	conn, err := net.Dial("udp4", "192.0.2.1:9") // RFC 5737: an address of nobody
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	defer conn.Close()
	return addrPort(conn.LocalAddr()).Addr()
}

// Local returns the host (IPv6 without brackets) and port by which the peer of
// f reaches us: what goes into Via (RFC 3261 §18.1.1) and Record-Route.
func (s *Stack) Local(f *Flow) (host string, port int) {
	if l := s.listenerFor(f); l != nil && l.port != 0 {
		return l.host, l.port
	}
	return f.Local.Addr().String(), int(f.Local.Port())
}

// listenerFor is the listener that a flow came from, or for one that we dialled
// the first of the same transport.
func (s *Stack) listenerFor(f *Flow) *Listener {
	var similar *Listener
	for _, l := range s.listeners() {
		if l.spec.Name == f.Listener {
			return l
		}
		if l.spec.Transport != f.Transport {
			continue
		}
		if similar == nil && (l.addr.Addr().Is4() == f.Local.Addr().Is4() || l.spec.Public != "") {
			similar = l
		}
	}
	return similar
}

// serve starts the goroutines of a listener.
func (l *Listener) serve(h Handler) {
	for _, u := range l.sockets {
		l.stack.running.Go(func() { u.serve(h) })
	}
	if l.tcp != nil {
		l.stack.running.Go(l.accept)
	}
}

// accept takes connections until the listener is closed.
func (l *Listener) accept() {
	for {
		raw, err := l.tcp.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of file descriptors, most likely: others will end.
			l.stack.warn("cannot accept connections; raise the limit of open files (ulimit -n)", "listener", l.spec.Name, "error", err)
			time.Sleep(50 * time.Millisecond)
		default:
			l.adopt(raw)
		}
	}
}

// adopt makes a flow of an accepted connection, or refuses it.
func (l *Listener) adopt(raw net.Conn) {
	s := l.stack
	if refused := s.refuses(addrPort(raw.RemoteAddr()).Addr()); refused != "" {
		raw.Close()
		return
	}
	if l.spec.Transport == TLS {
		c := s.newConn(TLS, l.spec.Name, raw, phaseHandshake)
		noted := &notedConn{Conn: raw}
		tc := tls.Server(noted, s.serverTLS)
		c.rw = tc
		s.admit(c)
		go c.serveTLS(tc, noted)
		return
	}
	c := s.newConn(TCP, l.spec.Name, raw, phaseFirst)
	s.admit(c)
	go c.serveStream()
}

// refuses takes a place for a new connection, or says (and counts) why it gets
// none.
func (s *Stack) refuses(from netip.Addr) (reason string) {
	switch {
	case !s.admits(from):
		reason = refusedBanned
	case !s.begin():
		reason = refusedDraining
	default:
		if reason = s.census.enter(from, &s.cfg.Limits); reason == "" {
			return ""
		}
		s.running.Done()
	}
	s.metrics.refused.WithLabelValues(reason).Inc()
	s.warn("connection refused", "peer", from, "reason", reason)
	return reason
}

// unadmit gives back the place of a connection that came to nothing.
func (s *Stack) unadmit(from netip.Addr) {
	s.census.leave(from)
	s.running.Done()
}

// admit enters an accepted connection, which has its place, into the books.
func (s *Stack) admit(c *conn) {
	c.guest = true
	s.metrics.accepted.WithLabelValues(c.flow.Transport).Inc()
	s.enlist(c)
}

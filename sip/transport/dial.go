package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// dialTimeout bounds connecting and the handshake together.
const dialTimeout = 10 * time.Second

// dialled is a connection that we open or have opened to a hop.
type dialled struct {
	done chan struct{} // closed when flow or err is there
	flow *Flow
	err  error
}

// Dial returns an open flow to hop, reusing one that we opened before. It
// blocks for at most 10 s; never call it from a Handler. Several callers for
// one hop share one attempt.
func (s *Stack) Dial(ctx context.Context, hop Hop) (*Flow, error) {
	switch hop.Transport {
	case UDP:
		return s.UDPFlow(netip.AddrPort{}, hop.Addr)
	case TCP, TLS:
	default:
		return nil, fmt.Errorf("transport: cannot dial over %q", hop.Transport)
	}
	d := s.claim(hop)
	select {
	case <-d.done:
		return d.flow, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// claim finds the attempt or the live flow to hop, or starts an attempt.
func (s *Stack) claim(hop Hop) *dialled {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.dials[hop]; d != nil {
		select {
		case <-d.done:
			if d.flow != nil && d.flow.Alive() {
				return d
			}
		default:
			return d
		}
	}
	d := &dialled{done: make(chan struct{})}
	if s.handler == nil || s.stopped {
		d.err = ErrClosed
		close(d.done)
		return d
	}
	s.dials[hop] = d
	s.running.Add(1)
	go s.dial(hop, d)
	return d
}

// dial makes one attempt. It belongs to nobody's context, for others may wait too;
// the end of the stack ends it.
func (s *Stack) dial(hop Hop, d *dialled) {
	defer close(d.done)
	ctx, cancel := context.WithTimeout(s.life, dialTimeout)
	defer cancel()
	c, err := s.connect(ctx, hop)
	if err != nil {
		d.err = fmt.Errorf("transport: %s to %s (%s): %w", hop.Transport, hop.Addr, hop.Host, err)
		s.forgetDial(hop, d)
		s.running.Done()
		return
	}
	c.onFinish = func() { s.forgetDial(hop, d) }
	d.flow = &c.flow
	s.enlist(c)
	go c.serveStream()
}

// connect opens a connection and makes the TLS handshake.
func (s *Stack) connect(ctx context.Context, hop Hop) (*conn, error) {
	d := net.Dialer{Control: endDeadPeers}
	raw, err := d.DialContext(ctx, "tcp", hop.Addr.String())
	if err != nil {
		return nil, err
	}
	c := s.newConn(hop.Transport, "", raw, phaseOpen)
	c.flow.Outbound = true
	if hop.Transport == TLS {
		tc := tls.Client(raw, s.certs.clientConfig(hop.Host))
		if err := tc.HandshakeContext(ctx); err != nil {
			raw.Close()
			s.metrics.handshakes.Inc()
			return nil, explainServer(err)
		}
		c.rw = tc
	}
	return c, nil
}

// explainServer adds what to do to the error of a handshake with a server.
func explainServer(err error) error {
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return fmt.Errorf("%w (its certificate must name that host and come from a trusted CA: correct the name, or add the CA to the root CAs)", err)
	}
	return err
}

// forgetDial drops what claim would return, unless a newer attempt is there.
func (s *Stack) forgetDial(hop Hop, d *dialled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dials[hop] == d {
		delete(s.dials, hop)
	}
}

// errNoUDP says which listener is missing.
func errNoUDP(local, remote netip.AddrPort) error {
	if local.IsValid() {
		return fmt.Errorf("transport: no UDP listener on %s that reaches %s", local, remote)
	}
	return fmt.Errorf("transport: no UDP listener that reaches %s: configure one of its address family", remote)
}

// addrPort reads a socket address; zero for one that is no IP address.
func addrPort(a net.Addr) netip.AddrPort {
	ap, ok := a.(interface{ AddrPort() netip.AddrPort })
	if !ok {
		return netip.AddrPort{}
	}
	p := ap.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

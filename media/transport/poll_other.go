//go:build !linux || 386 || s390x || portable

package transport

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Where there is no epoll, a goroutine reads each socket and hands what it got
// over to the loop, one datagram at a time: for development, not for thousands of
// calls.

// poller waits for what the goroutines of a loop's sockets read.
type poller struct {
	datagrams chan datagram
	woken     chan struct{}
	next      datagram // that wait has got, zero: none
}

// datagram is lent to the loop until done is closed.
type datagram struct {
	socket *Socket
	b      []byte
	from   netip.AddrPort
	done   chan<- struct{}
}

func (p *poller) open() error {
	p.datagrams = make(chan datagram)
	p.woken = make(chan struct{}, 1)
	return nil
}

func (p *poller) close() error { return nil }
func (p *poller) begin()       {}

// addProcessors does nothing: loops are goroutines like others.
func (n *Network) addProcessors(int) {}

// wake ends a wait.
func (p *poller) wake() {
	select {
	case p.woken <- struct{}{}:
	default: // it was woken already
	}
}

func (p *poller) add(s *Socket) error {
	go p.receive(s)
	return nil
}

// receive reads a socket until it is closed.
func (p *poller) receive(s *Socket) {
	buffer := make([]byte, largest+room)
	done := make(chan struct{}, 1)
	for !s.closed.Load() {
		n, from, err := s.udp.ReadFromUDPAddrPort(buffer[:largest])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		select {
		case p.datagrams <- datagram{s, buffer[: n : n+room], from, done}:
			<-done
		case <-s.ended:
		}
	}
}

// wait waits for a packet, at most for timeout (negative: for ever), and tells how
// many there are.
func (p *poller) wait(l *Loop, timeout time.Duration) (n int) {
	if p.next.socket != nil {
		return 1 // a task panicked before it was read
	}
	var late <-chan time.Time
	if timeout >= 0 {
		late = time.After(timeout)
	}
	select {
	case p.next = <-p.datagrams:
		n = 1
	case <-p.woken:
	case <-late:
	}
	l.woke(n)
	return n
}

// read hands the packet over that wait has got, if any.
func (p *poller) read(l *Loop, n int) {
	d := p.next
	if n == 0 {
		return
	}
	p.next = datagram{}
	defer func() { d.done <- struct{}{} }() // also when the handler panics
	l.received.Add(1)
	l.deliver(d.socket, d.b, d.from)
}

// conn is the system's side of a socket.
type conn struct {
	udp   *net.UDPConn
	ended chan struct{}
}

func (c *conn) listen(local netip.AddrPort, buffer int) (err error) {
	network := "udp4"
	if local.Addr().Is6() {
		network = "udp6"
	}
	c.ended = make(chan struct{})
	if c.udp, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(local)); err != nil {
		return err
	}
	if buffer > 0 {
		_ = c.udp.SetReadBuffer(buffer) // as much as the system allows
	}
	if local.Addr().Is4() { // better with it, but it works without
		_ = ipv4.NewConn(c.udp).SetTOS(expedited)
	} else {
		_ = ipv6.NewConn(c.udp).SetTrafficClass(expedited)
	}
	return nil
}

func (c *conn) send(b []byte, to netip.AddrPort) bool {
	_, err := c.udp.WriteToUDPAddrPort(b, to)
	return err == nil
}

func (c *conn) close() error {
	close(c.ended)
	return c.udp.Close()
}

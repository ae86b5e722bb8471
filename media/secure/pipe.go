package secure

import (
	"bytes"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// pipeQueue bounds the datagrams that wait for the handshake; what does not
	// fit is dropped, as a network would. A flight of a peer has about six.
	pipeQueue = 16
	// maxDatagram is the largest one that is taken, in bytes.
	maxDatagram = 8192
	// answerEvery is how often at most a repeated flight is answered. A flight
	// comes as several datagrams.
	answerEvery = 50 * time.Millisecond
)

// Pipe carries the DTLS datagrams of one association between [Identity.Handshake]
// and a loop that owns the socket. Its methods are safe for concurrent use.
//
// Everything pushed into one pipe belongs to one association. Where the address
// of the peer is not yet known, each source gets a pipe of its own, and the first
// handshake that succeeds decides: then nobody can be shut out by being slower
// than somebody who guessed the port.
type Pipe struct {
	send   func([]byte)
	queue  chan []byte
	closed chan struct{}

	mu          sync.Mutex
	isClosed    bool
	established bool // the handshake succeeded: nobody reads any more
	last        []byte
	answered    time.Time
	alert       string // the last one in plaintext: a hint, anybody may have sent it
}

// NewPipe makes a pipe whose datagrams leave by send. send is called by the
// goroutine of the handshake, and after it by that of Push; it must neither keep
// b nor call the pipe.
func NewPipe(send func(b []byte)) *Pipe {
	return &Pipe{send: send, queue: make(chan []byte, pipeQueue), closed: make(chan struct{})}
}

// Push takes a datagram that came. It never blocks and does not keep b.
func (p *Pipe) Push(b []byte) {
	if answer := p.take(b, time.Now()); answer != nil {
		p.send(answer)
	}
}

// take queues b for the handshake. After that it returns what answers b.
func (p *Pipe) take(b []byte, now time.Time) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.isClosed || len(b) > maxDatagram:
	case p.established:
		// A peer that lost our last flight repeats its own (RFC 6347 §4.2.4). The
		// same bytes again are new to it, whatever it had received before.
		if isFlight(b) && now.Sub(p.answered) >= answerEvery {
			p.answered = now
			return p.last
		}
	case !harmless(b):
		if said := plaintextAlert(b); said != "" {
			p.alert = said
		}
	default:
		select {
		case p.queue <- bytes.Clone(b):
		default:
		}
	}
	return nil
}

// Close ends a handshake that still runs, and forgets the association.
func (p *Pipe) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isClosed {
		p.isClosed, p.last = true, nil
		close(p.closed)
	}
}

// hint is what may explain why a handshake failed.
func (p *Pipe) hint() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alert == "" {
		return ""
	}
	return " (somebody, perhaps the peer, has said " + p.alert + ")"
}

// establish ends the work of the queue; last is what answers repeated flights
// from now on, nil for nothing.
func (p *Pipe) establish(last []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.established, p.last = true, last
	for len(p.queue) > 0 {
		<-p.queue
	}
}

// pipeConn is the pipe as one handshake sees it. It implements [net.PacketConn].
type pipeConn struct {
	pipe      *Pipe
	closed    chan struct{}
	closeOnce sync.Once

	mu          sync.Mutex
	muted       bool
	last        []byte        // the last datagram sent that belongs to a flight
	interrupted chan struct{} // closed while the deadline to read is in the past
}

func newPipeConn(p *Pipe) *pipeConn {
	return &pipeConn{pipe: p, closed: make(chan struct{}), interrupted: make(chan struct{})}
}

// mute lets nothing out any more, above all no close_notify, on which peers end
// their side. It returns the last datagram of the last flight.
func (c *pipeConn) mute() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.muted = true
	return c.last
}

func (c *pipeConn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	interrupted := c.interrupted
	c.mu.Unlock()
	select {
	case <-c.closed:
		return 0, nil, net.ErrClosed
	case <-c.pipe.closed:
		return 0, nil, net.ErrClosed
	case <-interrupted:
		return 0, nil, os.ErrDeadlineExceeded
	case datagram := <-c.pipe.queue:
		return copy(b, datagram), pipeAddr{}, nil
	}
}

func (c *pipeConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.mu.Lock()
	muted := c.muted
	if !muted && isFlight(b) {
		c.last = bytes.Clone(b)
	}
	c.mu.Unlock()
	if !muted {
		c.pipe.send(b)
	}
	return len(b), nil
}

// Close ends this use of the pipe, not the pipe.
func (c *pipeConn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return nil
}

// SetReadDeadline interrupts a reader with a time in the past; others are not
// used by the handshake and mean none.
func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	past := !t.IsZero() && !t.After(time.Now())
	select {
	case <-c.interrupted:
		if !past {
			c.interrupted = make(chan struct{})
		}
	default:
		if past {
			close(c.interrupted)
		}
	}
	return nil
}

func (c *pipeConn) SetWriteDeadline(time.Time) error { return nil } // it never blocks

func (c *pipeConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *pipeConn) LocalAddr() net.Addr { return pipeAddr{} }

// pipeAddr is both ends of a pipe.
type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// A connection waits with idleBuffer bytes of its own and reads the rest of what
// has begun into a shared buffer of readBuffer bytes.
const (
	idleBuffer = 16
	readBuffer = 8 << 10
)

// serveStream reads a TCP or TLS connection to its end.
func (c *conn) serveStream() {
	defer c.ended()
	for {
		n, err := c.rw.Read(c.idle[:])
		c.notePong(c.idle[:n])
		if !c.take(c.idle[:n]) || err != nil {
			return
		}
		if c.framer.Partial() && !c.readMessages() {
			return
		}
	}
}

// readMessages reads until no message is partly received. It returns false at
// the end of the stream.
func (c *conn) readMessages() bool {
	s := c.flow.stack
	buf := s.buffers.Get().(*[readBuffer]byte)
	defer s.buffers.Put(buf)
	for c.framer.Partial() {
		n, err := c.rw.Read(buf[:])
		if !c.take(buf[:n]) || err != nil {
			return false
		}
	}
	return true
}

// take gives bytes to the framer and whole messages to the handler. It returns
// false when nothing more is to be read: a flow that we closed has nothing more
// to say.
func (c *conn) take(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	c.noteBytes(len(b))
	c.framer.Write(b)
	for c.open() {
		m, err := c.framer.Next()
		c.answerPings(c.framer.Pings())
		switch {
		case err != nil:
			if !c.malformed(err) {
				return false
			}
		case m == nil:
			c.noteProgress()
			return true
		default:
			c.begun.Store(0)
			c.received(m)
		}
	}
	return false
}

// malformed reports a message that could not be read. It returns false, and
// closes the flow, when the boundary of the next one is lost.
func (c *conn) malformed(err error) bool {
	c.begun.Store(0)
	answered := c.refuse(err)
	var e *wire.Error
	if errors.As(err, &e) && !e.Fatal() {
		return true
	}
	c.closeAfterQueue(causeMalformed, err.Error(), answered)
	return false
}

// refuse counts a message that could not be read and gives it to the handler
// when it is owed an answer.
func (c *conn) refuse(err error) (answered bool) {
	c.counters.malformed.Inc()
	var e *wire.Error
	if !errors.As(err, &e) || e.Request == nil {
		return false
	}
	c.guard(func() { c.flow.stack.refuse(c.handler, &c.flow, e) })
	return true
}

// received hands one message on.
func (c *conn) received(m sip.Message) {
	if c.phase.Load() == phaseFirst {
		c.enter(phaseOpen)
	}
	c.counters.received.Inc()
	c.guard(func() { c.flow.stack.deliver(c.handler, &c.flow, m) })
}

// guard runs a handler. One that fails costs the peer its connection, and
// nobody else anything.
func (c *conn) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.flow.stack.panicked(&c.flow, v)
			c.kill(causePanic)
		}
	}()
	f()
}

// noteBytes keeps the times that the limits look at.
func (c *conn) noteBytes(n int) {
	c.heard.Store(nanotime())
	c.pinged.Store(0)
	c.counters.bytesIn.Add(float64(n))
}

// noteProgress remembers since when a message has been incomplete.
func (c *conn) noteProgress() {
	if !c.framer.Partial() {
		c.begun.Store(0)
	} else if c.begun.Load() == 0 {
		c.begun.Store(c.heard.Load())
	}
}

// ended is the last act of the reading goroutine.
func (c *conn) ended() {
	c.closeAfterQueue(causePeer, "", false)
	c.guard(func() { c.handler.Closed(&c.flow) })
	if c.lingers() {
		_, _ = io.CopyN(io.Discard, c.rw, maxLinger)
	}
	c.readEnded()
}

// deliver stamps a request and gives the message to the handler.
func (s *Stack) deliver(h Handler, f *Flow, m sip.Message) {
	if taps := s.trace.active(); taps != nil {
		taps.offer(f, false, wire.Append(nil, m))
	}
	if req, ok := m.(*sip.Request); ok {
		wire.Stamp(req, f.Remote) // RFC 3261 §18.2.1
	}
	h.Message(f, m)
}

// refuse gives a request that could not be parsed to the handler.
func (s *Stack) refuse(h Handler, f *Flow, e *wire.Error) {
	if taps := s.trace.active(); taps != nil {
		taps.offer(f, false, wire.Append(nil, e.Request))
	}
	h.Malformed(f, e)
}

// panicked counts and logs a handler that failed.
func (s *Stack) panicked(f *Flow, v any) {
	s.metrics.panics.Inc()
	s.log.Error("a handler panicked; the message is lost",
		"transport", f.Transport, "peer", f.Remote, "flow", f.ID,
		"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

// newConn makes the books of a connection that starts in the given phase.
func (s *Stack) newConn(transport, listener string, raw net.Conn, phase int32) *conn {
	c := &conn{raw: raw, rw: raw, handler: s.handler, counters: s.metrics.of(transport)}
	now := time.Now()
	f := &c.flow
	f.ID, f.Transport, f.Listener = s.newID(), transport, listener
	f.Local, f.Remote = addrPort(raw.LocalAddr()), addrPort(raw.RemoteAddr())
	f.Opened, f.stack, f.link = now, s, c
	c.heard.Store(now.UnixNano())
	c.enter(phase)
	return c
}

package transport

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Why a connection ended, as the metric names it.
const (
	causePeer      = "peer"          // the other side closed or reset it
	causeLocal     = "local"         // Flow.Close or the end of the stack
	causeHandshake = "handshake"     // TLS failed or took too long
	causeFirst     = "first_message" // it never said anything
	causeMessage   = "message"       // a message was begun and not completed
	causeIdle      = "idle"          // not even a keep-alive came
	causePong      = "pong"          // it stopped answering our keep-alives
	causeQueue     = "queue"         // it does not read
	causeWrite     = "write"         // a write failed or took too long
	causeMalformed = "malformed"     // message boundaries were lost
	causePanic     = "panic"         // a handler failed on one of its messages
)

// The life of a connection.
const (
	phaseHandshake = iota // TLS is being set up
	phaseFirst            // accepted, no message yet
	phaseOpen
	phaseLinger // our last word is written, what comes is thrown away
)

// A peer that sent nonsense may go on sending for a while: closing at once
// would reset the connection and destroy our answer on its way.
const (
	lingerTime = 2 * time.Second
	maxLinger  = 256 << 10 // bytes
)

// conn is a connection: TCP, TLS or WebSocket. It has one goroutine that reads,
// and one that writes while there is something to write. All times are Unix
// nanoseconds, 0 for "not now"; the reaper compares them with the limits.
type conn struct {
	flow     Flow
	raw      net.Conn        // the socket; closing it ends everything
	rw       net.Conn        // raw, or TLS over it
	ws       *websocket.Conn // set for WS and WSS, then rw is not used
	wsTLS    *tls.ConnectionState
	handler  Handler
	counters *counters
	guest    bool   // it takes a place in the census
	onFinish func() // set for one that we dialled

	phase   atomic.Int32
	entered atomic.Int64 // when the phase began
	heard   atomic.Int64 // last byte from the peer
	begun   atomic.Int64 // when the message that is partly received began
	writing atomic.Int64 // when the write that is going on began
	pinged  atomic.Int64 // our keep-alive that the peer owes an answer to
	asked   atomic.Int64 // our last keep-alive
	pongs   atomic.Bool  // the peer has answered a keep-alive once

	framer wire.Framer
	idle   [idleBuffer]byte // what a read waits with while nothing comes

	out outbox
}

func nanotime() int64 { return time.Now().UnixNano() }

// enter begins a phase of the connection's life.
func (c *conn) enter(phase int32) {
	c.entered.Store(nanotime())
	c.phase.Store(phase)
}

func (c *conn) open() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return !c.out.closing
}

func (c *conn) tlsState() *tls.ConnectionState {
	if tc, ok := c.rw.(*tls.Conn); ok {
		state := tc.ConnectionState()
		return &state
	}
	return c.wsTLS
}

// shut ends the connection after what is queued was written.
func (c *conn) shut(why string) { c.closeAfterQueue(causeLocal, why, false) }

// closeAfterQueue lets the writer have the last word. With linger the peer may
// finish what it is sending.
func (c *conn) closeAfterQueue(cause, why string, linger bool) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return
	}
	o.closing, o.cause, o.why, o.linger = true, cause, why, linger
	c.startWriter()
}

// kill ends the connection at once, queued or not. Both goroutines notice it by
// the errors of their calls.
func (c *conn) kill(cause string) {
	o := &c.out
	o.mu.Lock()
	if !o.closing {
		o.closing, o.cause = true, cause
	}
	o.linger = false
	if o.pending != nil {
		c.flow.stack.dropChunk(o.pending)
		o.pending = nil
	}
	o.mu.Unlock()
	c.raw.Close()
}

// lingers tells whether the peer may finish what it is sending.
func (c *conn) lingers() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.linger
}

// readEnded is called once, when nothing more will be read.
func (c *conn) readEnded() {
	o := &c.out
	o.mu.Lock()
	if !o.closing {
		o.closing, o.cause = true, causePeer
	}
	o.readDone = true
	last := !o.running
	o.mu.Unlock()
	if last {
		c.finish()
	}
}

// finish takes the connection out of the books when neither goroutine is left.
func (c *conn) finish() {
	c.raw.Close()
	s := c.flow.stack
	s.conns.remove(c.flow.ID)
	if c.guest {
		s.census.leave(c.flow.Remote.Addr())
	}
	if c.onFinish != nil {
		c.onFinish()
	}
	c.counters.open.Dec()
	s.metrics.closed.WithLabelValues(c.out.cause).Inc()
	s.log.Debug("connection ended", "transport", c.flow.Transport, "peer", c.flow.Remote,
		"flow", c.flow.ID, "cause", c.out.cause, "why", c.out.why)
	s.running.Done()
}

package transport

import (
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// maxWrite is how much goes into one write: one full TLS record (RFC 8446 §5.1).
const maxWrite = 16 << 10

// maxPooled is the largest buffer that is kept for the next burst.
const maxPooled = 64 << 10

// chunk is bytes that wait to be written.
type chunk struct {
	bytes []byte
	ends  []int // where each message ends; WebSocket needs to know
}

// outbox is what waits to be written to one peer. It holds memory, and a
// goroutine that writes, only while there is something.
type outbox struct {
	mu       sync.Mutex
	pending  *chunk
	inflight int    // bytes that the writer has taken
	running  bool   // the writer exists
	closing  bool   // nothing more is taken
	linger   bool   // half-close and wait for the peer instead of closing
	readDone bool   // the reading goroutine has ended
	cause    string // why it is closing: one of the cause constants
	why      string // and in words
}

func (c *conn) send(_ *Flow, b []byte) error {
	if err := c.enqueue(b); err != nil {
		return err
	}
	c.counters.sent.Inc()
	return nil
}

// enqueue appends b to the outbox and sees to it that somebody writes it.
func (c *conn) enqueue(b []byte) error {
	o := &c.out
	o.mu.Lock()
	if o.closing {
		o.mu.Unlock()
		return ErrClosed
	}
	if o.waiting()+len(b) > c.flow.stack.cfg.MaxQueue {
		o.mu.Unlock()
		c.kill(causeQueue)
		return ErrQueueFull
	}
	if o.pending == nil {
		o.pending = c.flow.stack.newChunk()
	}
	o.pending.bytes = append(o.pending.bytes, b...)
	if c.ws != nil {
		o.pending.ends = append(o.pending.ends, len(o.pending.bytes))
	}
	c.startWriter()
	o.mu.Unlock()
	return nil
}

// waiting is the number of bytes that the peer has still to take.
func (o *outbox) waiting() int {
	if o.pending == nil {
		return o.inflight
	}
	return o.inflight + len(o.pending.bytes)
}

// startWriter makes sure that a writer is at work. The outbox is locked.
func (c *conn) startWriter() {
	if !c.out.running {
		c.out.running = true
		go c.writeQueue()
	}
}

// writeQueue writes until nothing is left, and closes the connection then if
// that was asked for.
func (c *conn) writeQueue() {
	for batch := c.nextBatch(); batch != nil; batch = c.nextBatch() {
		if err := c.write(batch); err != nil {
			c.kill(causeWrite)
		}
		c.flow.stack.dropChunk(batch)
	}
}

// nextBatch takes all that waits, or ends the writer with nil.
func (c *conn) nextBatch() *chunk {
	o := &c.out
	o.mu.Lock()
	if batch := o.pending; batch != nil {
		o.pending, o.inflight = nil, len(batch.bytes)
		o.mu.Unlock()
		return batch
	}
	o.inflight = 0
	closing, linger := o.closing, o.linger && !o.readDone
	o.running = closing // nobody starts another writer while closing
	o.mu.Unlock()
	if closing {
		c.hangUp(linger)
	}
	return nil
}

// hangUp says goodbye in the way of the transport and ends the writer.
func (c *conn) hangUp(linger bool) {
	c.writing.Store(nanotime())
	if linger && !c.flow.stack.ending() && c.halfClose() == nil {
		c.enter(phaseLinger)
	} else {
		if c.ws != nil {
			c.closeWebSocket()
		} else {
			_ = c.rw.Close()
		}
		c.raw.Close()
	}
	c.writing.Store(0)

	o := &c.out
	o.mu.Lock()
	o.running = false
	last := o.readDone
	o.mu.Unlock()
	if last {
		c.finish()
	}
}

// closeWebSocket waits for the peer's close frame (RFC 6455 §7.1.1), but not
// long: nobody holds up the end of the server.
func (c *conn) closeWebSocket() {
	late := time.AfterFunc(lingerTime, func() { c.raw.Close() })
	defer late.Stop()
	_ = c.ws.Close(websocket.StatusNormalClosure, "")
}

// halfClose ends our direction only.
func (c *conn) halfClose() error {
	if tc, ok := c.rw.(*tls.Conn); ok {
		if err := tc.CloseWrite(); err != nil {
			return err
		}
	}
	if tcp, ok := c.raw.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return net.ErrClosed
}

// write puts a batch on the wire; the reaper watches how long each part takes.
func (c *conn) write(batch *chunk) error {
	if c.ws != nil {
		return c.writeFrames(batch)
	}
	for b := batch.bytes; len(b) > 0; {
		n := min(len(b), maxWrite)
		c.writing.Store(nanotime())
		_, err := c.rw.Write(b[:n])
		c.writing.Store(0)
		if err != nil {
			return err
		}
		c.counters.bytesOut.Add(float64(n))
		b = b[n:]
	}
	return nil
}

// newChunk and dropChunk keep the buffers of finished bursts for the next ones.
func (s *Stack) newChunk() *chunk { return s.chunks.Get().(*chunk) }

func (s *Stack) dropChunk(c *chunk) {
	if cap(c.bytes) <= maxPooled {
		c.bytes, c.ends = c.bytes[:0], c.ends[:0]
		s.chunks.Put(c)
	}
}

package wire

import (
	"bytes"
	"slices"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// frameSize is the capacity of a pooled buffer: most messages fit in it.
const frameSize = 4096

// frames are the buffers of all Framers that have a partial message.
var frames = sync.Pool{New: func() any { return new([frameSize]byte) }}

// Framer cuts a byte stream into messages (RFC 3261 §7.5, §18.3). The zero
// value is ready. It keeps no buffer while no message is partly received, and
// never more than one message and one Write. It is not safe for concurrent use.
//
// A message without Content-Length ends with its headers.
type Framer struct {
	buf     []byte           // received and not yet cut; nil when there is nothing
	pooled  *[frameSize]byte // what buf began in
	cut     int              // bytes of buf that belong to messages already returned
	scanned int              // bytes behind cut in which no end of headers is
	head    head             // of the message whose body is awaited
	inBody  bool             // head is set
	cr      bool             // the last octet between messages was a CR
	lines   int              // CRLFs since the last message or ping
	pings   int              // double CRLFs not yet asked for
	broken  *Error           // set once boundaries are lost
}

// Write adds bytes that were read from the stream. It does not keep b. Call
// Next until it returns nothing before the next Write.
func (f *Framer) Write(b []byte) {
	if f.broken != nil {
		return
	}
	if !f.Partial() {
		b = f.skipLines(b)
	}
	if len(b) == 0 {
		return
	}
	if f.buf == nil {
		f.pooled = frames.Get().(*[frameSize]byte)
		f.buf = f.pooled[:0]
	}
	if f.cut > 0 {
		f.buf = append(f.buf[:0], f.buf[f.cut:]...)
		f.cut = 0
	}
	f.buf = append(f.buf, b...)
}

// Pings tells how many double-CRLF keep-alives (RFC 5626 §3.5.1) came since
// the last call; each is owed a single CRLF.
func (f *Framer) Pings() int {
	n := f.pings
	f.pings = 0
	return n
}

// Partial tells whether a message has begun and not ended.
func (f *Framer) Partial() bool { return f.inBody || len(f.buf) > f.cut }

// Next returns the next whole message, or nil, nil when more bytes are needed.
// An *Error with Fatal() false concerns this message only (drop it when Request
// is nil); every other error means that message boundaries are lost and the
// stream must be closed (after answering, when Request is set).
func (f *Framer) Next() (sip.Message, error) {
	if !f.inBody && f.broken == nil {
		f.cutHead()
	}
	if f.broken != nil {
		return nil, f.broken
	}
	if !f.inBody || len(f.buf)-f.cut < f.head.length {
		return nil, nil
	}
	h := f.head
	body := slices.Clone(f.buf[f.cut : f.cut+h.length])
	f.cut += h.length
	f.head, f.inBody = head{}, false
	f.release()
	if h.err != nil {
		return nil, h.refusal()
	}
	return h.message(body), nil
}

// cutHead reads the head of the next message when it is complete.
func (f *Framer) cutHead() {
	if f.scanned == 0 {
		f.cut = len(f.buf) - len(f.skipLines(f.buf[f.cut:]))
		f.release()
	}
	rest := f.buf[f.cut:]
	from := max(0, f.scanned-len(headEnd)+1)
	end := bytes.Index(rest[from:], []byte(headEnd))
	if end < 0 {
		f.scanned = len(rest)
		if len(rest) > MaxHead {
			f.fail(truncatedHead(rest))
		}
		return
	}
	if end += from; end > MaxHead {
		f.fail(truncatedHead(rest))
		return
	}
	f.scanned = 0
	f.head = parseHead(string(rest[:end]))
	if f.head.err != nil && f.head.err.fatal {
		f.fail(f.head.refusal())
		return
	}
	f.head.length = max(f.head.length, 0)
	f.inBody = true
	f.cut += end + len(headEnd)
	f.lines = 0
}

// fail ends the stream.
func (f *Framer) fail(err *Error) {
	err.fatal = true
	*f = Framer{broken: err, pooled: f.pooled, pings: f.pings}
	f.release()
}

// release gives the buffer back when all of it is cut.
func (f *Framer) release() {
	if f.cut < len(f.buf) {
		return
	}
	if f.pooled != nil {
		frames.Put(f.pooled)
	}
	f.buf, f.pooled, f.cut = nil, nil, 0
}

// skipLines skips the CRLFs in front of a message and counts the pings among
// them (RFC 3261 §7.5).
func (f *Framer) skipLines(b []byte) []byte {
	for i, c := range b {
		switch {
		case c == '\r':
			f.cr = true
		case c == '\n' && f.cr:
			f.cr = false
			if f.lines++; f.lines == 2 {
				f.lines = 0
				f.pings++
			}
		default:
			f.cr = false
			return b[i:]
		}
	}
	return nil
}

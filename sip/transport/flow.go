package transport

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"
)

// What Send and Dial can fail with, besides errors of the network.
var (
	// ErrClosed says that the flow has ended; only its peer can open a new one.
	ErrClosed = errors.New("transport: the flow is closed")
	// ErrQueueFull says that the peer does not read; the flow has been closed.
	ErrQueueFull = errors.New("transport: the peer does not read, its queue is full")
)

// The names of transports as Via and Flow.Transport spell them
// (RFC 3261 §20.42, RFC 7118 §5.2).
const (
	UDP = "UDP"
	TCP = "TCP"
	TLS = "TLS"
	WS  = "WS"
	WSS = "WSS"
)

// Flow is a path to one peer (RFC 5626 §2). It is safe for concurrent use.
type Flow struct {
	ID        uint64 // unique in this process, never reused; for UDP derived from listener and remote address
	Transport string // UDP, TCP, TLS, WS or WSS
	Local     netip.AddrPort
	Remote    netip.AddrPort
	Listener  string    // name of the listener, "" for one we dialled
	Outbound  bool      // we dialled it
	Opened    time.Time // zero for UDP

	stack *Stack // nil for a flow of NewFlow
	link  link
	value atomic.Pointer[any]
}

// link is what carries a flow: a UDP socket that many flows share, a connection
// of its own, or a [Link].
type link interface {
	send(f *Flow, b []byte) error
	shut(why string)
	open() bool
	tlsState() *tls.ConnectionState
}

// Send queues one message in wire form and does not keep b. It returns
// ErrClosed when the flow is gone, and ErrQueueFull (the flow is then closed)
// when the peer does not read. Over UDP the datagram is written at once.
func (f *Flow) Send(b []byte) error {
	if err := f.link.send(f, b); err != nil {
		return err
	}
	if f.stack == nil {
		return nil // see NewFlow
	}
	if taps := f.stack.trace.active(); taps != nil {
		taps.offer(f, true, b)
	}
	return nil
}

// Reliable tells whether the transport is one that delivers (all but UDP).
func (f *Flow) Reliable() bool { return f.Transport != UDP }

// Secure tells whether the peer's bytes are protected by TLS.
func (f *Flow) Secure() bool { return f.Transport == TLS || f.Transport == WSS }

// Alive tells whether Send may still succeed. It is always true for UDP.
func (f *Flow) Alive() bool { return f.link.open() }

// Close ends the flow after what is queued was written; why goes to the log.
// What still arrives is thrown away. It does nothing for UDP.
func (f *Flow) Close(why string) { f.link.shut(why) }

// TLS returns the state of a TLS flow, nil otherwise.
func (f *Flow) TLS() *tls.ConnectionState { return f.link.tlsState() }

// Value returns what SetValue kept: who was authenticated on the flow. It is
// owned by sip/auth. A UDP flow is made anew for each datagram and forgets.
func (f *Flow) Value() any {
	if v := f.value.Load(); v != nil {
		return *v
	}
	return nil
}

// SetValue keeps one thing beside the flow.
func (f *Flow) SetValue(v any) { f.value.Store(&v) }

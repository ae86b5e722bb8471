package transport

import (
	"context"
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Handler takes what arrives. Calls for one flow are sequential.
type Handler interface {
	// Message is a parsed message. The handler may keep it.
	Message(f *Flow, m sip.Message)
	// Malformed is a request that could not be parsed and is owed an answer.
	Malformed(f *Flow, e *wire.Error)
	// Closed is the end of a connection; never called for UDP.
	Closed(f *Flow)
}

// Flow is a path to one peer. It is safe for concurrent use.
type Flow struct {
	ID        uint64 // unique in this process, never reused; for UDP derived from socket and remote address
	Transport string // "UDP", "TCP", "TLS", "WS", "WSS"
	Local     netip.AddrPort
	Remote    netip.AddrPort
	Listener  string // name of the listener, "" for one we dialled
	Outbound  bool   // we dialled it
	Opened    time.Time
}

// Send queues one message in wire form. ErrClosed when the flow is gone,
// ErrQueueFull (and the flow is closed) when the peer does not read.
func (f *Flow) Send(b []byte) error { panic("todo") }

// Reliable tells whether the transport is one that delivers (all but UDP).
func (f *Flow) Reliable() bool { panic("todo") }

// Secure tells whether the peer's bytes are protected by TLS.
func (f *Flow) Secure() bool { panic("todo") }

// Alive tells whether Send may still succeed. Always true for UDP.
func (f *Flow) Alive() bool { panic("todo") }

// Close ends the flow after what is queued was written; why goes to the log.
func (f *Flow) Close(why string) {}

// TLS returns the state of a TLS flow, nil otherwise.
func (f *Flow) TLS() *tls.ConnectionState { panic("todo") }

// Value and SetValue keep one thing beside the flow: who was authenticated on
// it (owned by sip/auth).
func (f *Flow) Value() any     { panic("todo") }
func (f *Flow) SetValue(v any) {}

// Hop is one address to try (RFC 3263 §4).
type Hop struct {
	Transport string
	Addr      netip.AddrPort
	Host      string // the name that a TLS certificate must show
}

// Stack is all listeners and flows of the process.
type Stack struct{}

// Flow returns the live flow with that id.
func (s *Stack) Flow(id uint64) (*Flow, bool) { panic("todo") }

// UDPFlow returns a flow from the UDP socket that serves local (any when zero).
func (s *Stack) UDPFlow(local, remote netip.AddrPort) (*Flow, error) { panic("todo") }

// Dial returns an open flow to hop, reusing one that we opened before.
// It blocks; never call it from a Handler.
func (s *Stack) Dial(ctx context.Context, hop Hop) (*Flow, error) { panic("todo") }

// Resolver finds the hops of a URI in the order to try them (RFC 3263).
type Resolver struct{}

// Resolve blocks. Addresses that no peer may name (loopback, unspecified,
// multicast, link-local …) are left out unless allowed by configuration.
func (r *Resolver) Resolve(ctx context.Context, u *sip.Uri) ([]Hop, error) { panic("todo") }

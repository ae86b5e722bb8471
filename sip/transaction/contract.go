package transaction

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// User is the transaction user (RFC 3261 §5), the layer above. Its methods are
// called on flow goroutines and must not block.
type User interface {
	// Request is a request that belongs to no transaction; also an ACK to a
	// 2xx and a CANCEL that matches nothing.
	Request(in *Incoming)
	// Malformed is a request that failed wire's checks; the layer has already
	// answered it statelessly. For counting and banning.
	Malformed(f *transport.Flow, e *wire.Error)
	// Stray is a response without a transaction (a late 2xx of a proxied
	// INVITE is still forwarded, RFC 6026 §8.9).
	Stray(f *transport.Flow, res *sip.Response, core wire.Core)
	// Closed is the end of a flow.
	Closed(f *transport.Flow)
}

// Incoming is a request for which nothing is kept yet.
type Incoming struct {
	*sip.Request
	wire.Core
	Flow *transport.Flow
}

// Begin makes the server transaction, once. ErrOverload when the bound on
// transactions is reached: answer 503 statelessly.
func (in *Incoming) Begin() (*Server, error) { panic("todo") }

// Reply answers without keeping anything.
func (in *Incoming) Reply(res *sip.Response) { panic("todo") }

// Server is a server transaction.
type Server struct{}

// Respond sends a provisional or the final response. After a final response
// only a further 2xx to INVITE is sent; everything else is dropped.
func (tx *Server) Respond(res *sip.Response) error { panic("todo") }

// OnCancel sets what happens when a CANCEL for this INVITE arrives (called at
// once when it already has). OnEnd is called once when the transaction is
// terminated; acked tells whether an ACK to a negative final response came.
func (tx *Server) OnCancel(func()) {}
func (tx *Server) OnEnd(func())    {}

// Client is a client transaction.
type Client struct{}

// Cancel cancels an INVITE (RFC 3261 §9.1): at once when a provisional
// response came, else when the first comes; nothing after a final response.
// reason is the value of a Reason header, "" for none.
func (tx *Client) Cancel(reason string) {}

// Stop forgets the transaction without telling its user anything more.
func (tx *Client) Stop() {}

// Layer is the transaction layer.
type Layer struct{}

// Send starts a client transaction: req (with our Via on top, its branch unique)
// goes out on f. on gets each response, in order, and once an error instead
// of a final response: ErrTimeout (Timer B or F) or ErrTransport (the flow
// broke; also when Send could not write). on is never called twice at once, never
// on the caller's stack, but perhaps before Send returns.
func (l *Layer) Send(req *sip.Request, f *transport.Flow, on func(*Client, *sip.Response, error)) *Client {
	panic("todo")
}

// SendACK sends an ACK to a 2xx (or any request that has no transaction).
func (l *Layer) SendACK(req *sip.Request, f *transport.Flow) error { panic("todo") }

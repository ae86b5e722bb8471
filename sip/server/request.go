package server

import (
	"strconv"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Request is a checked request on its way through the services. It has one
// owner at a time: its methods are not for concurrent use.
type Request struct {
	*transaction.Incoming               // the message, its core and its flow
	Sender                auth.Identity // who was proven; zero inside a dialog that its token opened, and for ACK and CANCEL
	Repeated              bool          // an exact copy of a REGISTER that was let in before (auth.Result)
	TraceID               string        // from the wire to the archive row
	Trusted               bool          // from an agent of ours

	server *Server
	tx     *transaction.Server
	ended  bool // answered or absorbed without a transaction
	at     int  // the next step of the chain

	asked, claimed bool // what the door said
	foreign        bool // what the border said
}

// Transaction begins the server transaction on first use. nil after an overload
// answer was sent, or when a copy of the request was quicker: the handler
// returns.
func (r *Request) Transaction() *transaction.Server {
	if r.tx != nil || r.ended || r.Method == sip.ACK {
		return r.tx
	}
	tx, err := r.Begin()
	switch err {
	case nil:
		r.tx = tx
	case transaction.ErrOverload:
		r.refuse(&Error{Status: 503, RetryAfter: soon(), Warning: "too many requests at once"})
	default:
		r.ended = true
	}
	return r.tx
}

// Reply answers through the transaction (statelessly for requests that are
// owed no state), reason "" means the standard phrase.
func (r *Request) Reply(status int, reason string, hs ...sip.Header) {
	r.Respond(wire.NewResponse(r.Request, status, reason, hs...))
}

// Respond sends a response that was built elsewhere.
func (r *Request) Respond(res *sip.Response) {
	if r.ended || r.Method == sip.ACK {
		return
	}
	if r.tx == nil && r.owedNoState(res.StatusCode) {
		r.ended = true
		r.Incoming.Reply(res)
		return
	}
	if tx := r.Transaction(); tx != nil {
		_ = tx.Respond(res) // what came too late, or met a broken flow, is counted there
	}
}

// owedNoState tells whether nothing need be kept of a request that is answered
// at once. Over reliable transports the response ends the transaction in the
// moment it begins: Timer J is zero (RFC 3261 §17.2.2). A REGISTER that succeeded
// may be asked again: its copy, [Request.Repeated], changes nothing.
func (r *Request) owedNoState(status int) bool {
	if r.Method == sip.INVITE || status < 200 || status == 408 {
		return false
	}
	return r.Flow.Reliable() || r.Method == sip.REGISTER && status < 300
}

// ReplyError answers with what err means: an *Error as it is, the sentinels of
// store by the table in error.go, anything else 500 with the trace id.
func (r *Request) ReplyError(err error) {
	e := r.server.meaning(r, err)
	r.Reply(e.Status, e.Reason, r.server.headers(e)...)
}

// refuse answers without state (RFC 3261 §8.2.7): what the chain turns away
// costs no memory.
func (r *Request) refuse(e *Error) {
	if r.ended {
		return
	}
	r.ended = true
	r.Incoming.Reply(wire.NewResponse(r.Request, e.Status, e.Reason, r.server.headers(e)...))
}

func (s *Server) headers(e *Error) []sip.Header {
	if e.RetryAfter == 0 && e.Warning == "" {
		return e.Headers
	}
	hs := append(make([]sip.Header, 0, len(e.Headers)+2), e.Headers...)
	if e.RetryAfter > 0 {
		hs = append(hs, wire.H("Retry-After", strconv.Itoa(e.RetryAfter)))
	}
	if e.Warning != "" {
		hs = append(hs, wire.H("Warning", s.warning(e.Warning)))
	}
	return hs
}

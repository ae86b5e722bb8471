package server

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/transaction"
)

// Request is a checked request on its way through the services.
type Request struct {
	*transaction.Incoming               // the message, its core and its flow
	Sender                auth.Identity // who was proven; zero inside a dialog that its token opened, and for ACK and CANCEL
	TraceID               string        // from the wire to the archive row
}

// Transaction begins the server transaction on first use. nil after an overload
// answer was sent: the handler returns.
func (r *Request) Transaction() *transaction.Server { panic("todo") }

// Reply answers through the transaction (statelessly for requests that are
// owed no state), reason "" means the standard phrase.
func (r *Request) Reply(status int, reason string, hs ...sip.Header) { panic("todo") }

// Respond sends a response that was built elsewhere.
func (r *Request) Respond(res *sip.Response) { panic("todo") }

// ReplyError answers with what err means: an *Error as it is, the sentinels of
// store by the table in error.go, anything else 500 with the trace id.
func (r *Request) ReplyError(err error) { panic("todo") }

// Handler is a service.
type Handler interface {
	// ServeSIP must not block. It may keep r and answer later.
	ServeSIP(r *Request)
}

// Error is a protocol error as a value (DESIGN.md law 8).
type Error struct {
	Status     int
	Reason     string // "" for the standard phrase
	RetryAfter int    // seconds, 0 for none
	Warning    string // text of a 399 Warning, helps the user, leaks nothing
	Headers    []sip.Header
}

func (e *Error) Error() string { panic("todo") }

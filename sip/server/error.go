package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/store"
)

// Error is a protocol error as a value (DESIGN.md law 8).
type Error struct {
	Status     int
	Reason     string // "" for the standard phrase
	RetryAfter int    // seconds, 0 for none
	Warning    string // text of a 399 Warning, helps the user, leaks nothing
	Headers    []sip.Header
}

func (e *Error) Error() string {
	text := strconv.Itoa(e.Status)
	if e.Reason != "" {
		text += " " + e.Reason
	}
	if e.Warning != "" {
		text += ": " + e.Warning
	}
	return text
}

// meaning turns an error into a response: the one table of the SIP side.
func (s *Server) meaning(r *Request, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &Error{Status: 404}
	case errors.Is(err, store.ErrInvalid):
		return &Error{Status: 400, Warning: "the request breaks a rule of the server"}
	case errors.Is(err, store.ErrConflict):
		return &Error{Status: 403, Warning: "this is taken already, or was revoked"}
	case errors.Is(err, store.ErrUnavailable):
		return &Error{Status: 503, RetryAfter: soon(), Warning: "cannot be stored now, nothing was done; try again"}
	case errors.Is(err, store.ErrUnknown):
		// Not 503: it may have been done. The client sends it again and the
		// store knows a copy.
		return &Error{Status: 500, RetryAfter: soon(), Warning: "the outcome is unknown; send it again"}
	case errors.Is(err, transaction.ErrOverload), errors.Is(err, context.DeadlineExceeded):
		return &Error{Status: 503, RetryAfter: soon()}
	}
	s.log.Error("a request failed", "trace", r.TraceID, "method", string(r.Method), "error", err)
	return &Error{Status: 500, Warning: "internal error, trace " + r.TraceID}
}

// soon is a Retry-After of 2 to 10 seconds: random, so that those who were
// turned away together do not come back together.
func soon() int { return 2 + rand.IntN(9) }

// warning makes the value of a Warning header, RFC 3261 §20.43.
func (s *Server) warning(text string) string {
	agent := "sparkle"
	if len(s.cfg.Domains) > 0 {
		agent = s.cfg.Domains[0]
	}
	return `399 ` + agent + ` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

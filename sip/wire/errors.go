package wire

import (
	"errors"
	"strconv"

	"github.com/emiago/sipgo/sip"
)

// Error is a request that is refused before anybody looks at what it wants.
// Request holds what could be read of it, enough for [NewResponse], or is nil
// when nobody can be answered: it has no Via, it is an ACK, or it is a response.
type Error struct {
	Status  int
	Reason  string
	Request *sip.Request

	fatal bool
}

func (e *Error) Error() string {
	return "refuse with " + strconv.Itoa(e.Status) + " " + e.Reason
}

// Fatal tells whether the stream that carried the message must be closed,
// because nobody can know where the next message begins.
func (e *Error) Fatal() bool { return e.fatal }

// errDrop is a datagram that is owed no answer.
var errDrop = errors.New("neither a SIP message nor a request that can be answered; drop it")

// refusal makes the error for m, whose Request is only set when it is one that
// can and may be answered.
func refusal(m sip.Message, status int, reason string) *Error {
	e := &Error{Status: status, Reason: reason}
	req, ok := m.(*sip.Request)
	// RFC 3261 §17.1.1.3: an ACK is never answered.
	if ok && req.Method != sip.ACK && Header(req, "Via") != "" {
		e.Request = req
	}
	return e
}

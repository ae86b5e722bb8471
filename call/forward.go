package call

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/store"
)

// Why a call goes somewhere else than it was meant to, as its record says.
const (
	forwardAlways   = "forward always"
	forwardBusy     = "forward busy"
	forwardNoAnswer = "forward no answer"
	forwardOffline  = "forward offline"
	redirected      = "redirection"
	overflowed      = "overflow"
	transfer        = "transfer"
)

// arrival is what a user wants to become of a call to him.
type arrival struct {
	ring bool
	to   string // where it goes instead; "" nowhere
	why  string
}

// arriving decides about a call to a user before his devices are asked; c is nil
// for one who has set nothing. Who does not want to be disturbed is busy, or at
// least does not answer; who cannot be reached does not answer either.
func arriving(c *store.CallSettings, reachable bool) arrival {
	switch {
	case c == nil:
		return arrival{ring: reachable}
	case c.ForwardAlways != "":
		return arrival{to: c.ForwardAlways, why: forwardAlways}
	case c.DoNotDisturb:
		return first(arrival{to: c.ForwardBusy, why: forwardBusy}, arrival{to: c.ForwardNoAnswer, why: forwardNoAnswer})
	case !reachable:
		return first(arrival{to: c.ForwardOffline, why: forwardOffline}, arrival{to: c.ForwardNoAnswer, why: forwardNoAnswer})
	}
	return arrival{ring: true}
}

func first(a, b arrival) arrival {
	if a.to != "" {
		return a
	}
	return b
}

// unanswered decides about a call that a user's devices did not take, by the
// status that they agreed on and whether one rang.
func unanswered(c *store.CallSettings, status int, rang bool) arrival {
	if c == nil {
		return arrival{}
	}
	switch status {
	case sip.StatusBusyHere, sip.StatusGlobalBusyEverywhere, sip.StatusGlobalDecline:
		return arrival{to: c.ForwardBusy, why: forwardBusy}
	case sip.StatusTemporarilyUnavailable, sip.StatusRequestTimeout, sip.StatusRequestTerminated,
		sip.StatusServiceUnavailable, sip.StatusGatewayTimeout:
		noAnswer := arrival{to: c.ForwardNoAnswer, why: forwardNoAnswer}
		if rang {
			return noAnswer
		}
		return first(arrival{to: c.ForwardOffline, why: forwardOffline}, noAnswer)
	}
	return arrival{} // another device would not take this call either
}

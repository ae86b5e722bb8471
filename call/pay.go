package call

import (
	"cmp"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// A call to a carrier costs money, so somebody answers for each: the user who
// dials it, or the user or hunt group that diverts a call there. It is his lock,
// class of service and limits that decide, whoever began the call. A call that
// came from a carrier pays for nothing.

// Why something was denied, as sparkle_call_denied_total counts it; or one of the
// reasons of a diversion.
const (
	deniedDialled   = "dialled"   // what the caller himself dialled
	deniedCarrier   = "carrier"   // a carrier's call would leave to a carrier, and nobody diverted it
	deniedEmergency = "emergency" // a diversion to an emergency number
	deniedLoop      = "loop"      // diverted too often, or to where it was
	deniedHunt      = "hunt"      // a member of a hunt group
	deniedRefer     = "refer"     // a transfer
)

// denials are all whys.
func denials() []string {
	return []string{
		deniedDialled, deniedCarrier, deniedEmergency, deniedLoop, deniedHunt, deniedRefer,
		forwardAlways, forwardBusy, forwardNoAnswer, forwardOffline, redirected, overflowed, transfer,
	}
}

// waysOut finds the ways to the number of a stage for the one who pays for it,
// and counts the call as his.
func (c *call) waysOut(at stage) ([]trunk.Route, *server.Error) {
	why := at.why
	switch {
	case at.group != nil:
		why = deniedHunt
	case why == "":
		why = deniedDialled
	}
	number := wire.URIString(&at.address)
	if !at.payer.diverted() && c.caller.user == 0 {
		c.deny(deniedCarrier, number, at.payer, "a call from a carrier does not leave to a carrier by itself")
		return nil, &server.Error{Status: sip.StatusNotFound}
	}
	c.mu.Lock()
	fresh := c.spend(at)
	who := c.payerOf(at)
	c.mu.Unlock()
	ways, err := c.service.cfg.Border.Routes(who, number)
	if err != nil {
		if fresh {
			c.giveBack(at)
		}
		refusal := asError(err)
		if refusal.Status == sip.StatusForbidden {
			c.deny(why, number, at.payer, refusal.Warning)
		}
		return nil, refusal
	}
	if at.payer.diverted() && ways[0].Emergency {
		c.deny(deniedEmergency, number, at.payer, "calls are not diverted to emergency numbers")
		return nil, &server.Error{Status: sip.StatusForbidden}
	}
	c.mu.Lock()
	first := c.route.enter(ways[0].Number)
	c.mu.Unlock()
	if !first {
		c.deny(deniedLoop, number, at.payer, "the number was tried already")
		return nil, unavailable()
	}
	return ways, nil
}

// spend counts a call of somebody to a carrier, once a call; false when it was
// counted before. c.mu is held.
func (c *call) spend(at stage) bool {
	who := c.answers(at)
	if c.phase == over || slices.Contains(c.spent, who) {
		return false
	}
	c.spent = append(c.spent, who)
	s := c.service
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paying[who]++
	return true
}

// giveBack takes back what spend did.
func (c *call) giveBack(at stage) {
	s := c.service
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == over {
		return // it was refunded
	}
	who := c.answers(at)
	c.spent = slices.DeleteFunc(c.spent, func(p payer) bool { return p == who })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refund([]payer{who})
}

// refund forgets what a call has spent. s.mu is held.
func (s *Service) refund(spent []payer) {
	for _, who := range spent {
		if s.paying[who]--; s.paying[who] <= 0 {
			delete(s.paying, who)
		}
	}
}

// answers is who pays, as one key for all his calls. c.mu is held.
func (c *call) answers(at stage) payer {
	if !at.payer.diverted() {
		return payer{user: c.caller.user}
	}
	return payer{user: at.payer.user, group: at.payer.group}
}

// payerOf is who pays for a stage as the border sees him. c.mu is held.
func (c *call) payerOf(at stage) trunk.Caller {
	who := c.answers(at)
	caller := c.service.account(who)
	if at.payer.diverted() {
		caller.Shown = c.shown()
	}
	caller.Anonymous = c.anonymous
	if slices.Contains(c.spent, who) {
		caller.Live-- // this one
	}
	return caller
}

// account is somebody who pays, with all his calls to carriers.
func (s *Service) account(who payer) trunk.Caller {
	caller := trunk.Caller{User: who.user, Group: who.group, Settings: s.Settings(who.user)}
	if g := s.settings.named(who.group); g != nil {
		caller.Settings, caller.Numbers = store.CallSettings{}, append(slices.Clone(g.Numbers), g.Name)
	} else if s.cfg.Users != nil && who.user != 0 {
		caller.Numbers = s.cfg.Users.Numbers(who.user)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	caller.Live = s.paying[who]
	return caller
}

// shown is the telephone number of the caller, "" for none. c.mu is held.
func (c *call) shown() string {
	if c.caller.user == 0 {
		return c.record.Caller.Address
	}
	if users := c.service.cfg.Users; users != nil {
		for _, n := range users.Numbers(c.caller.user) {
			if strings.HasPrefix(n, "+") {
				return n
			}
		}
	}
	return ""
}

// isAnonymous tells whether a caller does not want to be known (RFC 3323 §4.2,
// RFC 3325 §9.3).
func isAnonymous(r *server.Request) bool {
	for list := range wire.All(r.Request, "Privacy") {
		for value := range strings.SplitSeq(list, ";") {
			switch strings.ToLower(strings.TrimSpace(value)) {
			case "id", "user", "header":
				return true
			}
		}
	}
	return strings.EqualFold(r.From.URI.User, "anonymous")
}

// deny counts and logs what somebody tried and may not.
func (c *call) deny(why, what string, who payer, reason string) {
	who.user = cmp.Or(who.user, c.caller.user)
	c.service.deny(why, what, who, reason, c.record.TraceID, c.callID)
}

func (s *Service) deny(why, what string, who payer, reason, trace, callID string) {
	s.metrics.denied.WithLabelValues(why).Inc()
	s.log.Warn("a call was denied", "why", why, "to", what, "user", who.user, "group", who.group,
		"reason", reason, "trace", trace, "call_id", callID)
}

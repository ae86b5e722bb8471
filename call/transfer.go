package call

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// A transfer (REFER, RFC 3515) passes: who is referred calls the target himself
// and is judged then. But a number outside that the one who refers may not call
// is refused here, so that nobody has others call for him. A redirection (3xx)
// is a forward of the user whose device it comes from, and never the caller's
// business.

// mayRefer tells why a user may not transfer as r asks, nil when he may. c.mu is
// held.
func (c *call) mayRefer(u store.UserID, r *server.Request) *server.Error {
	s := c.service
	targets := wire.Values(r.Request, "Refer-To")
	if len(targets) == 0 {
		return nil // the phone says so
	}
	to, err := wire.ParseNameAddr(targets[0])
	switch {
	case err != nil || len(targets) > 1:
		return &server.Error{Status: sip.StatusBadRequest, Warning: "a REFER has one Refer-To"} // RFC 3515 §2.4.2
	case u == 0:
		c.deny(deniedRefer, wire.URIString(&to.URI), payer{}, "carriers do not transfer calls")
		return &server.Error{Status: sip.StatusForbidden}
	case s.cfg.Border == nil || !isTelephone(&to.URI) || s.isOurs(&to.URI):
		return nil
	}
	to.URI.Headers = nil
	number := wire.URIString(&to.URI)
	who := s.account(payer{user: u})
	who.Live = 0 // it will be a call of somebody else
	if _, err := s.cfg.Border.Routes(who, number); err != nil {
		refusal := asError(err)
		if refusal.Status != sip.StatusForbidden {
			return nil // it fails, if it does, where it is tried
		}
		c.deny(deniedRefer, number, payer{user: u}, refusal.Warning)
		return refusal
	}
	return nil
}

// isOurs tells whether an address belongs to a user or a hunt group.
func (s *Service) isOurs(u *sip.Uri) bool {
	name := telephone(u)
	return s.settings.hunts(name) || s.cfg.Users != nil && s.cfg.Users.Owner(name) != 0
}

// withdrawn is a device's answer that is no answer for the caller: a redirection,
// or one that would speak for the other members of its group. c.mu is held.
func (c *call) withdrawn(b *branch, res *sip.Response) (out *sip.Response, then func()) {
	out = c.failureOf(res, sip.StatusTemporarilyUnavailable)
	switch {
	case res.StatusCode == sip.StatusGlobalBusyEverywhere:
		return c.failureOf(res, sip.StatusBusyHere), nil
	case res.StatusCode >= 400 || c.stage.group != nil || b.way != nil || b.user == 0:
		return out, nil
	}
	contact, err := wire.ParseNameAddr(wire.Header(res, "Contact"))
	who := c.stage.rung
	if err != nil || contact.URI.Scheme != "tel" && !c.service.settings.serves(contact.URI.Host) {
		c.deny(redirected, wire.Header(res, "Contact"), who, "a device may redirect to users and telephone numbers only")
		return out, nil
	}
	contact.URI.Headers = nil // RFC 3261 §19.1.5
	c.stage.redirect = &redirect{to: contact.URI, payer: who}
	return out, c.fork.MoveOn // it speaks for its user: nobody else need answer
}

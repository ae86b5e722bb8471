package call

import (
	"maps"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// A transfer (REFER, RFC 3515) passes: who is referred calls the target himself
// and is judged then. But a number outside that the one who refers may not call
// is refused here, so that nobody has others call for him. A redirection (3xx)
// is a forward of the user whose device it comes from, and never the caller's
// business.

// referrer is who transfers a call: the user at one side, nobody at a carrier's.
// c.mu is held.
func (c *call) referrer(b *branch, from side) payer {
	switch {
	case from == caller && c.caller.user != 0:
		return payer{user: c.caller.user, from: c.record.Caller.Address}
	case from == callee && b.way == nil:
		return payer{user: b.user, from: c.addressOf(b.user)}
	}
	return payer{}
}

// mayRefer tells why somebody may not transfer as r asks, nil when he may; number is
// then the one outside that it leads to, "" for none.
func (s *Service) mayRefer(who payer, r *server.Request) (number string, err *server.Error) {
	targets := wire.Values(r.Request, "Refer-To")
	if len(targets) == 0 {
		return "", nil // the phone says so
	}
	to, failure := wire.ParseNameAddr(targets[0])
	switch {
	case failure != nil || len(targets) > 1:
		return "", &server.Error{Status: sip.StatusBadRequest, Warning: "a REFER has one Refer-To"} // RFC 3515 §2.4.2
	case who.user == 0:
		s.deny(deniedRefer, wire.URIString(&to.URI), who, "carriers do not transfer calls", r.TraceID, r.CallID)
		return "", &server.Error{Status: sip.StatusForbidden}
	case s.cfg.Border == nil || !isTelephone(&to.URI) || s.isOurs(&to.URI):
		return "", nil
	}
	to.URI.Headers = nil
	number = wire.URIString(&to.URI)
	account := s.account(payer{user: who.user})
	account.Live, account.Asks = 0, true // it will be a call of somebody else
	if _, err := s.cfg.Border.Routes(account, number); err != nil {
		refusal := asError(err)
		if refusal.Status != sip.StatusForbidden {
			return "", nil // it fails, if it does, where it is tried
		}
		s.deny(deniedRefer, number, who, refusal.Warning, r.TraceID, r.CallID)
		return "", refusal
	}
	return number, nil
}

// serveRefer judges a REFER outside of calls, which is a transfer without a call to
// transfer: it has another phone call for the one who sends it.
func (s *Service) serveRefer(r *server.Request) {
	if _, err := s.mayRefer(payer{user: r.Sender.User, from: r.Sender.AOR()}, r); err != nil {
		r.ReplyError(err)
		return
	}
	s.cfg.Proxy.ServeSIP(r)
}

// refer judges a transfer of this call, and remembers it. c.mu is held.
func (c *call) refer(who payer, r *server.Request) *server.Error {
	number, err := c.service.mayRefer(who, r)
	if number != "" {
		c.service.referrals.add(number, who, time.Now())
	}
	return err
}

// referrals remembers for a minute who has transferred whom to a number outside.
// A party at a carrier does not call there himself, the border calls for him: that
// the one who referred pays is what this is for. What a device writes into a
// Referred-By is no proof of it.
type referrals struct {
	mu  sync.Mutex
	all map[string]referral
}

type referral struct {
	who   payer
	until time.Time
}

// Limits of what is remembered; beyond it transfers of carriers' calls fail.
const (
	referralLasts = time.Minute
	mostReferrals = 1000
)

func (f *referrals) add(number string, who payer, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = make(map[string]referral)
	}
	maps.DeleteFunc(f.all, func(_ string, r referral) bool { return now.After(r.until) })
	if len(f.all) < mostReferrals {
		f.all[number] = referral{who, now.Add(referralLasts)}
	}
}

// take returns who has transferred to a number, once.
func (f *referrals) take(number string, now time.Time) payer {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.all[number]
	delete(f.all, number)
	if !ok || now.After(r.until) {
		return payer{}
	}
	return r.who
}

// transferred makes the one who has transferred a carrier's call its payer.
func (c *call) transferred(r *server.Request) {
	if !r.Trusted || c.caller.user != 0 || wire.Header(r.Request, "Referred-By") == "" { // RFC 3892 §2.1, by the border
		return
	}
	first := &c.route.stages[0]
	if first.payer = c.service.referrals.take(wire.URIString(&r.Recipient), time.Now()); first.payer.diverted() {
		first.why = transfer
	}
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
	case res.StatusCode >= 400 || b.rung.user == 0 || b.rung != c.stage.rung || c.stage.member:
		return out, nil // a group's, a carrier's, or too late: the call has moved on
	}
	contact, err := wire.ParseNameAddr(wire.Header(res, "Contact"))
	who := b.rung
	if err != nil || contact.URI.Scheme != "tel" && !c.service.settings.serves(contact.URI.Host) {
		c.deny(redirected, wire.Header(res, "Contact"), who, "a device may redirect to users and telephone numbers only")
		return out, nil
	}
	contact.URI.Headers = nil // RFC 3261 §19.1.5
	c.stage.redirect = &redirect{to: contact.URI, payer: who}
	return out, c.fork.MoveOn // it speaks for its user: nobody else need answer
}

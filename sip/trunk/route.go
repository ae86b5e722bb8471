package trunk

import (
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

// Caller is who pays for a call to a carrier: the user who dials, or the one
// who forwards or transfers, or the hunt group that does.
type Caller struct {
	User      store.UserID
	Group     string // the hunt group, "" for a user
	Settings  store.CallSettings
	Numbers   []string // the user's own
	Shown     string   // the number of the first caller of a forwarded call, "" for none
	Anonymous bool     // the caller withholds his number (RFC 3323)
	Live      int      // calls of this payer to carriers at the moment
	Asks      bool     // whether he may, without a call that would count
}

// payer is whose calls an hour are counted together.
type payer struct {
	user  store.UserID
	group string
}

func (c *Caller) payer() payer { return payer{c.User, c.Group} }

// Route is a way for a number.
type Route struct {
	Trunk     string
	Number    string // E.164; an emergency number as dialled
	Shown     string // the number that is presented, "" withheld
	Emergency bool
	Media     Media

	own      string // of the caller, asserted to the carrier
	diverted bool   // own has forwarded the call of Shown
}

// Why a call is denied, as sparkle_trunk_denied_total counts it.
const (
	deniedNoTrunk    = "no_trunk"    // no trunk serves that number
	deniedLocked     = "locked"      // the user is locked
	deniedClass      = "class"       // his class of service forbids the prefix
	deniedUserCalls  = "user_calls"  // he has as many calls as he may
	deniedUserHour   = "user_hour"   // he had as many in the last hour as he may
	deniedNumber     = "caller"      // he has no number that the trunk may present
	deniedTrunkCalls = "trunk_calls" // the trunk is full
	deniedTrunkHour  = "trunk_hour"  // the trunk had as many calls in the last hour as it may
	deniedDown       = "down"        // all gateways are down
)

// denials are the answers to those reasons, the most telling last: of the reasons
// of several trunks that one is told.
var denials = []struct {
	reason string
	err    server.Error
}{
	{deniedNoTrunk, server.Error{Status: sip.StatusNotFound}},
	{deniedNumber, server.Error{Status: sip.StatusForbidden, Warning: "you have no number that may be presented to the carrier: ask your administrator"}},
	{deniedDown, server.Error{Status: sip.StatusServiceUnavailable, RetryAfter: 30, Warning: "the carrier cannot be reached"}},
	{deniedTrunkHour, server.Error{Status: sip.StatusServiceUnavailable, RetryAfter: 60, Warning: "too many calls to the carrier in this hour"}},
	{deniedTrunkCalls, server.Error{Status: sip.StatusServiceUnavailable, RetryAfter: 10, Warning: "all lines to the carrier are busy"}},
	{deniedUserHour, server.Error{Status: sip.StatusForbidden, Warning: "you have made as many calls in this hour as you may"}},
	{deniedUserCalls, server.Error{Status: sip.StatusForbidden, Warning: "you have as many calls at the same time as you may"}},
	{deniedClass, server.Error{Status: sip.StatusForbidden, Warning: "your class of service does not allow this number"}},
	{deniedLocked, server.Error{Status: sip.StatusForbidden, Warning: "your telephone is locked for calls outside"}},
}

// worst is the place of a reason in denials.
func worst(reason string) int {
	for i := range denials {
		if denials[i].reason == reason {
			return i
		}
	}
	return 0
}

// Routes finds where a dialled number may go, the best trunk first. The error
// is a *server.Error: 404 no trunk serves it, 403 not allowed (with a Warning
// that says why), 503 all trunks are full or down.
//
// An emergency number of any trunk goes by the trunks that have it, whatever
// locks, classes and limits say; it is nobody's subscriber number elsewhere.
func (b *Border) Routes(c Caller, dialled string) ([]Route, error) {
	now := time.Now()
	trunks := b.all()
	if routes := emergencyRoutes(trunks, c, dialled); routes != nil {
		b.log.Warn("an emergency call", "user", c.User, "number", routes[0].Number)
		return routes, nil
	}
	var routes []Route
	denied := 0
	number := ""
	for _, t := range trunks {
		n, _, err := t.plan.dialled(dialled)
		if t.Disabled || err != nil || !t.serves.allows(n) {
			continue
		}
		number = n
		reason := b.mayCall(c, n, now)
		if reason == "" {
			reason = t.room(now)
		}
		if reason == "" && !slices.ContainsFunc(t.gateways, func(g *gateway) bool { return g.open(now) }) {
			reason = deniedDown
		}
		r := Route{Trunk: t.Name, Number: n, Media: t.mediaTo(now)}
		if !r.present(t, c) && reason == "" {
			reason = deniedNumber
		}
		if reason != "" {
			denied = max(denied, worst(reason))
			continue
		}
		routes = append(routes, r)
	}
	if len(routes) == 0 {
		return nil, b.deny(c, number, dialled, denied)
	}
	if !c.Asks {
		b.countHour(c.payer(), now)
	}
	return routes, nil
}

// Emergency tells whether what somebody dials is an emergency number of a trunk.
func (b *Border) Emergency(dialled string) bool {
	return slices.ContainsFunc(b.all(), func(t *group) bool {
		_, emergency, err := t.plan.dialled(dialled)
		return err == nil && emergency && !t.Disabled
	})
}

// deny counts, logs and answers a call that may not be.
func (b *Border) deny(c Caller, number, dialled string, why int) error {
	d := &denials[why]
	b.metrics.denied.WithLabelValues(d.reason).Inc()
	b.log.Warn("a call to a carrier was denied", "reason", d.reason, "user", c.User, "number", number, "dialled", dialled)
	err := d.err
	return &err
}

func emergencyRoutes(trunks []*group, c Caller, dialled string) (routes []Route) {
	for _, t := range trunks {
		n, emergency, err := t.plan.dialled(dialled)
		if err != nil || !emergency || t.Disabled {
			continue
		}
		c.Anonymous, c.Shown, c.Settings.Withhold = false, "", false // who calls for help wants to be found
		r := Route{Trunk: t.Name, Number: n, Emergency: true, Media: t.mediaTo(time.Now())}
		r.present(t, c)
		routes = append(routes, r)
	}
	return routes
}

// mayCall tells which rule for the user stops the call, "" for none.
func (b *Border) mayCall(c Caller, number string, now time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	class, known := b.classes[or(c.Settings.Class, defaultClass)]
	switch {
	case c.Settings.Locked:
		return deniedLocked
	case !known && c.Settings.Class != "" && c.Settings.Class != defaultClass:
		return deniedClass // one that is not there allows nothing
	case !prefixes{class.Allow, class.Deny}.allows(number):
		return deniedClass
	case class.MaxCalls > 0 && c.Live >= class.MaxCalls, c.Settings.MaxCalls > 0 && c.Live >= c.Settings.MaxCalls:
		return deniedUserCalls
	}
	if h := b.hours[c.payer()]; class.CallsPerHour > 0 && h != nil && h.count(now) >= class.CallsPerHour {
		return deniedUserHour
	}
	return ""
}

func (b *Border) countHour(p payer, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hours[p]
	if h == nil {
		h = new(hourly)
		b.hours[p] = h
	}
	h.add(now)
}

// present chooses the numbers that the carrier is told: only those that are both
// the caller's and the trunk's, or the trunk's default. false: there is none.
func (r *Route) present(t *group, c Caller) bool {
	r.own = t.plan.ownNumber(c)
	if r.own == "" {
		return false
	}
	r.Shown = r.own
	if c.Shown != "" && t.Numbers.Diversion != formatNone && isE164(c.Shown) {
		r.Shown, r.diverted = c.Shown, true
	}
	if c.Anonymous || c.Settings.Withhold {
		r.Shown = ""
	}
	return true
}

// ownNumber is the caller's number in E.164: the one that he has chosen, else his
// first one, else the default.
func (p plan) ownNumber(c Caller) string {
	numbers := c.Numbers
	if slices.Contains(numbers, c.Settings.Caller) {
		numbers = append([]string{c.Settings.Caller}, numbers...)
	}
	for _, n := range numbers {
		if n = p.ours(n); n != "" {
			return n
		}
	}
	return p.Default
}

// ours is the E.164 number of this trunk that leads to a number of a user, which
// may be an extension; "" when there is none.
func (p plan) ours(n string) string {
	if n == "" {
		return ""
	}
	if e, err := p.byPrefix(n); err == nil && p.target(e) != "" {
		return e
	}
	for _, in := range p.Inward {
		prefix, wild := strings.CutSuffix(in.Number, "*")
		if !wild {
			if in.To == n {
				return in.Number
			}
			continue
		}
		before, after, ok := strings.Cut(in.To, "*")
		if !ok || len(n) < len(before)+len(after) || !strings.HasPrefix(n, before) || !strings.HasSuffix(n, after) {
			continue
		}
		if e := prefix + n[len(before):len(n)-len(after)]; isE164(e) && p.target(e) == n {
			return e
		}
	}
	return ""
}

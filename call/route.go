package call

import (
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/store"
)

// maxDiversions bounds how often a call goes somewhere else than it was meant
// to: forwards, redirections, hunt groups and their overflow together.
const maxDiversions = 5

// route is the pure half of reaching somebody: it is told what became of the
// last stage and says which comes next. It knows no messages, no clock and no
// network.
//
// A stage that names an address may turn out to be a number that only carriers
// serve; then the ways there are stages of their own ([route.detour]), or a hunt
// group ([route.hunt]), or somebody who does not want to be called there
// ([route.divert]). No address is tried twice in one call, so that two users who
// forward to each other end it and not the server (RFC 5393).
type route struct {
	stages    []stage
	entered   []string // addresses that were tried, in one spelling
	diversion int      // how many there were
}

// stage is whom a call tries at a time: the devices of an address of ours, those
// of all members of a hunt group, or a way to a carrier.
type stage struct {
	address sip.Uri
	trunk   *trunk.Route
	group   *store.HuntGroup // whose members ring, or one of them
	member  bool             // address is a member: what he set for himself does not hold
	own     bool             // the devices whatever their user has set: he wants to make the call, or it is for one of them
	payer   payer
	ring    time.Duration // how long; 0: until somebody says something
	why     string        // the call was diverted here, "" for who was dialled

	// What is learnt while it is tried:
	rung     payer               // the user who is rung
	services *store.CallSettings // what he wants, nil for nothing
	rang     bool
	redirect *redirect
}

// payer is who answers for what a call does outside: the one who diverted it
// last. The zero payer is the caller.
type payer struct {
	user  store.UserID
	group string // a hunt group: what its administrator has set up
	from  string // address of either, for the record
}

func (p payer) diverted() bool { return p != payer{} }

// redirect is where a user's device sends a caller (RFC 3261 §8.1.3.4).
type redirect struct {
	to    sip.Uri
	payer payer
}

// outcome is what became of a stage: the best status of those who were tried.
type outcome struct {
	stage  stage
	status int
}

// routeTo begins with who was dialled.
func routeTo(dialled *sip.Uri) route { return route{stages: []stage{{address: *dialled}}} }

// next takes the stage that is tried now, the first time with the zero outcome.
func (r *route) next(o outcome) (s stage, ok bool) {
	if o.stage.trunk != nil && !carrierFailed(o.status) {
		r.dropTrunks() // the number itself answered: busy, unknown, declined
	}
	if len(r.stages) == 0 {
		return stage{}, false
	}
	s, r.stages = r.stages[0], r.stages[1:]
	return s, true
}

// enter notes that an address is tried; false when it was already.
func (r *route) enter(address string) bool {
	for _, before := range r.entered {
		if before == address {
			return false
		}
	}
	r.entered = append(r.entered, address)
	return true
}

// divert puts an address before everything else; p pays from there. It returns
// false when the call has been diverted too often.
func (r *route) divert(to sip.Uri, why string, p payer) bool {
	if r.diversion++; r.diversion > maxDiversions {
		return false
	}
	r.stages = append([]stage{{address: to, payer: p, why: why}}, r.stages...)
	return true
}

// hunt puts a group before everything else: its members, all at once or one
// after the other, and then its overflow.
func (r *route) hunt(g *store.HuntGroup, members []sip.Uri, overflow *sip.Uri, p payer) bool {
	if r.diversion++; r.diversion > maxDiversions {
		return false
	}
	one := stage{group: g, payer: p, ring: ringTime(g.RingTime)}
	var stages []stage
	if g.Serial {
		one.member = true
		for _, m := range members {
			one.address = m
			stages = append(stages, one)
		}
	} else {
		stages = append(stages, one)
	}
	if overflow != nil {
		stages = append(stages, stage{address: *overflow, payer: p, why: overflowed})
	}
	r.stages = append(stages, r.stages...)
	return true
}

func ringTime(seconds int) time.Duration {
	if seconds <= 0 {
		seconds = defaultRing
	}
	return time.Duration(seconds) * time.Second
}

// detour puts the ways to the number of a stage before everything else, in their
// order.
func (r *route) detour(at stage, ways []trunk.Route) {
	stages := make([]stage, 0, len(ways)+len(r.stages))
	for i := range ways {
		stages = append(stages, stage{trunk: &ways[i], payer: at.payer, ring: at.ring})
	}
	r.stages = append(stages, r.stages...)
}

// dropTrunks forgets the ways that belong to the number tried last.
func (r *route) dropTrunks() {
	for len(r.stages) > 0 && r.stages[0].trunk != nil {
		r.stages = r.stages[1:]
	}
}

// carrierFailed tells whether a status speaks of the way and not of the number.
func carrierFailed(status int) bool {
	return status == sip.StatusRequestTimeout || status >= 500 && status < 600
}

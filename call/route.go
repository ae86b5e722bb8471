package call

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/trunk"
)

// route is the pure half of reaching somebody: it is told what became of the
// last stage and says which comes next. It knows no messages, no clock and no
// network.
//
// A stage that names an address may turn out to be a number that only carriers
// serve; then the ways there are stages of their own ([route.detour]).
type route struct {
	stages []stage
}

// stage is whom a call tries at a time: either the devices of an address of
// ours, or a way to a carrier.
type stage struct {
	address sip.Uri
	trunk   *trunk.Route
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

// detour puts the ways to a number before everything else, in their order.
func (r *route) detour(ways []trunk.Route) {
	stages := make([]stage, 0, len(ways)+len(r.stages))
	for i := range ways {
		stages = append(stages, stage{trunk: &ways[i]})
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

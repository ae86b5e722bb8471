package registrar

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// view is what a user's record says to those who look for him, in the order of
// Lookup. All of them share it; it is never changed, only made anew when
// something but the time of its bindings has changed, or one of them expires.
type view struct {
	targets []Target
	until   int64 // good before that time, unix nanoseconds
}

// viewOf returns the current view of rec. The caller holds the shard.
func (g *Registrar) viewOf(rec *record, now time.Time) *view {
	if rec.view == nil || now.UnixNano() >= rec.view.until {
		rec.view = g.newView(rec, now, (&device{}).selects)
	}
	return rec.view
}

// newView makes a view of those bindings that are selected.
func (g *Registrar) newView(rec *record, now time.Time, selects func(*binding) bool) *view {
	v := &view{until: math.MaxInt64}
	bindings := make([]*binding, 0, len(rec.bindings))
	for _, b := range rec.bindings {
		if !b.live(now) || !selects(b) {
			continue
		}
		v.until = min(v.until, b.expires)
		if b.flow == nil && b.from.transport == transport.UDP && !g.reopen(b) {
			v.until = 0 // who looks next tries again
		}
		bindings = append(bindings, b)
	}
	slices.SortStableFunc(bindings, inOrder)
	v.targets = make([]Target, 0, len(bindings))
	aor := "sip:" + wire.EscapeUser(rec.username) + "@" + rec.domain
	for _, b := range bindings {
		if t, err := g.target(rec, b, aor); err == nil { // it was parsed when it was registered
			v.targets = append(v.targets, t)
		}
	}
	return v
}

// inOrder sorts by q and puts the flows of one device next to each other, the
// newest that is alive first (RFC 5626 §7).
func inOrder(a, b *binding) int {
	return cmp.Or(
		cmp.Compare(b.q, a.q),
		cmp.Compare(a.device.ID, b.device.ID),
		cmp.Compare(flowFirst(a), flowFirst(b)),
		cmp.Compare(b.registered, a.registered),
	)
}

func flowFirst(b *binding) int {
	if b.flow != nil {
		return 0
	}
	return 1
}

// reopen makes the flow of a binding that came by UDP before a restart.
func (g *Registrar) reopen(b *binding) bool {
	f, err := g.cfg.Flows.UDPFlow(b.from.local, b.from.remote)
	if err != nil {
		g.log.Debug("no UDP listener for a binding from before the restart", "local", b.from.local, "error", err)
		return false
	}
	b.flow = f
	g.table.flows.add(f.ID, b)
	return true
}

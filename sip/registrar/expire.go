package registrar

import (
	"context"
	"slices"
	"time"

	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// sweepEvery is how often expired bindings are cleared away. They count for
// nothing from the moment they expire.
const sweepEvery = 30 * time.Second

// Run clears away expired bindings until ctx ends.
func (g *Registrar) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.sweep(time.Now())
		}
	}
}

// sweep removes what has expired, one shard after the other.
func (g *Registrar) sweep(now time.Time) {
	g.remove(func(b *binding) bool { return !b.live(now) })
}

// RemoveDevice and RemoveUser end bindings and close their flows.
func (g *Registrar) RemoveDevice(d store.DeviceID) {
	closeAll(g.remove(func(b *binding) bool { return b.device.ID == d }), "device revoked")
}

func (g *Registrar) RemoveUser(u store.UserID) {
	g.users.forget(u)
	closeAll(g.remove(func(b *binding) bool { return b.user == u }), "user removed")
}

// remove ends the bindings that match and returns the flows that they had.
func (g *Registrar) remove(match func(*binding) bool) (flows []*transport.Flow) {
	for i := range g.table.shards {
		s := &g.table.shards[i]
		var removed []store.Binding
		s.mu.Lock()
		for _, rec := range s.users {
			rec.bindings = slices.DeleteFunc(rec.bindings, func(b *binding) bool {
				if !match(b) {
					return false
				}
				removed = append(removed, b.row())
				if b.flow != nil {
					flows = append(flows, b.flow)
				}
				g.table.unlink(b)
				rec.changed()
				return true
			})
			g.table.forgetEmpty(rec)
		}
		s.mu.Unlock()
		g.save(outcome{removed: removed})
	}
	return flows
}

// closeAll closes connections; for UDP there is nothing to close.
func closeAll(flows []*transport.Flow, why string) {
	for _, f := range flows {
		if f.Reliable() {
			f.Close(why)
		}
	}
}

package registrar

import (
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Lookup returns the targets of a user, best q first; one per device (with
// RFC 5626 the newest flow first, others of that device after it). Targets
// that cannot be reached now are among them, without a flow. The list is shared
// and must not be changed.
func (g *Registrar) Lookup(u store.UserID) []Target { return g.targets(u, &device{}) }

// targets returns the targets of those bindings of a user that d selects.
func (g *Registrar) targets(u store.UserID, d *device) []Target {
	if !g.table.present.MayHave(u) { // most members of a large group
		return nil
	}
	s := g.table.of(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.users[u]
	switch {
	case rec == nil:
		return nil
	case d.all():
		return g.viewOf(rec, time.Now()).targets
	}
	return g.newView(rec, time.Now(), d.selects).targets
}

// ByFlow returns the targets registered over a flow (who is this peer).
func (g *Registrar) ByFlow(f *transport.Flow) (here []Target) {
	var users [4]store.UserID
	for _, u := range g.table.flows.users(f.ID, users[:0]) {
		all := g.Lookup(u)
		some := selected(all, func(t *Target) bool { return t.Flow != nil && t.Flow.ID == f.ID })
		if here == nil {
			here = some
		} else {
			here = slices.Concat(here, some)
		}
	}
	return here
}

// ByContact finds the device that registered exactly this Contact URI.
func (g *Registrar) ByContact(u *sip.Uri) (Target, bool) {
	var users [4]store.UserID
	for _, user := range g.table.contacts.users(g.table.place(u), users[:0]) {
		for _, t := range g.Lookup(user) {
			if t.Flow != nil && wire.EqualURI(&t.Contact, u) {
				return t, true
			}
		}
	}
	return Target{}, false
}

// selected returns those of a shared list that match: the list itself when all
// of them do, as they do nearly always.
func selected(all []Target, match func(*Target) bool) []Target {
	n := 0
	for n < len(all) && match(&all[n]) {
		n++
	}
	some := all[:n:n]
	for i := n; i < len(all); i++ {
		if match(&all[i]) {
			some = append(some, all[i])
		}
	}
	return some
}

// FlowClosed marks the bindings of a flow unreachable at once.
func (g *Registrar) FlowClosed(f *transport.Flow) {
	for _, b := range g.table.flows.take(f.ID) {
		s := g.table.of(b.user)
		s.mu.Lock()
		if b.flow != nil && b.flow.ID == f.ID {
			b.flow = nil
			if rec := s.users[b.user]; rec != nil {
				rec.changed()
			}
		}
		s.mu.Unlock()
	}
}

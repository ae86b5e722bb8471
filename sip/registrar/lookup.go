package registrar

import (
	"cmp"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Lookup returns the targets of a user, best q first; one per device (with
// RFC 5626 the newest flow first, others of that device after it). Targets
// that cannot be reached now are among them, without a flow.
func (g *Registrar) Lookup(u store.UserID) []Target { return g.targets(u, device{}) }

// found is a Target whose Contact is still text: it is parsed outside the lock.
type found struct {
	Target
	contact    string
	registered int64
}

// targets returns the targets of those bindings of a user that d selects.
func (g *Registrar) targets(u store.UserID, d device) []Target {
	now := time.Now()
	s := g.table.of(u)
	s.mu.Lock()
	rec := s.users[u]
	if rec == nil {
		s.mu.Unlock()
		return nil
	}
	list := make([]found, 0, len(rec.bindings))
	for _, b := range rec.bindings {
		if b.live(now) && d.selects(b) {
			list = append(list, found{Target: g.target(rec, b), contact: b.contact, registered: b.registered})
		}
	}
	s.mu.Unlock()
	return ordered(list)
}

// ordered sorts by q and puts the flows of one device next to each other, the
// newest that is alive first (RFC 5626 §7).
func ordered(list []found) []Target {
	if len(list) > 1 {
		slices.SortStableFunc(list, func(a, b found) int {
			return cmp.Or(
				cmp.Compare(b.Q, a.Q),
				cmp.Compare(a.Device.ID, b.Device.ID),
				cmp.Compare(reachableFirst(a), reachableFirst(b)),
				cmp.Compare(b.registered, a.registered),
			)
		})
	}
	targets := make([]Target, 0, len(list))
	for _, f := range list {
		u, err := wire.ParseURI(f.contact)
		if err != nil {
			continue // it was parsed when it was registered
		}
		u.Headers = nil // RFC 3261 §19.1.5: headers of a Contact never become headers of a request
		f.Contact = u
		targets = append(targets, f.Target)
	}
	return targets
}

func reachableFirst(f found) int {
	if f.Flow != nil {
		return 0
	}
	return 1
}

// ByFlow returns the targets registered over a flow (who is this peer).
func (g *Registrar) ByFlow(f *transport.Flow) []Target {
	return ordered(g.collect(g.table.flows.get(f.ID), func(b *binding) bool {
		return b.flow != nil && b.flow.ID == f.ID
	}))
}

// ByContact finds the device that registered exactly this Contact URI.
func (g *Registrar) ByContact(u *sip.Uri) (Target, bool) {
	place := g.table.place(u)
	list := g.collect(g.table.contacts.get(place), func(b *binding) bool {
		known, err := wire.ParseURI(b.contact)
		return err == nil && b.place == place && wire.EqualURI(&known, u)
	})
	for _, t := range ordered(list) {
		if t.Flow != nil {
			return t, true
		}
	}
	return Target{}, false
}

// collect makes targets of those bindings, found in an index, that still match.
func (g *Registrar) collect(bs []*binding, match func(*binding) bool) (list []found) {
	now := time.Now()
	for _, b := range bs {
		s := g.table.of(b.user)
		s.mu.Lock()
		if rec := s.users[b.user]; rec != nil && slices.Contains(rec.bindings, b) && b.live(now) && match(b) {
			list = append(list, found{Target: g.target(rec, b), contact: b.contact, registered: b.registered})
		}
		s.mu.Unlock()
	}
	return list
}

// FlowClosed marks the bindings of a flow unreachable at once.
func (g *Registrar) FlowClosed(f *transport.Flow) {
	for _, b := range g.table.flows.take(f.ID) {
		s := g.table.of(b.user)
		s.mu.Lock()
		if b.flow != nil && b.flow.ID == f.ID {
			b.flow = nil
		}
		s.mu.Unlock()
	}
}

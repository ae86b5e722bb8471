package focus

import (
	"fmt"
	"testing"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/event"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/store"
)

// crowd is a focus over a group of n members with nobody there; what it measures is
// what everybody pays.
func crowd(b *testing.B, n int) (*Service, *group.Service, *group.Snapshot) {
	m := newMemory()
	var ids []store.UserID
	for i := range n {
		id := store.UserID(1000 + i)
		m.users[id] = store.User{ID: id, Username: fmt.Sprintf("user%05d", i), DisplayName: fmt.Sprintf("员工 %d", i)}
		ids = append(ids, id)
	}
	groups, err := group.New(b.Context(), group.Config{Store: m, Domain: "example.com"})
	if err != nil {
		b.Fatal(err)
	}
	s := New(Config{Groups: groups, Rooms: m, Users: m, Locations: nowhere{}, Domain: "example.com"})
	b.Cleanup(s.Close)
	if err := s.Restore(b.Context()); err != nil {
		b.Fatal(err)
	}
	g, err := groups.Create(b.Context(), group.Actor{System: true}, store.Group{Subject: "All"}, ids)
	if err != nil {
		b.Fatal(err)
	}
	return s, groups, g
}

// nowhere is a location service that knows nobody.
type nowhere struct{ Locations }

func (nowhere) Lookup(store.UserID) []registrar.Target { return nil }

// The refresh of a device that knows everything.
func BenchmarkReachable(b *testing.B) {
	s, _, g := crowd(b, 10)
	s.restore(store.RoomDevice{Group: g.ID, User: 1000, Device: 1}, g.Name)
	s.devices.of(1000).find(1000, 1).dirty = false
	then := func() {}
	b.ReportAllocs()
	for b.Loop() {
		s.Reachable(1000, 1, then)
	}
}

func BenchmarkStanding(b *testing.B) {
	s, _, g := crowd(b, 5000)
	d := &store.Device{ID: 1, User: 1000, Specs: "groupchat/1.1", Instance: "urn:uuid:x"}
	s.restore(store.RoomDevice{Group: g.ID, User: 1000, Device: 1}, g.Name)
	b.ReportAllocs()
	for b.Loop() {
		if s.Standing(g.ID, d) != Inside {
			b.Fatal("not inside")
		}
	}
}

// Everybody of a large group is told of the making of it.
func BenchmarkChanged(b *testing.B) {
	s, _, g := crowd(b, 5000)
	for b.Loop() {
		s.Changed(group.Event{After: g})
	}
}

// The whole state of a large group, written and compressed.
func BenchmarkFullState(b *testing.B) {
	s, _, g := crowd(b, 5000)
	sub := &event.Subscription{Subscription: store.Subscription{User: 1000}}
	b.ReportAllocs()
	for b.Loop() {
		s.states.drop(g.ID)
		if len(s.Current(sub, g.AOR())) != 1 {
			b.Fatal("no document")
		}
	}
}

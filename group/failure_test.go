package group

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/store"
)

var errDisk = fmt.Errorf("%w: the disk is full", store.ErrUnavailable)

// broken is a store of which some readings fail.
type broken struct {
	*memory
	users, messages, units, people, groups, group, events error
}

func (b *broken) User(ctx context.Context, id store.UserID) (store.User, error) {
	if b.users != nil {
		return store.User{}, b.users
	}
	return b.memory.User(ctx, id)
}

func (b *broken) Message(ctx context.Context, gid int64) (store.Message, error) {
	if b.messages != nil {
		return store.Message{}, b.messages
	}
	return b.memory.Message(ctx, gid)
}

func (b *broken) MessagesOf(ctx context.Context, u store.UserID, gids []int64) ([]store.Message, error) {
	if b.messages != nil {
		return nil, b.messages
	}
	return b.memory.MessagesOf(ctx, u, gids)
}

func (b *broken) AllUnits(ctx context.Context) ([]store.Unit, error) {
	if b.units != nil {
		return nil, b.units
	}
	return b.memory.AllUnits(ctx)
}

func (b *broken) UnitMembers(ctx context.Context) ([]store.UnitMember, error) {
	if b.people != nil {
		return nil, b.people
	}
	return b.memory.UnitMembers(ctx)
}

func (b *broken) AllGroups(ctx context.Context, fn func(store.Group, []store.Member) error) error {
	if b.groups != nil {
		return b.groups
	}
	return b.memory.AllGroups(ctx, fn)
}

func (b *broken) Group(ctx context.Context, id store.GroupID) (store.Group, []store.Member, error) {
	if b.group != nil {
		return store.Group{}, nil, b.group
	}
	return b.memory.Group(ctx, id)
}

func (b *broken) GroupEvents(ctx context.Context, id store.GroupID, after int64, limit int) ([]store.GroupEvent, error) {
	if b.events != nil {
		return nil, b.events
	}
	return b.memory.GroupEvents(ctx, id, after, limit)
}

func (b *broken) LastOfEach(ctx context.Context, id store.GroupID, action string) ([]store.GroupEvent, error) {
	if b.events != nil {
		return nil, b.events
	}
	return b.memory.LastOfEach(ctx, id, action)
}

// TestReadingsFail: what cannot be judged is not done, and the error says so.
func TestReadingsFail(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(*broken)
		do   func(w *world, g *Snapshot) error
	}{
		"who is added": {func(b *broken) { b.users = errDisk }, func(w *world, g *Snapshot) error {
			return w.refusedAtAll(g, Add{Users: []store.UserID{5}})
		}},
		"who is in a new group": {func(b *broken) { b.users = errDisk }, func(w *world, _ *Snapshot) error {
			_, err := w.Create(t.Context(), as(zhang), store.Group{Subject: "x"}, []store.UserID{li})
			return err
		}},
		"what is pinned": {func(b *broken) { b.messages = errDisk }, func(w *world, g *Snapshot) error {
			return w.refusedAtAll(g, Pin{1, true})
		}},
		"who was muted": {func(b *broken) { b.events = errDisk }, func(w *world, g *Snapshot) error {
			return w.refusedAtAll(g, Add{Users: []store.UserID{5}})
		}},
		"units": {func(b *broken) { b.units = errDisk }, func(w *world, _ *Snapshot) error {
			return w.Follow(t.Context())
		}},
		"people of units": {func(b *broken) { b.people = errDisk }, func(w *world, _ *Snapshot) error {
			return w.Follow(t.Context())
		}},
		"who came into a unit": {func(b *broken) { b.users = errDisk }, func(w *world, _ *Snapshot) error {
			w.unit(1, 0, 6)
			return w.Follow(t.Context())
		}},
		"the unit of a new group": {func(b *broken) { b.units = errDisk }, func(w *world, _ *Snapshot) error {
			_, err := w.Create(t.Context(), organisation, store.Group{Kind: store.GroupFixed, Follows: &store.Follows{Unit: 1}}, nil)
			return err
		}},
		"all groups": {func(b *broken) { b.groups = errDisk }, func(w *world, _ *Snapshot) error {
			_, err := New(t.Context(), w.cfg)
			return err
		}},
	} {
		w := newWorld(t, 6, nil)
		b := &broken{memory: w.store}
		w.unit(1, 0, zhang)
		w.restart(func(c *Config) { c.Store = b })
		w.make(organisation, store.Group{Kind: store.GroupFixed, Follows: &store.Follows{Unit: 1}})
		g := w.make(as(zhang), store.Group{Subject: "产品"}, li)
		events := len(w.events)
		c.fail(b)
		w.cfg.Registerer = nil
		if err := c.do(w, g); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if len(w.events) != events {
			t.Errorf("%s: something was changed", name)
		}
	}
}

// TestDoubtIsKeptUntilItCanBeRead: after an unknown outcome nothing is changed
// until the group could be read again.
func TestDoubtIsKeptUntilItCanBeRead(t *testing.T) {
	w := newWorld(t, 6, nil)
	b := &broken{memory: w.store}
	w.restart(func(c *Config) { c.Store = b })
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li)
	w.store.after = func(store.GroupChange) error { return store.ErrUnknown }
	b.group = errDisk
	if err := w.refusedAtAll(g, Rename{"设计"}); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("the first change: %v", err)
	}
	w.store.after = nil
	for _, mend := range []func(){
		func() {},
		func() { b.group, b.events = nil, errDisk },
	} {
		mend()
		if err := w.refusedAtAll(g, Rename{"测试"}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("in doubt: %v", err)
		}
	}
	b.events = nil
	if g = w.do(as(zhang), g, Announce{"早"}); g.Subject != "设计" || g.Version != 3 {
		t.Errorf("became %+v", g.Group)
	}
	checkEvents(t, w.events)
}

// TestEndlessConflict: another writer is always quicker.
func TestEndlessConflict(t *testing.T) {
	w := newWorld(t, 6, nil)
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li)
	tries := 0
	w.store.before = func(store.GroupChange) error {
		tries++
		return fmt.Errorf("version: %w", store.ErrConflict)
	}
	if err := w.refused(as(zhang), g, Rename{"设计"}); !errors.Is(err, store.ErrUnavailable) || tries != attempts {
		t.Errorf("after %d attempts: %v", tries, err)
	}
}

// TestRandomNameIsTaken: another one is tried, and not for ever.
func TestRandomNameIsTaken(t *testing.T) {
	w := newWorld(t, 6, nil)
	tries := 0
	w.store.before = func(store.GroupChange) error {
		if tries++; tries == 1 {
			return fmt.Errorf("taken: %w", store.ErrConflict)
		}
		return nil
	}
	w.make(as(zhang), store.Group{Subject: "产品"})
	if tries != 2 {
		t.Errorf("%d attempts", tries)
	}
	w.store.before = func(store.GroupChange) error { return fmt.Errorf("taken: %w", store.ErrConflict) }
	if _, err := w.Create(t.Context(), as(zhang), store.Group{Subject: "产品"}, nil); !errors.Is(err, store.ErrConflict) {
		t.Errorf("every name is taken: %v", err)
	}
}

func TestBadDefaults(t *testing.T) {
	_, err := New(t.Context(), Config{Store: newMemory(), Defaults: store.GroupPolicy{Invite: 7}})
	if !errors.Is(err, store.ErrInvalid) {
		t.Errorf("started: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := newWorld(t, 6, func(c *Config) { c.Registerer = registry })
	g := w.make(as(zhang), store.Group{Subject: "产品"}, li, wang)
	w.make(as(zhang), store.Group{Kind: store.GroupPair}, li)
	w.do(as(zhang), g, Add{Users: []store.UserID{zhao, 5}})
	w.refused(as(li), g, Dissolve{})
	w.refused(as(6), g, Dissolve{})
	w.store.before = func(store.GroupChange) error { return errDisk }
	w.refused(as(zhang), g, Rename{"x"})
	err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP sparkle_group_events_total Committed events of groups, by what happened.
# TYPE sparkle_group_events_total counter
sparkle_group_events_total{action="create"} 2
sparkle_group_events_total{action="join"} 2
# HELP sparkle_group_failed_total Changes that the store did not commit.
# TYPE sparkle_group_failed_total counter
sparkle_group_failed_total 1
# HELP sparkle_group_groups Groups that are not dissolved.
# TYPE sparkle_group_groups gauge
sparkle_group_groups{kind="manual"} 1
sparkle_group_groups{kind="pair"} 1
# HELP sparkle_group_members Memberships in groups.
# TYPE sparkle_group_members gauge
sparkle_group_members{kind="manual"} 5
sparkle_group_members{kind="pair"} 2
# HELP sparkle_group_refused_total Changes that the rules of a group refused.
# TYPE sparkle_group_refused_total counter
sparkle_group_refused_total 2
`), "sparkle_group_events_total", "sparkle_group_failed_total", "sparkle_group_groups", "sparkle_group_members", "sparkle_group_refused_total")
	if err != nil {
		t.Error(err)
	}
}

package group

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

// memory is a store that breaks off whoever does not keep its contract.
type memory struct {
	mu       sync.Mutex
	users    map[store.UserID]store.User
	units    map[store.UnitID]store.Unit
	people   map[unitUser]store.UnitMember
	groups   map[store.GroupID]*kept
	taken    map[string]bool // names, for ever
	messages map[int64]store.Message
	gid      int64

	// before is called by each commit; its error is the commit's.
	before func(store.GroupChange) error
	// after is called by each commit that was done; its error is told all the same.
	after func(store.GroupChange) error
}

type unitUser struct {
	unit store.UnitID
	user store.UserID
}

// kept is a group as it is stored.
type kept struct {
	record  store.Group
	members map[store.UserID]store.Member
	events  []store.GroupEvent
	head    int64 // of its conversation
}

func newMemory() *memory {
	return &memory{
		users: map[store.UserID]store.User{}, units: map[store.UnitID]store.Unit{},
		people: map[unitUser]store.UnitMember{}, groups: map[store.GroupID]*kept{},
		taken: map[string]bool{}, messages: map[int64]store.Message{},
	}
}

func (m *memory) User(_ context.Context, id store.UserID) (store.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.users[id]
	if !ok {
		return u, fmt.Errorf("user %d: %w", id, store.ErrNotFound)
	}
	return u, nil
}

func (m *memory) Message(_ context.Context, gid int64) (store.Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	msg, ok := m.messages[gid]
	if !ok {
		return msg, fmt.Errorf("message %d: %w", gid, store.ErrNotFound)
	}
	return msg, nil
}

func (m *memory) MessagesOf(ctx context.Context, u store.UserID, gids []int64) (found []store.Message, err error) {
	for _, gid := range gids {
		msg, err := m.Message(ctx, gid)
		if err != nil {
			continue
		}
		m.mu.Lock()
		member, is := m.groups[msg.Group].members[u]
		m.mu.Unlock()
		if is && member.JoinedSeq < msg.Seq {
			found = append(found, msg)
		}
	}
	return found, nil
}

func (m *memory) AllUnits(context.Context) ([]store.Unit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.units)), nil
}

func (m *memory) UnitMembers(context.Context) ([]store.UnitMember, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.people)), nil
}

func (m *memory) AddGroup(_ context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taken[c.Group.Name] {
		return c, nil, fmt.Errorf("%s is taken: %w", c.Group.Name, store.ErrConflict)
	}
	c.Group.ID = store.GroupID(len(m.groups) + 1)
	c.Group.Conversation = store.ConversationID(100 + c.Group.ID)
	k := &kept{record: c.Group, members: map[store.UserID]store.Member{}}
	return m.commit(k, c)
}

func (m *memory) ChangeGroup(_ context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.groups[c.Group.ID]
	switch {
	case k == nil || k.record.Dissolved != nil:
		return c, nil, fmt.Errorf("group %d: %w", c.Group.ID, store.ErrNotFound)
	case k.record.Version != c.Group.Version:
		return c, nil, fmt.Errorf("group %d has version %d: %w", c.Group.ID, k.record.Version, store.ErrConflict)
	}
	return m.commit(k, c)
}

func (m *memory) commit(k *kept, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	if len(c.Events) == 0 {
		return c, nil, fmt.Errorf("%w: a change without events", store.ErrInvalid)
	}
	for i, e := range c.Events {
		if e.Version != c.Group.Version+int64(i)+1 {
			return c, nil, fmt.Errorf("%w: event %d has version %d after %d", store.ErrInvalid, i, e.Version, c.Group.Version)
		}
	}
	if m.before != nil {
		if err := m.before(c); err != nil {
			return c, nil, err
		}
	}
	c.Group.Version += int64(len(c.Events))
	for _, u := range c.Remove {
		if _, is := k.members[u]; !is {
			return c, nil, fmt.Errorf("%w: %d is removed and was not there", store.ErrInvalid, u)
		}
		delete(k.members, u)
	}
	c.Set = slices.Clone(c.Set)
	for i := range c.Set {
		if _, is := k.members[c.Set[i].User]; !is {
			c.Set[i].JoinedSeq = max(0, k.head-c.Backlog)
		}
		k.members[c.Set[i].User] = c.Set[i]
	}
	var places []store.Accepted
	c.Notices = slices.Clone(c.Notices)
	for i := range c.Notices {
		m.gid++
		k.head++
		c.Notices[i].Group = c.Group.ID
		places = append(places, store.Accepted{GID: m.gid, Conversation: c.Group.Conversation, Seq: k.head})
	}
	k.record = c.Group
	k.events = append(k.events, c.Events...)
	m.groups[c.Group.ID], m.taken[c.Group.Name] = k, true
	if m.after != nil {
		if err := m.after(c); err != nil {
			return c, nil, err
		}
	}
	return c, places, nil
}

func (m *memory) Group(_ context.Context, id store.GroupID) (store.Group, []store.Member, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.groups[id]
	if k == nil {
		return store.Group{}, nil, fmt.Errorf("group %d: %w", id, store.ErrNotFound)
	}
	return k.record, slices.Collect(maps.Values(k.members)), nil
}

func (m *memory) AllGroups(_ context.Context, fn func(store.Group, []store.Member) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.groups {
		if k.record.Dissolved != nil {
			continue
		}
		if err := fn(k.record, slices.Collect(maps.Values(k.members))); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) GroupEvents(_ context.Context, id store.GroupID, after int64, limit int) ([]store.GroupEvent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := m.groups[id].events
	first := slices.IndexFunc(events, func(e store.GroupEvent) bool { return e.Version > after })
	if first < 0 {
		return nil, nil
	}
	return slices.Clone(events[first:min(len(events), first+limit)]), nil
}

func (m *memory) LastOfEach(_ context.Context, id store.GroupID, action string) ([]store.GroupEvent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := map[store.UserID]store.GroupEvent{}
	for _, e := range m.groups[id].events {
		if e.Action == action {
			last[e.User] = e
		}
	}
	return slices.Collect(maps.Values(last)), nil
}

// write archives a message in a group's conversation.
func (m *memory) write(id store.GroupID, from store.UserID) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gid++
	m.groups[id].head++
	m.messages[m.gid] = store.Message{
		NewMessage: store.NewMessage{Kind: store.KindText, Group: id, From: from, Text: "x"},
		Accepted:   store.Accepted{GID: m.gid, Seq: m.groups[id].head},
	}
	return m.gid
}

// The people of the tests: users 1 to 4 have names.
const (
	zhang store.UserID = 1 + iota
	li
	wang
	zhao
)

// The day on which the tests take place.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.FixedZone("CST", 8*3600))

// world is a service over a memory, with a clock that stands still.
type world struct {
	t *testing.T
	*Service
	store *memory

	mu     sync.Mutex
	now    time.Time
	events []Event
}

// newWorld has people 1 to users.
func newWorld(t *testing.T, users int, config func(*Config)) *world {
	w := &world{t: t, store: newMemory(), now: noon}
	names := []string{zhang: "张三", li: "李四", wang: "王五", zhao: "赵六"}
	for id := store.UserID(1); id <= store.UserID(users); id++ {
		u := store.User{ID: id, Username: fmt.Sprintf("user%d", id), Domain: "example.com"}
		if int(id) < len(names) {
			u.DisplayName = names[id]
		}
		w.store.users[id] = u
	}
	w.restart(config)
	return w
}

// restart makes another service over the same store.
func (w *world) restart(config func(*Config)) {
	w.t.Helper()
	c := Config{Store: w.store, Domain: "example.com", Now: w.clock, Registerer: prometheus.NewRegistry()}
	if config != nil {
		config(&c)
	}
	s, err := New(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Service = s
	s.Observe(func(e Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, e)
	})
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func as(u store.UserID) Actor { return Actor{User: u} }

// organisation is the administration of the server.
var organisation = Actor{System: true}

// make creates a group that must be created.
func (w *world) make(by Actor, g store.Group, members ...store.UserID) *Snapshot {
	w.t.Helper()
	made, err := w.Create(w.t.Context(), by, g, members)
	if err != nil {
		w.t.Fatalf("create %q: %v", g.Subject, err)
	}
	return made
}

// do makes changes that must be made.
func (w *world) do(by Actor, g *Snapshot, changes ...Change) *Snapshot {
	w.t.Helper()
	next, err := w.Change(w.t.Context(), by, g.ID, changes...)
	if err != nil {
		w.t.Fatalf("%+v: %v", changes, err)
	}
	return next
}

// refused makes changes that must be refused, and returns how.
func (w *world) refused(by Actor, g *Snapshot, changes ...Change) error {
	w.t.Helper()
	before, _ := w.ByID(g.ID)
	_, err := w.Change(w.t.Context(), by, g.ID, changes...)
	if err == nil {
		w.t.Fatalf("%+v was done", changes)
	}
	if after, _ := w.ByID(g.ID); after != before {
		w.t.Fatalf("%+v was refused with %v, and changed the group", changes, err)
	}
	return err
}

// told are the texts of the notices of the last event.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var texts []string
	for _, n := range w.events[len(w.events)-1].Notices {
		texts = append(texts, n.Text)
	}
	return texts
}

// users are the members of a group.
func users(g *Snapshot) []store.UserID {
	var all []store.UserID
	for _, m := range g.Members() {
		all = append(all, m.User)
	}
	return all
}

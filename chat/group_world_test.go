package chat

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/focus"
	"github.com/sparkleim/sparkle/store"
)

// groupMemory is what an archive in memory keeps of groups.
type groupMemory struct {
	records map[store.GroupID]store.Group
	events  map[store.GroupID][]store.GroupEvent
	members map[store.GroupID]map[store.UserID]store.Member
	windows map[store.ConversationID][]window
	// told is called between the commit of a change and its return.
	told func()
}

// window is the part of a conversation that a user sees.
type window struct {
	user      store.UserID
	after, to int64
}

func groupConversation(g store.GroupID) store.ConversationID { return store.ConversationID(1e6 + g) }

func (g *groupMemory) sees(u store.UserID, c store.ConversationID, seq int64) bool {
	return slices.ContainsFunc(g.windows[c], func(w window) bool { return w.user == u && w.after < seq && seq <= w.to })
}

func (a *memory) AddGroup(_ context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	g := &a.groups
	a.mu.Lock()
	if g.records == nil {
		g.records, g.members = map[store.GroupID]store.Group{}, map[store.GroupID]map[store.UserID]store.Member{}
		g.windows, g.events = map[store.ConversationID][]window{}, map[store.GroupID][]store.GroupEvent{}
	}
	c.Group.ID = store.GroupID(len(g.records) + 1)
	c.Group.Conversation = groupConversation(c.Group.ID)
	g.members[c.Group.ID] = map[store.UserID]store.Member{}
	a.mu.Unlock()
	return a.changeGroup(c)
}

func (a *memory) ChangeGroup(_ context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	return a.changeGroup(c)
}

// changeGroup commits where messages are committed: one after the other.
func (a *memory) changeGroup(c store.GroupChange) (done store.GroupChange, places []store.Accepted, err error) {
	ready := make(chan struct{})
	a.queue <- func() {
		defer close(ready)
		done, places, err = a.commitGroup(c)
	}
	<-ready
	if a.groups.told != nil {
		a.groups.told()
	}
	return done, places, err
}

func (a *memory) commitGroup(c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	a.mu.Lock()
	if a.fail != nil {
		defer a.mu.Unlock()
		return c, nil, a.fail
	}
	g, conv := &a.groups, c.Group.Conversation
	members := g.members[c.Group.ID]
	joined := max(0, a.seqs[conv]-c.Backlog)
	c.Set = slices.Clone(c.Set)
	for i := range c.Set {
		if _, is := members[c.Set[i].User]; !is {
			c.Set[i].JoinedSeq = joined
			g.windows[conv] = append(g.windows[conv], window{c.Set[i].User, joined, 1 << 40})
		}
		members[c.Set[i].User] = c.Set[i]
	}
	end := a.seqs[conv] + int64(len(c.Notices))
	for _, u := range c.Remove {
		delete(members, u)
		for i, w := range g.windows[conv] {
			if w.user == u {
				g.windows[conv][i].to = min(w.to, end)
			}
		}
	}
	g.events[c.Group.ID] = append(g.events[c.Group.ID], c.Events...)
	c.Group.Version += int64(len(c.Events))
	g.records[c.Group.ID] = c.Group
	a.mu.Unlock()
	var places []store.Accepted
	c.Notices = slices.Clone(c.Notices)
	for i := range c.Notices {
		c.Notices[i].Group = c.Group.ID
		acc, err := a.commit(&c.Notices[i])
		if err != nil {
			return c, nil, err
		}
		places = append(places, acc)
	}
	return c, places, nil
}

func (a *memory) Group(_ context.Context, id store.GroupID) (store.Group, []store.Member, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g, ok := a.groups.records[id]
	if !ok {
		return g, nil, store.ErrNotFound
	}
	return g, slices.Collect(maps.Values(a.groups.members[id])), nil
}

func (a *memory) AllGroups(_ context.Context, fn func(store.Group, []store.Member) error) error {
	for id, g := range a.groups.records {
		if err := fn(g, slices.Collect(maps.Values(a.groups.members[id]))); err != nil {
			return err
		}
	}
	return nil
}

func (a *memory) LastGroupEvent(_ context.Context, id store.GroupID, upTo int64, u store.UserID, actions ...string) (store.GroupEvent, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range slices.Backward(a.groups.events[id]) {
		if (upTo == 0 || e.Version <= upTo) && (u == 0 || e.User == u) && slices.Contains(actions, e.Action) {
			return e, nil
		}
	}
	return store.GroupEvent{}, store.ErrNotFound
}

func (a *memory) GroupEvents(context.Context, store.GroupID, int64, int) ([]store.GroupEvent, error) {
	return nil, nil
}
func (a *memory) MessagesOf(context.Context, store.UserID, []int64) ([]store.Message, error) {
	return nil, nil
}
func (a *memory) LastOfEach(context.Context, store.GroupID, string) ([]store.GroupEvent, error) {
	return nil, nil
}
func (a *memory) AllUnits(context.Context) ([]store.Unit, error)          { return nil, nil }
func (a *memory) UnitMembers(context.Context) ([]store.UnitMember, error) { return nil, nil }

func (a *memory) Message(_ context.Context, gid int64) (store.Message, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if gid < 1 || gid > int64(len(a.msgs)) {
		return store.Message{}, store.ErrNotFound
	}
	return a.msgs[gid-1], nil
}

func (a *memory) Page(_ context.Context, x, y store.UserID, _ int64, limit int) (page []store.Message, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range slices.Backward(a.msgs) {
		if m.Conversation == conversation(&store.NewMessage{Kind: store.KindText, From: x, To: y}) && len(page) < limit {
			page = append(page, m)
		}
	}
	return page, a.fail
}

func (a *memory) Named(_ context.Context, c store.ConversationID, name string) (store.Message, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.msgs {
		if m.Conversation == c && m.MessageID == name {
			return m, nil
		}
	}
	return store.Message{}, store.ErrNotFound
}

func (a *memory) ReadUpTo(u store.UserID, _ store.ConversationID, seq int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads[u] = max(a.reads[u], seq)
}

// groupStore is what package group sees of an archive in memory and of people.
type groupStore struct {
	*memory
	*people
}

// rooms tells what devices are to all groups; those that are not named are
// outside.
type rooms struct {
	mu sync.Mutex
	of map[store.DeviceID]focus.Standing
}

func (r *rooms) Standing(_ store.GroupID, d *store.Device) focus.Standing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[d.ID]
}

func (r *rooms) set(d store.DeviceID, s focus.Standing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[store.DeviceID]focus.Standing{}
	}
	r.of[d] = s
}

// meeting is a world with a group "team" of alice (owner, 1), bob (2) and carol
// (3); dave (4) is not in it. Devices 102 … 402 show rooms, others text.
type meeting struct {
	*world
	rooms *rooms
	team  *group.Snapshot
}

func inMeeting(t *testing.T, story func(*meeting)) { inMeetingWith(t, Config{}, group.Config{}, story) }

func inMeetingWith(t *testing.T, cfg Config, groups group.Config, story func(*meeting)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.archive = newMemory(w.log)
		for i, name := range []string{"alice", "bob", "carol", "dave"} {
			w.people.add(name, [...]string{"爱丽丝", "鲍勃", "", "戴夫"}[i])
		}
		m := &meeting{world: w, rooms: &rooms{}}
		groups.Store, groups.Domain = groupStore{w.archive, w.people}, "example.com"
		var err error
		if m.groups, err = group.New(t.Context(), groups); err != nil {
			t.Fatal(err)
		}
		cfg.Archive, cfg.Users, cfg.Groups, cfg.Rooms = w.archive, w.people, m.groups, m.rooms
		if cfg.Receipts == 0 {
			cfg.Receipts = 100
		}
		w.start(cfg)
		defer func() {
			w.Close()
			time.Sleep(time.Minute) // the last transactions time out
			w.archive.close()
		}()
		m.groups.Observe(func(e group.Event) { w.GroupChanged(e) })
		m.team, err = m.groups.Create(t.Context(), group.Actor{User: 1}, store.Group{Name: "team", Subject: "研发"}, []store.UserID{2, 3})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		story(m)
	})
}

// arrives makes devices reachable: those whose number ends in 2 are in all rooms.
// What waited for them is forgotten.
func (m *meeting) arrives(devices ...store.DeviceID) {
	for _, d := range devices {
		specs := ""
		if d%100 == 2 {
			specs = linphoneSpecs
			m.rooms.set(d, focus.Inside)
		}
		m.registers(d, specs)
	}
	m.forget()
}

// forget makes as if the phones had got nothing.
func (m *meeting) forget() {
	m.phones.mu.Lock()
	clear(m.phones.got)
	m.phones.mu.Unlock()
	m.log.take()
}

// does changes the group and waits until nothing moves.
func (m *meeting) does(by store.UserID, changes ...group.Change) {
	m.t.Helper()
	if _, err := m.groups.Change(m.t.Context(), group.Actor{User: by, System: by == 0}, m.team.ID, changes...); err != nil {
		m.t.Fatal(err)
	}
	synctest.Wait()
}

// cpimOf is a message as Linphone writes it into the group.
func cpimOf(from, id, text string, more ...string) string {
	extra := ""
	for _, line := range more {
		extra += line + "\r\n"
	}
	return "From: <sip:" + from + "@example.com>\r\nTo: <sip:team@example.com>\r\nDateTime: 2026-11-22T22:57:20Z\r\n" +
		"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: " + id + "\r\n" +
		"imdn.Disposition-Notification: positive-delivery, negative-delivery, display\r\n" + extra +
		fmt.Sprintf("\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
}

// writes sends CPIM from a device that shows rooms.
func (m *meeting) writes(from store.DeviceID, id, text string, more ...string) *answers {
	return m.posts(from, cpimType, "", cpimOf(m.people.owner(from).Username, id, text, more...))
}

// posts sends something to the group and waits until nothing moves.
func (m *meeting) posts(from store.DeviceID, contentType, extra, body string) *answers {
	a := m.sends(from, "team", contentType, extra, body)
	synctest.Wait()
	return a
}

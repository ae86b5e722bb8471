package focus

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/event"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// world is a focus among phones that know rooms: alice, bob, carol and dave, who
// has none.
type world struct {
	*siptest.World
	t      *testing.T
	memory *memory
	groups *group.Service
	focus  *Service
	subs   *subscribers
	joined []string // "bob 3": devices whose place was decided
	doubt  bool     // everybody is challenged
}

// inWorld runs a story in a bubble of time.
func inWorld(t *testing.T, story func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{World: siptest.New(t), t: t, memory: newMemory()}
		for _, name := range []string{"alice", "bob", "carol", "dave", "mallory"} {
			w.memory.user(name)
		}
		w.Targets["dave"] = nil // has an account, and no phone
		w.start()
		defer func() { w.focus.Close() }()
		w.Steps = map[string]func(line, rest string){"invites": w.invites}
		for _, name := range []string{"alice", "bob", "carol"} {
			w.comes(name, "tls")
		}
		story(w)
	})
}

// start makes the focus, as a start of the program does.
func (w *world) start() {
	var err error
	w.groups, err = group.New(w.t.Context(), group.Config{Store: w.memory, Domain: "example.com", MaxMembers: 50, Language: "en"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.focus = New(Config{
		Groups: w.groups, Rooms: w.memory, Users: w.memory, Locations: w, Transactions: w.Layer, Flows: w,
		Domain: "example.com", Factory: "conference-factory", MaxMembers: 50,
	})
	w.groups.Observe(w.focus.Changed)
	w.subs = &subscribers{focus: w.focus, of: map[string][]*event.Subscription{}, got: map[store.UserID][]event.Document{}}
	w.focus.Notifies(w.subs)
	w.focus.OnJoined(func(u store.UserID, d store.DeviceID) {
		w.memory.mu.Lock()
		defer w.memory.mu.Unlock()
		w.joined = append(w.joined, fmt.Sprint(w.memory.users[u].Username, " ", d))
	})
	if err := w.focus.Restore(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	nobody := handler(func(r *server.Request) { r.Reply(404, "") })
	w.Layer.Serve(server.New(server.Config{
		Domains: []string{"example.com", "192.0.2.1"}, Auth: w, Focus: w.focus,
		Registrar: nobody, Chat: nobody, Proxy: nobody, Rate: -1,
	}))
}

// restart is the end of the program, by a signal or not, and its next start.
func (w *world) restart(signal bool) {
	if signal {
		w.focus.Close()
	} else {
		w.focus.line.close()
	}
	w.start()
}

type handler func(*server.Request)

func (h handler) ServeSIP(r *server.Request) { h(r) }

// comes connects a phone that knows rooms and registers it.
func (w *world) comes(name, how string) *siptest.Phone {
	p := w.Phone(name, how+" gruu")
	list := w.Targets[p.Account]
	d := &list[len(list)-1].Device
	d.User, d.Specs, d.Instance = p.User, "ephemeral/1.1,groupchat/1.1", list[len(list)-1].Instance
	w.memory.device(*d)
	w.registers(p)
	return p
}

// registers tells the focus of a REGISTER.
func (w *world) registers(p *siptest.Phone) (done *atomic.Bool) {
	done = new(atomic.Bool)
	w.focus.Reachable(p.User, w.device(p).ID, func() { done.Store(true) })
	synctest.Wait()
	return done
}

// device is what the registrar knows of a phone.
func (w *world) device(p *siptest.Phone) *store.Device {
	for i, t := range w.Targets[p.Account] {
		if t.Instance == "urn:uuid:"+p.Name {
			return &w.Targets[p.Account][i].Device
		}
	}
	w.t.Fatalf("%s has not registered", p.Name)
	return nil
}

// away ends the flow of a phone; its binding stays.
func (w *world) away(p *siptest.Phone) {
	w.HangUp(p)
	for i, t := range w.Targets[p.Account] {
		if t.Instance == "urn:uuid:"+p.Name {
			w.Targets[p.Account][i].Flow = nil
		}
	}
}

// back gives a phone a new flow and registers it.
func (w *world) back(p *siptest.Phone) *siptest.Phone {
	again := w.Phone(p.Name, "tls guest")
	again.Dialog, again.Got, again.Contact = p.Dialog, p.Got, p.Contact
	for i, t := range w.Targets[p.Account] {
		if t.Instance == "urn:uuid:"+p.Name {
			w.Targets[p.Account][i].Flow = again.Flow
		}
	}
	w.registers(again)
	return again
}

// Check is the authenticator.
func (w *world) Check(f *transport.Flow, req *sip.Request, core *wire.Core, proxy bool, resume func(auth.Result)) (auth.Result, bool) {
	if w.doubt {
		return auth.Result{Verdict: auth.Challenge, Status: 401}, true
	}
	return w.World.Check(f, req, core, proxy, resume)
}

// Lookup is the location service.
func (w *world) Lookup(u store.UserID) []registrar.Target {
	for _, list := range w.Targets {
		if len(list) > 0 && list[0].User == u {
			return slices.Clone(list)
		}
	}
	return nil
}

// list is the body of an INVITE with people.
func list(names ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><p1:resource-lists xmlns:p1="urn:ietf:params:xml:ns:resource-lists"><p1:list>`)
	for _, name := range names {
		if !strings.Contains(name, "@") {
			name += "@example.com"
		}
		b.WriteString("\n" + `<p1:entry uri="sip:` + name + `"/>`)
	}
	b.WriteString("</p1:list></p1:resource-lists>")
	return b.String()
}

func deflated(s string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write([]byte(s))
	z.Close()
	return b.String()
}

const listHeaders = "Require: recipient-list-invite\nContent-Type: application/resource-lists+xml\nContent-Disposition: recipient-list\nContent-Encoding: deflate\n"

// creates lets a phone ask the factory for a group, and answers with its address.
func (w *world) creates(p *siptest.Phone, headers string, names ...string) string {
	w.t.Helper()
	w.asks(p, headers, names...)
	p.Want("200 INVITE")
	p.InDialog("ACK", "")
	synctest.Wait()
	return wire.URIString(&p.Dialog.Target)
}

func (w *world) asks(p *siptest.Phone, headers string, names ...string) {
	p.Add(listHeaders + headers)
	p.Request("INVITE", "sip:conference-factory@example.com", deflated(list(names...)))
	synctest.Wait()
}

// group is the only group there is.
func (w *world) group() *group.Snapshot {
	w.t.Helper()
	all := w.groups.All()
	if len(all) != 1 {
		w.t.Fatalf("there are %d groups", len(all))
	}
	return all[0]
}

// invites is the step "invites bob": he gets an INVITE to a room, takes it and
// acknowledges; "invites bob 603" refuses.
func (w *world) invites(line, rest string) {
	w.t.Helper()
	name, status, _ := strings.Cut(rest, " ")
	p := w.Phones[name]
	p.Want("INVITE")
	if status != "" {
		w.Step(name + " " + status)
		p.Want("ACK")
		return
	}
	p.Respond(200, "INVITE", "")
	p.Want("ACK")
}

// members are the people of a group with their roles.
func (w *world) members() string {
	w.t.Helper()
	var names []string
	for _, m := range w.group().Members() {
		names = append(names, w.memory.users[m.User].Username+" "+m.Role.String())
	}
	return strings.Join(names, ", ")
}

// standing of a phone in the only group; it knows who is in the room, if it is there.
func (w *world) standing(p *siptest.Phone) Standing {
	w.t.Helper()
	d := w.device(p)
	w.focus.Confirmed(d.User, d.ID, w.group().AOR())
	return w.focus.Standing(w.group().ID, d)
}

func (w *world) refusedWith(p *siptest.Phone, status int, words string) {
	w.t.Helper()
	synctest.Wait()
	got := p.Take()
	if !strings.HasPrefix(got, fmt.Sprint(status)) {
		w.t.Fatalf("%s got %q, want %d", p.Name, got, status)
	}
	if warning := wire.Header(p.Last, "Warning"); !strings.Contains(warning, words) {
		w.t.Errorf("%d with the warning %q, want %q", status, warning, words)
	}
	synctest.Wait()
}

// subscribers take documents as a notifier gives them: each is told in order and
// confirms at once.
type subscribers struct {
	focus *Service
	mu    sync.Mutex
	of    map[string][]*event.Subscription // by resource
	got   map[store.UserID][]event.Document
	ended []string
}

func (ss *subscribers) subscribe(u store.UserID, resource string, told int64) *event.Subscription {
	sub := &event.Subscription{Subscription: store.Subscription{User: u, Resource: resource}, Told: map[string]int64{}}
	if told > 0 {
		sub.Told[resource] = told
	}
	ss.of[resource] = append(ss.of[resource], sub)
	for _, d := range ss.focus.Current(sub, resource) {
		ss.give(sub, d)
	}
	return sub
}

func (ss *subscribers) give(sub *event.Subscription, d event.Document) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	sub.Told[d.Resource] = d.Version
	ss.got[sub.User] = append(ss.got[sub.User], d)
}

func (ss *subscribers) Publish(_, resource string, form func(*event.Subscription) (event.Document, bool)) {
	for _, sub := range ss.of[resource] {
		if d, ok := form(sub); ok {
			ss.give(sub, d)
		}
	}
}

func (ss *subscribers) End(_, resource string, u store.UserID, reason string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.ended = append(ss.ended, fmt.Sprint(resource, " ", u, " ", reason))
	ss.of[resource] = slices.DeleteFunc(ss.of[resource], func(s *event.Subscription) bool { return u == 0 || s.User == u })
}

// take returns what a user was told since the last take, without what every
// document begins and ends with.
func (ss *subscribers) take(u store.UserID) []string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	var texts []string
	for _, d := range ss.got[u] {
		text := string(d.Body)
		_, text, _ = strings.Cut(text, "entity=")
		texts = append(texts, strings.TrimSuffix(strings.TrimSpace(text), "</conference-info>"))
	}
	delete(ss.got, u)
	return texts
}

// memory is the store.
type memory struct {
	mu      sync.Mutex
	users   map[store.UserID]store.User
	devices map[store.DeviceID]store.Device
	groups  map[store.GroupID]*kept
	rooms   map[[2]int64]store.RoomDevice
	fail    error         // of commits
	slow    time.Duration // that commits take
	commits int
}

type kept struct {
	record  store.Group
	members map[store.UserID]store.Member
	events  []store.GroupEvent
}

func newMemory() *memory {
	return &memory{users: map[store.UserID]store.User{}, devices: map[store.DeviceID]store.Device{},
		groups: map[store.GroupID]*kept{}, rooms: map[[2]int64]store.RoomDevice{}}
}

// user adds one, numbered as siptest does.
func (m *memory) user(name string) {
	id := store.UserID(name[0])
	m.users[id] = store.User{ID: id, Username: name, Domain: "example.com", DisplayName: strings.ToUpper(name[:1]) + name[1:]}
}

func (m *memory) device(d store.Device) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.devices[d.ID] = d
}

func (m *memory) User(_ context.Context, id store.UserID) (store.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.users[id]
	if !ok {
		return u, store.ErrNotFound
	}
	return u, nil
}

func (m *memory) ListUsers(_ context.Context, _ string, after store.UserID, limit int) ([]store.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var page []store.User
	for _, id := range slices.Sorted(maps.Keys(m.users)) {
		if id > after && len(page) < limit {
			page = append(page, m.users[id])
		}
	}
	return page, nil
}

func (m *memory) ListDevices(context.Context, store.UserID) ([]store.Device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.devices)), nil
}

func (m *memory) Message(context.Context, int64) (store.Message, error) {
	return store.Message{}, store.ErrNotFound
}
func (m *memory) MessagesOf(context.Context, store.UserID, []int64) ([]store.Message, error) {
	return nil, nil
}
func (m *memory) LastOfEach(context.Context, store.GroupID, string) ([]store.GroupEvent, error) {
	return nil, nil
}
func (m *memory) AllUnits(context.Context) ([]store.Unit, error)          { return nil, nil }
func (m *memory) UnitMembers(context.Context) ([]store.UnitMember, error) { return nil, nil }

func (m *memory) AddGroup(_ context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	time.Sleep(m.slow)
	m.mu.Lock()
	defer m.mu.Unlock()
	c.Group.ID = store.GroupID(len(m.groups) + 1)
	return m.commit(&kept{members: map[store.UserID]store.Member{}}, c)
}

func (m *memory) ChangeGroup(_ context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	time.Sleep(m.slow)
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.groups[c.Group.ID]
	if k.record.Version != c.Group.Version {
		return c, nil, store.ErrConflict
	}
	return m.commit(k, c)
}

func (m *memory) commit(k *kept, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	if m.fail != nil {
		return c, nil, m.fail
	}
	m.commits++
	c.Group.Version += int64(len(c.Events))
	for _, u := range c.Remove {
		delete(k.members, u)
	}
	for _, member := range c.Set {
		k.members[member.User] = member
	}
	k.record, k.events = c.Group, append(k.events, c.Events...)
	m.groups[c.Group.ID] = k
	return c, make([]store.Accepted, len(c.Notices)), nil
}

func (m *memory) Group(_ context.Context, id store.GroupID) (store.Group, []store.Member, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.groups[id]
	if k == nil {
		return store.Group{}, nil, store.ErrNotFound
	}
	return k.record, slices.Collect(maps.Values(k.members)), nil
}

func (m *memory) AllGroups(_ context.Context, fn func(store.Group, []store.Member) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.groups {
		if k.record.Dissolved == nil {
			if err := fn(k.record, slices.Collect(maps.Values(k.members))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) GroupEvents(_ context.Context, id store.GroupID, after int64, limit int) ([]store.GroupEvent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := m.groups[id].events
	return events[after:min(int(after)+limit, len(events))], nil
}

func (m *memory) SaveRooms(save, remove []store.RoomDevice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range remove {
		delete(m.rooms, [2]int64{int64(r.Group), int64(r.Device)})
	}
	for _, r := range save {
		m.rooms[[2]int64{int64(r.Group), int64(r.Device)}] = r
	}
}

func (m *memory) AllRooms(_ context.Context, fn func(store.RoomDevice) error) error {
	m.mu.Lock()
	rooms := slices.Collect(maps.Values(m.rooms))
	m.mu.Unlock()
	for _, r := range rooms {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// header of the last request of a method that a phone got.
func header(p *siptest.Phone, method, name string) string { return wire.Header(p.Got[method], name) }

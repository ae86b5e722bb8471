package chat

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// world is a service among an archive in memory, people, and phones that answer
// by script. It writes down what happens in the order in which it happens.
type world struct {
	*Service
	t       *testing.T
	archive *memory
	people  *people
	phones  *phones
	log     *journal
	groups  *group.Service
	overUDP bool // how requests come
}

// journal is what happened, one line a thing.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// take returns the lines since the last take.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// inWorld runs a story in a bubble of time.
func inWorld(t *testing.T, story func(*world)) { inWorldWith(t, Config{}, story) }

func inWorldWith(t *testing.T, cfg Config, story func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.archive = newMemory(w.log)
		cfg.Archive, cfg.Users = w.archive, w.people
		w.start(cfg)
		defer func() {
			w.Close()
			time.Sleep(time.Minute) // the last transactions time out
			w.archive.close()
		}()
		w.people.add("alice", "爱丽丝")
		w.people.add("bob", "")
		story(w)
	})
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, log: &journal{}}
	w.people = &people{users: map[string]store.User{}, targets: map[store.UserID][]registrar.Target{}, owners: map[store.DeviceID]store.UserID{}}
	w.phones = &phones{log: w.log, script: map[store.DeviceID]func(*sip.Request) int{}, got: map[store.DeviceID][]*sip.Request{}}
	return w
}

// start makes the service of a world.
func (w *world) start(cfg Config) {
	cfg.Locations, cfg.Transactions, cfg.Flows = w.people, w.phones, w.people
	cfg.Domain = "example.com"
	w.Service = New(cfg)
}

// says sends text from a user's device and waits until nothing moves.
func (w *world) says(from store.DeviceID, to, text string) *answers {
	a := w.sends(from, to, "text/plain", "", text)
	synctest.Wait()
	return a
}

var callIDs int // only read and written by the one test that runs

func (w *world) sends(from store.DeviceID, to, contentType, extra, body string) *answers {
	callIDs++
	return w.submits(from, fmt.Sprintf("call-%d", callIDs), to, contentType, extra, body)
}

// submits is a MESSAGE as it comes out of the chain.
func (w *world) submits(from store.DeviceID, callID, to, contentType, extra, body string) *answers {
	w.t.Helper()
	user := w.people.owner(from)
	raw := "MESSAGE sip:" + to + "@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n" +
		"From: <sip:" + user.AOR() + ">;tag=abc\r\nTo: <sip:" + to + "@example.com>\r\nCall-ID: " + callID + "\r\nCSeq: 2 MESSAGE\r\n" +
		"User-Agent: test\r\nContent-Type: " + contentType + "\r\n" + extra + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
	msg, err := wire.Parse([]byte(raw))
	if err != nil {
		w.t.Fatalf("%v\n%s", err, raw)
	}
	req := msg.(*sip.Request)
	core, werr := wire.Examine(req)
	if werr != nil {
		w.t.Fatal(werr)
	}
	flow := flowOf(from)
	if w.overUDP {
		flow.Transport = transport.UDP
	}
	a := &answers{log: w.log}
	sub := read(&server.Request{
		Incoming: &transaction.Incoming{Request: req, Core: core, Flow: flow},
		Sender:   auth.Identity{User: user.ID, Username: user.Username, Domain: user.Domain},
		TraceID:  "trace",
	})
	sub.answerer = a
	w.receive(sub)
	return a
}

// answers takes what the sender is told.
type answers struct {
	log     *journal
	status  int
	warning string
}

func (a *answers) Reply(status int, _ string, _ ...sip.Header) {
	a.log.add("sender %d", status)
	a.status = status
}

func (a *answers) ReplyError(err error) {
	status := 500
	if e, ok := err.(*server.Error); ok {
		status, a.warning = e.Status, e.Warning
	} else if err == store.ErrUnavailable {
		status = 503
	}
	a.Reply(status, "")
}

// people are the directory and the location service.
type people struct {
	mu      sync.Mutex
	users   map[string]store.User
	targets map[store.UserID][]registrar.Target
	owners  map[store.DeviceID]store.UserID
	looked  func(store.UserID)  // runs after each Lookup
	slow    map[string][]func() // users for whom Resolve has to ask the store
}

func (p *people) add(name, display string) store.User {
	u := store.User{ID: store.UserID(len(p.users) + 1), Username: name, Domain: "example.com", DisplayName: display}
	p.users[name] = u
	return u
}

// owner of a device: the hundreds of its number, unless it says something else.
func (p *people) owner(d store.DeviceID) store.User {
	id, ok := p.owners[d]
	if !ok {
		id = store.UserID(d / 100)
	}
	for _, u := range p.users {
		if u.ID == id {
			return u
		}
	}
	return store.User{}
}

// flowOf is the one flow of a device.
func flowOf(d store.DeviceID) *transport.Flow {
	return &transport.Flow{
		ID: uint64(d), Transport: "TLS",
		Local:  netip.MustParseAddrPort("192.0.2.10:5061"),
		Remote: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(40000+d)),
	}
}

func (p *people) Lookup(u store.UserID) []registrar.Target {
	p.mu.Lock()
	found := slices.Clone(p.targets[u])
	p.mu.Unlock()
	if p.looked != nil {
		p.looked(u)
	}
	return found
}

func (p *people) Local(f *transport.Flow) (string, int) {
	return f.Local.Addr().String(), int(f.Local.Port())
}

func (p *people) Resolve(u *sip.Uri, resume func(registrar.Resolved)) (registrar.Resolved, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	user, found := p.users[u.User]
	r := registrar.Resolved{Found: found, User: user, Targets: p.targets[user.ID], Disabled: user.Disabled}
	if _, slow := p.slow[u.User]; slow {
		p.slow[u.User] = append(p.slow[u.User], func() { resume(r) })
		return registrar.Resolved{}, false
	}
	return r, true
}

// answerSlowly lets the store answer for a user, as often as it was asked.
func (p *people) answerSlowly(user string) {
	for len(p.slow[user]) > 0 {
		resume := p.slow[user][0]
		p.slow[user] = p.slow[user][1:]
		resume()
		synctest.Wait()
	}
}

func (p *people) User(_ context.Context, id store.UserID) (store.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.users {
		if u.ID == id {
			return u, nil
		}
	}
	return store.User{}, store.ErrNotFound
}

const linphoneSpecs = "groupchat/1.1"

// registers makes a device reachable and waits until nothing moves.
func (w *world) registers(d store.DeviceID, specs string, accept ...string) {
	w.comes(d, specs, accept...)
	synctest.Wait()
}

func (w *world) comes(d store.DeviceID, specs string, accept ...string) {
	u := w.people.owner(d)
	t := registrar.Target{
		User: u.ID, AOR: "sip:" + u.AOR(), Device: store.Device{ID: d, User: u.ID, Specs: specs, Accept: accept, UserAgent: fmt.Sprintf("phone %d", d)},
		Contact: sip.Uri{Scheme: "sip", User: u.Username, Host: "192.0.2.1", Port: 40000 + int(d)}, Flow: flowOf(d),
	}
	w.people.put(t)
	w.Reachable(t.User, t.Device.ID)
}

func (p *people) put(t registrar.Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(p.targets[t.User]), func(o registrar.Target) bool { return o.Device.ID == t.Device.ID })
	p.targets[t.User] = append(list, t)
}

// leaves ends the flow of a device; its binding stays.
func (w *world) leaves(d store.DeviceID) {
	w.people.mu.Lock()
	defer w.people.mu.Unlock()
	u := w.people.owner(d).ID
	list := slices.Clone(w.people.targets[u])
	for i := range list {
		if list[i].Device.ID == d {
			list[i].Flow = nil
		}
	}
	w.people.targets[u] = list
}

// phones answer what they are sent.
type phones struct {
	log    *journal
	mu     sync.Mutex
	script map[store.DeviceID]func(*sip.Request) int // status; silent, broken
	accept string                                    // Accept of refusals
	got    map[store.DeviceID][]*sip.Request
}

const (
	silent = 0  // Timer F
	broken = -1 // the flow ends
)

func (p *phones) Send(req *sip.Request, f *transport.Flow, on func(*transaction.Client, *sip.Response, error)) *transaction.Client {
	d := store.DeviceID(f.ID)
	p.mu.Lock()
	defer p.mu.Unlock()
	status := 200
	if script := p.script[d]; script != nil {
		status = script(req)
	}
	p.log.add("phone %d: %s → %d", d, firstLine(string(req.Body())), status)
	if status == 200 {
		p.got[d] = append(p.got[d], req)
	}
	go func() {
		switch status {
		case silent:
			time.Sleep(32 * time.Second)
			on(nil, nil, transaction.ErrTimeout)
		case broken:
			on(nil, nil, transaction.ErrTransport)
		default:
			var hs []sip.Header
			if p.accept != "" {
				hs = append(hs, wire.H("Accept", p.accept))
			}
			on(nil, wire.NewResponse(req, status, "", hs...), nil)
		}
	}()
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

// texts are the bodies a device took.
func (p *phones) texts(d store.DeviceID) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, req := range p.got[d] {
		out = append(out, string(req.Body()))
	}
	return out
}

func (p *phones) answer(d store.DeviceID, script func(*sip.Request) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script[d] = script
}

func always(status int) func(*sip.Request) int { return func(*sip.Request) int { return status } }

// memory is an archive. It commits on one goroutine, as a store does.
type memory struct {
	log    *journal
	mu     sync.Mutex
	fail   error
	msgs   []store.Message
	dedup  map[string]store.Accepted
	seqs   map[store.ConversationID]int64
	passed map[store.DeviceID]map[store.ConversationID]int64
	trace  []store.Delivery
	groups groupMemory
	reads  map[store.UserID]int64 // seq

	replays map[store.DeviceID]int
	queue   chan func()
	done    chan struct{}
}

func newMemory(log *journal) *memory {
	a := &memory{
		log: log, dedup: map[string]store.Accepted{}, seqs: map[store.ConversationID]int64{},
		passed: map[store.DeviceID]map[store.ConversationID]int64{},
		queue:  make(chan func(), 10_000), done: make(chan struct{}),
		reads: map[store.UserID]int64{}, replays: map[store.DeviceID]int{},
	}
	go func() {
		defer close(a.done)
		for commit := range a.queue {
			commit()
		}
	}()
	return a
}

// texts are all messages in their order.
func (a *memory) texts() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, m := range a.msgs {
		out = append(out, m.Text)
	}
	return out
}

func (a *memory) close() {
	close(a.queue)
	<-a.done
}

func conversation(m *store.NewMessage) store.ConversationID {
	if m.Group != 0 && m.Kind != store.KindReceipt {
		return groupConversation(m.Group)
	}
	return store.ConversationID(min(m.From, m.To)*1000+max(m.From, m.To))*10 + store.ConversationID(m.Kind)
}

func (a *memory) Append(m *store.NewMessage, done func(store.Accepted, error)) {
	a.queue <- func() {
		acc, err := a.commit(m)
		done(acc, err)
	}
}

func (a *memory) commit(m *store.NewMessage) (store.Accepted, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return store.Accepted{}, a.fail
	}
	key := fmt.Sprint(m.From, m.Dedup)
	if acc, ok := a.dedup[key]; ok && m.Dedup != ([16]byte{}) {
		acc.Duplicate = true
		return acc, nil
	}
	c := conversation(m)
	a.seqs[c]++
	acc := store.Accepted{GID: int64(len(a.msgs) + 1), Conversation: c, Seq: a.seqs[c], At: time.Now()}
	a.dedup[key] = acc
	a.msgs = append(a.msgs, store.Message{NewMessage: *m, Accepted: acc})
	a.log.add("commit %d", acc.GID)
	return acc, nil
}

func (a *memory) Pending(_ context.Context, u store.UserID, d store.DeviceID, limit int) ([]store.Message, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return nil, a.fail
	}
	var out []store.Message
	for _, m := range a.msgs {
		mine := m.To == u || m.From == u && m.FromDevice != d && m.Kind == store.KindText
		if m.Conversation == groupConversation(m.Group) {
			mine = a.groups.sees(u, m.Conversation, m.Seq) && (m.FromDevice != d || d == 0)
		}
		if mine && m.Seq > a.passed[d][m.Conversation] && len(out) < limit {
			out = append(out, m)
		}
	}
	return out, nil
}

func (a *memory) Delivered(c store.ConversationID, seq int64, d store.Delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.passed[d.Device] == nil {
		a.passed[d.Device] = map[store.ConversationID]int64{}
	}
	a.passed[d.Device][c] = max(seq, a.passed[d.Device][c])
	a.trace = append(a.trace, d)
}

func (a *memory) StartCursors(_ context.Context, _ store.UserID, d store.DeviceID, replay int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replays[d] = replay
	return nil
}

// deliveries lists the trace of a device as "gid status rendering".
func (a *memory) deliveries(d store.DeviceID) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, t := range a.trace {
		if t.Device == d {
			out = append(out, fmt.Sprintf("%d %d %s", t.GID, t.Status, t.Rendering))
		}
	}
	return out
}

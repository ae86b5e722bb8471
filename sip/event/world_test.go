package event

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// rooms is an event package: rooms whose state is their version. It shows a
// newcomer the whole room, "team 3", and others each change, "team +4".
type rooms struct {
	mu       sync.Mutex
	versions map[string]int64 // by address
	asked    int              // Current was
	refuse   error            // of Subscribe
	panics   bool
}

func (p *rooms) Name() string { return "conference" }

func (p *rooms) Subscribe(s *Subscription, r *server.Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return p.refuse
	}
	if s.List != nil {
		kept := []string{}
		for _, a := range s.List {
			if p.versions[a] > 0 {
				kept = append(kept, a)
			}
		}
		s.List = kept
		return nil
	}
	if p.versions[s.Resource] == 0 {
		return store.ErrNotFound
	}
	var last int64
	if fmt.Sscan(wire.Header(r.Request, "Last-Notify-Version"), &last); last > 0 {
		s.Told[s.Resource] = last
	}
	return nil
}

func (p *rooms) Current(s *Subscription, resource string) (docs []Document) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.panics {
		panic("the package is broken")
	}
	name, _, _ := strings.Cut(resource, "@")
	told, now := s.Told[resource], p.versions[resource]
	if told == 0 {
		return []Document{document(fmt.Sprint(name, " ", now), now)}
	}
	for told++; told <= now; told++ {
		docs = append(docs, document(fmt.Sprint(name, " +", told), told))
	}
	return docs
}

func document(body string, version int64) Document {
	return Document{Type: "text/plain", Body: []byte(body), Version: version}
}

// world is a notifier among phones.
type world struct {
	*siptest.World
	t     *testing.T
	rooms *rooms
	n     *Notifier
	store *memory
}

// memory is where subscriptions are kept.
type memory struct {
	mu    sync.Mutex
	rows  map[string]store.Subscription
	saves int
}

func (m *memory) save(save, remove []store.Subscription) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	key := func(s *store.Subscription) string { return s.CallID + s.LocalTag + s.RemoteTag + s.Event }
	for i := range remove {
		delete(m.rows, key(&remove[i]))
	}
	for _, s := range save {
		m.rows[key(&s)] = s
	}
}

func (m *memory) all(_ context.Context, fn func(store.Subscription) error) error {
	m.mu.Lock()
	rows := maps.Clone(m.rows)
	m.mu.Unlock()
	for _, s := range rows {
		if err := fn(s); err != nil {
			return err
		}
	}
	return nil
}

// inWorld runs a story with Alice on TLS and Bob on UDP, in a bubble of fake time.
// There are the rooms team, with version 3, and den and hall, with version 1.
func inWorld(t *testing.T, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{World: siptest.New(t), t: t, store: &memory{rows: map[string]store.Subscription{}},
			rooms: &rooms{versions: map[string]int64{"team@example.com": 3, "den@example.com": 1, "hall@example.com": 1}}}
		w.start()
		defer func() { w.n.Close() }()
		w.Phone("alice", "tls")
		w.Phone("bob", "udp")
		w.Steps = map[string]func(line, rest string){
			"subscribe": func(_, rest string) { w.subscribe(rest) },
			"refresh":   func(_, rest string) { w.refresh(rest) },
			"list":      func(_, rest string) { w.list(rest) },
			"change":    func(_, rest string) { w.change(rest) },
			"registers": func(_, rest string) { w.registers(w.Phones[rest]) },
			"restart":   func(_, _ string) { w.restart() },
		}
		story(w)
		w.Quiet("at the end")
		w.n.Close()
		w.Idle()
	})
}

// start serves what the store has.
func (w *world) start() {
	w.n = New(Config{Packages: []Package{w.rooms}, Locations: w, Transactions: w.Layer, Flows: w, Save: w.store.save})
	if err := w.n.Restore(w.t.Context(), w.store.all); err != nil {
		w.t.Fatal(err)
	}
	w.Layer.Serve(server.New(server.Config{Domains: []string{"example.com", "192.0.2.1"}, Auth: w, Events: w.n, Rate: -1}))
}

// restart is a server that ends and begins again.
func (w *world) restart() {
	w.n.Close()
	w.start()
}

// crash is one that says nothing to the store at its end.
func (w *world) crash() {
	kept := maps.Clone(w.store.rows)
	w.n.Close()
	w.store.rows = kept
	w.start()
}

// subscribe is "alice team 600": SUBSCRIBE to a room, outside of a dialog.
func (w *world) subscribe(text string) {
	words := strings.Fields(text)
	p := w.Phones[words[0]]
	p.Add("Event: conference")
	if len(words) > 2 {
		p.Add("Expires: " + words[2])
	}
	p.Request("SUBSCRIBE", "sip:"+words[1]+"@example.com", "")
}

// refresh is "alice 600": SUBSCRIBE in the dialog.
func (w *world) refresh(text string) {
	name, expires, _ := strings.Cut(text, " ")
	p := w.Phones[name]
	p.Add("Event: conference\nExpires: " + expires)
	p.InDialog("SUBSCRIBE", "")
}

// list is "alice team den;Last-Notify=1": SUBSCRIBE to a list.
func (w *world) list(text string) {
	words := strings.Fields(text)
	w.subscribeList(w.Phones[words[0]], resourceList(words[1:]...))
}

func (w *world) subscribeList(p *siptest.Phone, body string) {
	p.Add("Event: conference\nExpires: 600\nRequire: recipient-list-subscribe\nContent-Disposition: recipient-list")
	if body != "" {
		p.Add("Content-Type: application/resource-lists+xml")
	}
	p.Request("SUBSCRIBE", "sip:conference-factory@example.com", body)
}

// resourceList writes a list of rooms, each with parameters behind it.
func resourceList(names ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><p1:resource-lists xmlns:p1="urn:ietf:params:xml:ns:resource-lists"><p1:list>`)
	for _, name := range names {
		name, params, _ := strings.Cut(name, ";")
		fmt.Fprintf(&b, `<p1:entry uri="sip:%s@example.com;%s"/>`, name, params)
	}
	return b.String() + `</p1:list></p1:resource-lists>`
}

// change makes a new version of rooms and publishes them.
func (w *world) change(names string) {
	for name := range strings.FieldsSeq(names) {
		address := name + "@example.com"
		w.rooms.mu.Lock()
		w.rooms.versions[address]++
		v := w.rooms.versions[address]
		w.rooms.mu.Unlock()
		w.n.Publish("conference", address, func(*Subscription) (Document, bool) {
			return document(fmt.Sprint(name, " +", v), v), true
		})
	}
}

// registers is a REGISTER of a phone, over the flow that it has now.
func (w *world) registers(p *siptest.Phone) {
	w.n.Reachable(p.User, w.device(p))
}

// device is that of a phone, whichever flow it has.
func (w *world) device(p *siptest.Phone) store.DeviceID {
	for _, t := range w.Targets[p.Account] {
		if t.Instance == "urn:uuid:"+p.Name {
			return t.Device.ID
		}
	}
	w.t.Fatalf("%s has not registered", p.Name)
	return 0
}

// header checks one of the last NOTIFY.
func (w *world) header(phone, name, want string) {
	w.t.Helper()
	if got := wire.Header(w.Phones[phone].Got["NOTIFY"], name); got != want {
		w.t.Errorf("%s of the NOTIFY to %s: %q, want %q", name, phone, got, want)
	}
}

// live checks how many subscriptions there are, here and in the store.
func (w *world) live(want int) {
	w.t.Helper()
	synctest.Wait()
	if got := int(w.n.table.len()); got != want || len(w.store.rows) != want {
		w.t.Errorf("%d subscriptions, %d in the store, want %d", got, len(w.store.rows), want)
	}
	if n := len(w.n.table.expiry); n != want {
		w.t.Errorf("%d subscriptions will expire, want %d", n, want)
	}
	if n := len(w.n.table.topics); want == 0 && (n != 0 || len(w.n.table.devices) != 0) {
		w.t.Errorf("%d topics and %d devices are left", n, len(w.n.table.devices))
	}
}

// sleep lets time pass.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

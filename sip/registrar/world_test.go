package registrar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

const domain = "example.com"

// memory is a store of users, devices and bindings that counts what it is told.
type memory struct {
	mu       sync.Mutex
	users    []store.User
	devices  []store.Device
	bindings map[string]store.Binding
	touched  int
	saves    int
	lookups  int
	delay    time.Duration
	err      error
}

func (m *memory) UserByAddress(_ context.Context, user, host string) (store.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lookups++
	for _, u := range m.users {
		if host == u.Domain && (u.Username == user || slices.Contains(u.Numbers, user)) {
			return u, m.err
		}
	}
	return store.User{}, errors.Join(store.ErrNotFound, m.err)
}

func (m *memory) ListUsers(_ context.Context, _ string, after store.UserID, limit int) (list []store.User, err error) {
	for _, u := range m.users {
		if u.ID > after && len(list) < limit {
			list = append(list, u)
		}
	}
	return list, m.err
}

func (m *memory) TouchDevice(_ context.Context, d store.Device) (store.Device, error) {
	time.Sleep(m.delay)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.touched++
	if m.err != nil {
		return d, m.err
	}
	for i := range m.devices {
		known := &m.devices[i]
		if known.User != d.User || known.Instance != d.Instance {
			continue
		}
		if known.Revoked != nil {
			return d, fmt.Errorf("device %d: %w", known.ID, store.ErrConflict)
		}
		known.UserAgent, known.Accept, known.Specs, known.LastSeen = d.UserAgent, d.Accept, d.Specs, d.LastSeen
		return *known, nil
	}
	d.ID, d.FirstSeen = store.DeviceID(len(m.devices)+1), d.LastSeen
	m.devices = append(m.devices, d)
	return d, nil
}

func (m *memory) ListDevices(context.Context, store.UserID) ([]store.Device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.devices), m.err
}

func rowKey(b store.Binding) string {
	key := fmt.Sprint(b.User, b.Instance, b.RegID)
	if strings.HasPrefix(b.Instance, "contact:") {
		key += b.Contact
	}
	return key
}

func (m *memory) SaveBindings(save, remove []store.Binding) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	for _, b := range remove {
		delete(m.bindings, rowKey(b))
	}
	for _, b := range save {
		m.bindings[rowKey(b)] = b
	}
}

func (m *memory) AllBindings(context.Context) (list []store.Binding, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.bindings {
		list = append(list, b)
	}
	return list, m.err
}

// Flow says that every flow but number 666 is alive.
func (m *memory) Flow(id uint64) (*transport.Flow, bool) { return nil, id != 666 }

func (m *memory) UDPFlow(local, remote netip.AddrPort) (*transport.Flow, error) {
	return &transport.Flow{ID: uint64(remote.Port()), Transport: "UDP", Local: local, Remote: remote}, nil
}

// world is a Registrar for example.com with alice (1, number 1001), bob (2) and
// carol (3), who is disabled.
type world struct {
	*Registrar
	t     testing.TB
	store *memory
}

func newWorld(t testing.TB, change func(*Config)) *world {
	m := &memory{bindings: make(map[string]store.Binding), users: []store.User{
		{ID: 1, Username: "alice", Domain: domain, Numbers: []string{"1001"}},
		{ID: 2, Username: "bob", Domain: domain},
		{ID: 3, Username: "carol", Domain: domain, Disabled: true},
	}}
	return newWorldOn(t, m, change)
}

func newWorldOn(t testing.TB, m *memory, change func(*Config)) *world {
	cfg := Config{
		Domain: domain, Aliases: []string{"203.0.113.1"}, Secret: bytes.Repeat([]byte{7}, 32),
		Own: func(host string, port int) bool {
			return host == "sip."+domain || host == "203.0.113.1" && port == 5061
		},
		Users: m, Devices: m, Bindings: m, Flows: m,
	}
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &world{g, t, m}
}

// answered takes the answer to a REGISTER.
type answered func([]sip.Header, error)

func (f answered) answer(hs []sip.Header, err error) { f(hs, err) }
func (answered) beginWait() bool                     { return true }

func (w *world) register(in *transaction.Incoming, who auth.Identity, then answered) {
	w.Registrar.register(in, who, false, then)
}

// flow makes a flow; its number names it.
func flow(id uint64, name string) *transport.Flow {
	return transport.NewFlow(&transport.Flow{
		ID: id, Transport: name,
		Local:  netip.MustParseAddrPort("203.0.113.1:5061"),
		Remote: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(id)),
	}, &link{})
}

// link is a network on which nothing is sent.
type link struct{ closed string }

func (l *link) Send([]byte) error { return nil }
func (l *link) Open() bool        { return l.closed == "" }
func (l *link) Close(why string)  { l.closed = why }

// reply is what a phone gets.
type reply struct {
	status  int
	err     *server.Error
	headers []sip.Header
}

func (r reply) values(name string) (vs []string) {
	for _, h := range r.headers {
		if h.Name() == name {
			vs = append(vs, h.Value())
		}
	}
	return vs
}

func (r reply) String() string {
	if r.err != nil {
		return r.err.Error()
	}
	return fmt.Sprint(r.status, r.values("Contact"))
}

// phone sends REGISTERs of one user with one Call-ID.
type phone struct {
	w      *world
	user   string
	flow   *transport.Flow
	callID string
	cseq   uint32
	to     string
	extra  []string // header lines
}

func (w *world) phone(user string, f *transport.Flow, extra ...string) *phone {
	return &phone{w: w, user: user, flow: f, callID: fmt.Sprint("call-", f.ID, "-", user), to: user + "@" + domain, extra: extra}
}

func (p *phone) incoming(lines ...string) (*transaction.Incoming, auth.Identity) {
	p.w.t.Helper()
	p.cseq++
	u, _ := wire.ParseURI("sip:" + domain)
	hs := []sip.Header{
		wire.H("Via", "SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1"), wire.H("Max-Forwards", "70"),
		wire.H("From", "<sip:"+p.user+"@"+domain+">;tag=1"), wire.H("To", "<sip:"+p.to+">"),
		wire.H("Call-ID", p.callID), wire.H("CSeq", strconv.Itoa(int(p.cseq))+" REGISTER"),
	}
	for _, line := range append(slices.Clone(p.extra), lines...) {
		name, value, _ := strings.Cut(line, ": ")
		hs = append(hs, wire.H(name, value))
	}
	req := wire.NewRequest("REGISTER", u, nil, hs...)
	core, e := wire.Examine(req)
	if e != nil {
		p.w.t.Fatal(e)
	}
	id := map[string]store.UserID{"alice": 1, "bob": 2, "carol": 3}[p.user]
	return &transaction.Incoming{Request: req, Core: core, Flow: p.flow}, auth.Identity{User: id, Username: p.user, Domain: domain}
}

// send registers and waits for the answer.
func (p *phone) send(lines ...string) reply {
	p.w.t.Helper()
	in, who := p.incoming(lines...)
	done := make(chan reply, 1)
	p.w.register(in, who, toReply(done))
	return <-done
}

// toReply makes a reply of the answer.
func toReply(done chan<- reply) answered {
	return func(hs []sip.Header, err error) {
		r := reply{status: 200, headers: hs}
		if err != nil {
			r.status = 500
			if errors.As(err, &r.err) {
				r.status, r.headers = r.err.Status, r.err.Headers
			} else {
				r.err = &server.Error{Status: 500, Reason: err.Error()}
			}
		}
		done <- r
	}
}

// must registers and fails the test unless the answer is want.
func (p *phone) must(want int, lines ...string) reply {
	p.w.t.Helper()
	r := p.send(lines...)
	if r.status != want {
		p.w.t.Fatalf("%v: %v, want %d", lines, r, want)
	}
	return r
}

// instance is a Contact of a phone with +sip.instance.
func instance(port int, name string, rest ...string) string {
	return fmt.Sprintf(`Contact: <sip:alice@192.0.2.1:%d;transport=tls>;+sip.instance="<urn:uuid:%s>"%s`, port, name, strings.Join(rest, ""))
}

// where lists the contacts of a user as "port q" or "port q away".
func (w *world) where(u store.UserID) string {
	var list []string
	for _, t := range w.Lookup(u) {
		s := fmt.Sprint(t.Contact.Port)
		if t.Q != 1000 {
			s += fmt.Sprint(" q", t.Q)
		}
		if t.Flow == nil {
			s += " away"
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}

func (w *world) wantWhere(u store.UserID, want string) {
	w.t.Helper()
	if got := w.where(u); got != want {
		w.t.Errorf("bindings: %q, want %q", got, want)
	}
}

package trunk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// memory is a store.
type memory struct {
	trunks  []store.Trunk
	classes []store.ClassOfService
}

func (m *memory) Trunks(context.Context) ([]store.Trunk, error)           { return m.trunks, nil }
func (m *memory) Classes(context.Context) ([]store.ClassOfService, error) { return m.classes, nil }
func (m *memory) RemoveTrunk(context.Context, int64) error                { return nil }
func (m *memory) RemoveClass(context.Context, string) error               { return nil }
func (m *memory) SetTrunk(_ context.Context, t store.Trunk) (store.Trunk, error) {
	if t.ID == 0 {
		t.ID = int64(len(m.trunks) + 100)
	}
	t.Version++
	m.trunks = append(m.trunks, t)
	return t, nil
}
func (m *memory) SetClass(_ context.Context, c store.ClassOfService) (store.ClassOfService, error) {
	c.Version++
	return c, nil
}

// book is the name servers.
type book map[string][]string // host → addresses

func (k book) Resolve(_ context.Context, u *sip.Uri) ([]transport.Hop, error) {
	over, _ := wire.URIParam(u, "transport")
	over = strings.ToUpper(or(over, "udp"))
	port := u.Port
	if port == 0 {
		port = 5060
	}
	hosts := k[u.Host]
	if _, err := netip.ParseAddr(u.Host); err == nil {
		hosts = []string{u.Host}
	}
	var hops []transport.Hop
	for _, h := range hosts {
		hops = append(hops, transport.Hop{Transport: over, Addr: netip.AddrPortFrom(netip.MustParseAddr(h), uint16(port)), Host: u.Host})
	}
	if hops == nil {
		return nil, errors.New("no such name")
	}
	return hops, nil
}
func (book) Failed(transport.Hop) {}

// world is the server with its border, carriers and what is inside, on a
// network in memory.
type world struct {
	t      testing.TB
	border *Border
	layer  *transaction.Layer
	chain  *server.Server
	store  *memory
	names  book

	mu       sync.Mutex
	carriers map[netip.AddrPort]*carrier
	ids      uint64

	inside   *dialog.UA // phones, behind what would be package call and the proxy
	rang     []*server.Request
	pickUp   func(r *server.Request, s *dialog.Session)
	pickedUp dialog.Events
	attempts []store.CallAttempt
}

var us = netip.MustParseAddrPort("192.0.2.1:5060")

func (w *world) Attach(f *transport.Flow) { w.ids++; f.ID = w.ids }
func (w *world) Detach(*transport.Flow)   {}
func (w *world) Local(f *transport.Flow) (string, int) {
	return us.Addr().String(), int(us.Port())
}
func (w *world) UDPFlow(_, remote netip.AddrPort) (*transport.Flow, error) {
	return w.flow(transport.UDP, remote), nil
}
func (w *world) Dial(ctx context.Context, hop transport.Hop) (*transport.Flow, error) {
	if hop.Transport == transport.UDP {
		return w.UDPFlow(netip.AddrPort{}, hop.Addr)
	}
	c := w.at(hop.Addr)
	switch {
	case c == nil:
		<-ctx.Done() // a black hole
		return nil, ctx.Err()
	case c.refuses:
		return nil, errors.New("connection refused")
	}
	return w.flow(hop.Transport, hop.Addr), nil
}

func (w *world) at(a netip.AddrPort) *carrier {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.carriers[a]
}

func (w *world) flow(over string, remote netip.AddrPort) *transport.Flow {
	f := &transport.Flow{ID: uint64(remote.Port()) + 1000, Transport: over, Local: us, Remote: remote, Outbound: over != transport.UDP}
	return transport.NewFlow(f, wireTo(func(b []byte) error {
		if c := w.at(remote); c != nil {
			c.inbox <- slices.Clone(b)
		}
		return nil
	}))
}

type wireTo func(b []byte) error

func (l wireTo) Send(b []byte) error { return l(b) }
func (wireTo) Open() bool            { return true }
func (wireTo) Close(string)          {}

// carrier is a gateway: a user agent at an address.
type carrier struct {
	*dialog.UA
	w       *world
	addr    netip.AddrPort
	layer   *transaction.Layer
	inbox   chan []byte
	flow    *transport.Flow
	refuses bool        // connections
	silent  atomic.Bool // as if it were not there

	got     []*sip.Request // outside of dialogs, and BYE and CANCEL
	when    []time.Time
	answer  func(in *transaction.Incoming, tx *transaction.Server) // an INVITE
	events  dialog.Events
	session *dialog.Session
	other   func(in *transaction.Incoming) *sip.Response // anything else
}

func (w *world) carrier(addr, over string) *carrier {
	c := &carrier{w: w, addr: netip.MustParseAddrPort(addr), layer: transaction.New(transaction.Config{}), inbox: make(chan []byte, 1000)}
	var err error
	c.UA, err = dialog.New(dialog.Config{Transactions: c.layer, Agent: "Carrier", Local: func(*transport.Flow) (string, int) {
		return c.addr.Addr().String(), int(c.addr.Port())
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	c.flow = transport.NewFlow(&transport.Flow{ID: 1, Transport: over, Local: c.addr, Remote: us}, wireTo(func(b []byte) error {
		m, err := wire.Parse(slices.Clone(b))
		if err != nil {
			return err
		}
		back := w.flow(over, c.addr)
		if req, ok := m.(*sip.Request); ok {
			wire.Stamp(req, c.addr)
		}
		go w.layer.Message(back, m)
		return nil
	}))
	c.layer.Serve(c)
	w.mu.Lock()
	w.carriers[c.addr] = c
	w.mu.Unlock()
	c.answer = c.picksUp
	go func() {
		for b := range c.inbox {
			m, err := wire.Parse(b)
			if err != nil {
				w.t.Error(err)
			} else if !c.silent.Load() {
				c.layer.Message(c.flow, m)
			} else if req, ok := m.(*sip.Request); ok {
				c.keep(req)
			}
		}
	}()
	return c
}

func (c *carrier) keep(req *sip.Request) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.got, c.when = append(c.got, req), append(c.when, time.Now())
}

// count is how many requests of a method came, retransmissions too when it was
// silent.
func (c *carrier) count(method string) (n int) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for _, r := range c.got {
		if string(r.Method) == method {
			n++
		}
	}
	return n
}

// last is the newest request of a method.
func (c *carrier) last(method string) *sip.Request {
	c.w.t.Helper()
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for _, r := range slices.Backward(c.got) {
		if string(r.Method) == method {
			return r
		}
	}
	c.w.t.Fatalf("%s got no %s", c.addr, method)
	return nil
}

func (c *carrier) Request(in *transaction.Incoming) {
	if in.Method == sip.ACK {
		c.Serve(in, nil)
		return
	}
	c.keep(in.Request)
	tx, err := in.Begin()
	c.w.mu.Lock()
	answer, other := c.answer, c.other
	c.w.mu.Unlock()
	switch {
	case err != nil:
	case in.ToTag != "":
		c.Serve(in, tx)
	case in.Method == sip.INVITE:
		answer(in, tx)
	case other != nil:
		if res := other(in); res != nil {
			_ = tx.Respond(res)
		}
	default:
		_ = tx.Respond(wire.NewResponse(in.Request, 200, ""))
	}
}
func (c *carrier) Malformed(*transport.Flow, *wire.Error) {}
func (c *carrier) Closed(*transport.Flow)                 {}

// picksUp rings and answers after a second.
func (c *carrier) picksUp(in *transaction.Incoming, tx *transaction.Server) {
	s := c.Accept(in, tx, nil, c.events, nil)
	c.session = s
	s.Do(func() {
		d := s.Fork()
		d.Progress(180, "", dialog.Content{})
		time.AfterFunc(time.Second, func() { s.Do(func() { d.Accept(dialog.SDP([]byte("carrier"))) }) })
	})
}

// says makes a carrier refuse calls with a status.
func says(status int, hs ...sip.Header) func(in *transaction.Incoming, tx *transaction.Server) {
	return func(in *transaction.Incoming, tx *transaction.Server) {
		_ = tx.Respond(wire.NewResponse(in.Request, status, "", hs...))
	}
}

// home is the plan of the tests: a carrier in Beijing with our numbers +8610555*,
// of which the last four digits are extensions.
func home() store.NumberPlan {
	return store.NumberPlan{
		Country: "86", Area: "10", National: "0", International: "00",
		Inward:  []store.Inward{{Number: "+8610555*", To: "*"}, {Number: "+86105559999", To: "desk"}},
		Default: "+86105559999", Emergency: []string{"110", "119"},
	}
}

// line is a trunk over UDP gateways.
func line(name string, gateways ...string) store.Trunk {
	t := store.Trunk{ID: int64(len(name)), Name: name, Numbers: home()}
	for i, a := range gateways {
		t.Gateways = append(t.Gateways, store.Gateway{Name: "g" + strconv.Itoa(i+1), Address: a, Transport: "udp", Priority: i, Probe: -1})
	}
	return t
}

func newWorld(t testing.TB, trunks ...store.Trunk) *world {
	w := &world{t: t, carriers: map[netip.AddrPort]*carrier{}, store: &memory{trunks: trunks}, names: book{}}
	w.layer = transaction.New(transaction.Config{})
	var err error
	w.inside, err = dialog.New(dialog.Config{Transactions: w.layer, Local: w.Local, Agent: "Phone"})
	if err != nil {
		t.Fatal(err)
	}
	w.border, err = New(Config{Store: w.store, Transactions: w.layer, Stack: w, Domain: "example.com", Names: w.names, Strangers: w.names})
	if err != nil {
		t.Fatal(err)
	}
	w.chain = server.New(server.Config{
		Domains: []string{"example.com"}, Auth: challenger{}, Calls: calls{w}, Proxy: dialogs{w}, InDialog: dialogs{w},
		Border: w.border, Trusted: w.border.Trusted, Rate: -1,
	})
	w.layer.Serve(w.chain)
	return w
}

// challenger knows nobody.
type challenger struct{}

func (challenger) Check(*transport.Flow, *sip.Request, *wire.Core, bool, func(auth.Result)) (auth.Result, bool) {
	return auth.Result{Verdict: auth.Challenge, Status: 407}, true
}

// calls is package call.
type calls struct{ w *world }

func (c calls) ServeSIP(r *server.Request) {
	w := c.w
	w.mu.Lock()
	w.rang = append(w.rang, r)
	pickUp, on := w.pickUp, w.pickedUp
	w.mu.Unlock()
	s := w.inside.Accept(r.Incoming, r.Transaction(), nil, on, nil)
	if pickUp != nil {
		s.Do(func() { pickUp(r, s) })
		return
	}
	s.Do(func() { s.Fork().Accept(dialog.SDP([]byte("inside"))) })
}

// dialogs is the proxy, for the dialogs inside.
type dialogs struct{ w *world }

func (d dialogs) Claims(r *server.Request) bool { return d.w.inside.Claims(&r.Core) }
func (d dialogs) ServeSIP(r *server.Request)    { d.w.inside.Serve(r.Incoming, r.Transaction()) }

// caller is a user with extension 1234 and nothing against him.
func user() Caller { return Caller{User: 7, Numbers: []string{"1234"}} }

// dial calls a number from inside, as package call would by the first route.
func (w *world) dial(c Caller, number string, on dialog.Events, change ...func(*dialog.Call)) *dialog.Session {
	w.t.Helper()
	routes, err := w.border.Routes(c, number)
	if err != nil {
		w.t.Fatalf("%s: %v", number, err)
	}
	return w.by(routes[0], c, on, change...)
}

func (w *world) by(r Route, c Caller, on dialog.Events, change ...func(*dialog.Call)) *dialog.Session {
	target := w.border.Target(r, c, func(a store.CallAttempt) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.attempts); n > 0 && w.attempts[n-1].Target == a.Target && w.attempts[n-1].Ended.IsZero() {
			w.attempts[n-1] = a
			return
		}
		w.attempts = append(w.attempts, a)
	})
	call := dialog.Call{
		URI: target.Contact, Flow: target.Flow, From: `"Alice Secret" <sip:alice@example.com>`, To: "<sip:" + r.Number + "@example.com>",
		MaxForwards: 60, Content: dialog.SDP([]byte("inside")),
		Headers: []sip.Header{wire.H("P-Asserted-Identity", "<sip:alice@example.com>"), wire.H("X-Secret", "yes"), wire.H("Subject", "Secret")},
	}
	for _, f := range change {
		f(&call)
	}
	return w.inside.Call(call, on)
}

// from calls us from a carrier.
func (c *carrier) call(number string, on dialog.Events, change ...func(*dialog.Call)) *dialog.Session {
	call := dialog.Call{
		URI: sip.Uri{Scheme: "sip", User: number, Host: "192.0.2.1"}, Flow: c.flow,
		From: `"CNAM" <sip:+4930123456@carrier.example.net>`, Content: dialog.SDP([]byte("carrier")),
	}
	for _, f := range change {
		f(&call)
	}
	return c.UA.Call(call, on)
}

// end checks that nothing is left over.
func (w *world) end() {
	w.t.Helper()
	pass(3 * time.Minute)
	synctest.Wait()
	if n := w.border.outer.Sessions() + w.border.caller.Sessions() + w.border.callee.Sessions() + w.inside.Sessions(); n != 0 {
		w.t.Errorf("%d sessions are left", n)
	}
	if n := w.layer.Live(); n != 0 {
		w.t.Errorf("%d transactions are left", n)
	}
	if n := len(w.border.inside); n != 0 {
		w.t.Errorf("%d calls inside are left", n)
	}
	for _, s := range w.border.Trunks() {
		if s.In != 0 || s.Out != 0 {
			w.t.Errorf("trunk %s counts %d calls in and %d out", s.Name, s.In, s.Out)
		}
	}
	w.border.Close()
	w.layer.Close()
	for _, c := range w.carriers {
		c.layer.Close()
		close(c.inbox)
	}
}

func story(t *testing.T, name string, trunks []store.Trunk, tell func(t *testing.T, w *world)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, trunks...)
			tell(t, w)
			w.end()
		})
	})
}

// attemptsText is "gateway status" of each attempt.
func (w *world) attemptsText() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, a := range w.attempts {
		all = append(all, fmt.Sprintf("%s %d", strings.Fields(a.Target)[1], a.Status))
	}
	return strings.Join(all, ", ")
}

func acking(d *dialog.Dialog, _ *sip.Response) { d.Ack(dialog.Content{}) }

// failing notes how a call failed.
func failing(status *int) dialog.Events {
	return dialog.Events{
		Answered: func(d *dialog.Dialog, _ *sip.Response) { *status = 200; d.Ack(dialog.Content{}) },
		Failed: func(res *sip.Response, err error) {
			if *status = -1; res != nil {
				*status = res.StatusCode
			}
		},
	}
}

// incoming makes what the chain gives to a service.
func incoming(t *testing.T, req *sip.Request) *server.Request {
	core, bad := wire.Examine(req)
	if bad != nil {
		t.Fatal(bad)
	}
	return &server.Request{Incoming: &transaction.Incoming{Request: req, Core: core}}
}

// ask sends a request outside of dialogs from some address and returns the status
// of the answer.
func (w *world) ask(from, over, method string) (status int) {
	w.t.Helper()
	answers := make(chan int, 9)
	f := transport.NewFlow(&transport.Flow{ID: 99, Transport: over, Local: us, Remote: netip.MustParseAddrPort(from)}, wireTo(func(b []byte) error {
		m, err := wire.Parse(slices.Clone(b))
		if err != nil {
			return err
		}
		answers <- m.(*sip.Response).StatusCode
		return nil
	}))
	uri := sip.Uri{Scheme: "sip", User: "bob", Host: "example.com"}
	w.layer.Message(f, wire.NewRequest(method, uri, nil,
		wire.H("Via", "SIP/2.0/"+over+" "+from+";branch="+wire.NewBranch()), wire.H("From", "<sip:x@c.example.net>;tag=1"),
		wire.H("To", "<sip:bob@example.com>"), wire.H("Call-ID", wire.NewCallID()), wire.H("CSeq", "1 "+method)))
	synctest.Wait()
	select {
	case status = <-answers:
	default:
	}
	return status
}

// change does something to what others read meanwhile.
func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// pass lets time go by, and everything happen that it brings.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func dialogEvents() dialog.Events { return dialog.Events{Answered: acking} }

func headerWithoutTag(m sip.Message, name string) string {
	value, _, _ := strings.Cut(wire.Header(m, name), ";tag=")
	return value
}

func mustURI(t *testing.T, s string) sip.Uri {
	t.Helper()
	u, err := wire.ParseURI(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

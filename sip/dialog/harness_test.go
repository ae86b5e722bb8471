package dialog

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// world is two user agents and a network between them that delays and loses.
// Everything that is sent is noted as "<ms> <who> <what>".
type world struct {
	t     *testing.T
	began time.Time
	loss  float64
	drop  func(who, what string) bool // loses single messages; nil loses none

	mu    sync.Mutex
	rng   *rand.Rand
	notes []string

	a, b *node // who calls, and who is called
}

// node is one user agent with its transaction layer.
type node struct {
	*UA
	name  string
	world *world
	layer *transaction.Layer
	flow  *transport.Flow // to the other
	inbox chan parcel

	accept func(in *transaction.Incoming, tx *transaction.Server)
	guard  func(in *transaction.Incoming, tx *transaction.Server, pass func()) // sees everything before; nil: nobody
}

type parcel struct {
	at time.Time
	b  []byte
}

const delay = 10 * time.Millisecond

func newWorld(t *testing.T, over string) *world {
	w := &world{t: t, began: time.Now(), rng: rand.New(rand.NewPCG(5, 6))}
	w.a, w.b = w.node("a", over), w.node("b", over)
	for _, n := range []*node{w.a, w.b} {
		go n.pump()
	}
	return w
}

func (w *world) node(name, over string) *node {
	n := &node{name: name, world: w, inbox: make(chan parcel, 10_000), layer: transaction.New(transaction.Config{})}
	var err error
	n.UA, err = New(Config{Transactions: n.layer, Name: name, Local: func(*transport.Flow) (string, int) { return name + ".example.com", 5060 }})
	if err != nil {
		w.t.Fatal(err)
	}
	n.layer.Serve(n)
	n.flow = transport.NewFlow(&transport.Flow{ID: 1, Transport: over, Remote: netip.MustParseAddrPort("192.0.2.1:5060")}, link(n.send))
	return n
}

type link func(b []byte) error

func (l link) Send(b []byte) error { return l(b) }
func (link) Open() bool            { return true }
func (link) Close(string)          {}

func (n *node) send(b []byte) error {
	m, err := wire.Parse(slices.Clone(b))
	if err != nil {
		n.world.t.Errorf("%s sent what cannot be parsed: %v\n%s", n.name, err, b)
		return nil
	}
	w := n.world
	w.mu.Lock()
	defer w.mu.Unlock()
	what := short(m)
	lost := w.drop != nil && w.drop(n.name, what) || w.rng.Float64() < w.loss
	if lost {
		what += " (lost)"
	}
	w.notes = append(w.notes, fmt.Sprintf("%d %s %s", time.Since(w.began).Milliseconds(), n.name, what))
	if !lost {
		w.other(n).inbox <- parcel{time.Now().Add(delay), slices.Clone(b)}
	}
	return nil
}

func (w *world) other(n *node) *node {
	if n == w.a {
		return w.b
	}
	return w.a
}

func (n *node) pump() {
	for p := range n.inbox {
		time.Sleep(time.Until(p.at))
		m, err := wire.Parse(p.b)
		if err != nil {
			n.world.t.Error(err)
			continue
		}
		n.layer.Message(n.flow, m)
	}
}

// Request is the node as the user of its layer.
func (n *node) Request(in *transaction.Incoming) {
	var tx *transaction.Server
	if in.Method != sip.ACK {
		var err error
		if tx, err = in.Begin(); err != nil {
			return
		}
	}
	if n.guard != nil {
		n.guard(in, tx, func() { n.take(in, tx) })
		return
	}
	n.take(in, tx)
}

func (n *node) take(in *transaction.Incoming, tx *transaction.Server) {
	switch {
	case in.ToTag == "" && n.accept != nil:
		n.accept(in, tx)
	default:
		n.Serve(in, tx)
	}
}
func (n *node) Malformed(*transport.Flow, *wire.Error) {}
func (n *node) Closed(*transport.Flow)                 {}

// short names a message with what the tests care about.
func short(m sip.Message) string {
	_, method, _ := strings.Cut(wire.Header(m, "CSeq"), " ")
	what := ""
	switch m := m.(type) {
	case *sip.Request:
		what = string(m.Method)
	case *sip.Response:
		what = strconv.Itoa(m.StatusCode)
		if method != "INVITE" {
			what += "/" + method
		}
	}
	if n := wire.Header(m, "RSeq"); n != "" {
		what += " reliably"
	}
	if len(m.Body()) > 0 {
		what += " (" + string(m.Body()) + ")"
	}
	return what
}

// call places a call from a to b.
func (w *world) call(on Events, change ...func(*Call)) *Session {
	uri, _ := wire.ParseURI("sip:b@b.example.com")
	c := Call{URI: uri, Flow: w.a.flow, From: "<sip:a@a.example.com>", Content: SDP([]byte("offer"))}
	for _, f := range change {
		f(&c)
	}
	return w.a.Call(c, on)
}

// expect compares what went over the network, and forgets it. Times are only
// compared where the wanted line has one.
func (w *world) expect(want string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(want, "\t", "")), "\n")
	got := slices.Clone(w.notes)
	for i := range got {
		if i < len(lines) && lines[i] != "" && (lines[i][0] < '0' || lines[i][0] > '9') {
			_, got[i], _ = strings.Cut(got[i], " ")
		}
	}
	if strings.Join(got, "\n") != strings.Join(lines, "\n") {
		w.t.Errorf("got:\n%s\nwant:\n%s", strings.Join(w.notes, "\n"), strings.Join(lines, "\n"))
	}
	w.notes = nil
}

// end checks that nothing is left over.
func (w *world) end() {
	w.t.Helper()
	pass(100 * time.Second)
	synctest.Wait()
	for _, n := range []*node{w.a, w.b} {
		if n.Sessions() != 0 || len(n.sessions) != 0 || n.layer.Live() != 0 {
			w.t.Errorf("left over at %s: %d sessions, %d tags, %d transactions", n.name, n.Sessions(), len(n.sessions), n.layer.Live())
		}
		close(n.inbox)
		n.layer.Close()
	}
}

// answering makes b ring and answer after a second.
func (n *node) answering(on Events) (session func() *Session) {
	var s *Session
	n.accept = func(in *transaction.Incoming, tx *transaction.Server) {
		if s = n.Accept(in, tx, nil, on, nil); s == nil {
			return
		}
		s.Do(func() {
			d := s.Fork()
			d.Progress(180, "", Content{})
			s.strand.After(time.Second, func() { d.Accept(SDP([]byte("answer"))) })
		})
	}
	return func() *Session { return s }
}

func acking(d *Dialog, _ *sip.Response) { d.Ack(Content{}) }

func story(t *testing.T, name string, tell func(t *testing.T, w *world)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "UDP")
			tell(t, w)
			w.end()
		})
	})
}

// losing changes what is lost from now on.
func (w *world) losing(drop func(who, what string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop = drop
}

// pass lets time go by, and everything happen that it brings.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

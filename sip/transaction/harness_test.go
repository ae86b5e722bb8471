package transaction

import (
	"fmt"
	"math/rand/v2"
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
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

var peer = netip.MustParseAddrPort("192.0.2.9:5060")

func parse(t testing.TB, lines ...string) sip.Message {
	t.Helper()
	m, err := wire.Parse([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n"))
	if err != nil {
		t.Fatalf("%v in %q", err, lines)
	}
	return m
}

// request makes a request as a peer sends it.
func request(t testing.TB, method, branch, toTag string) *sip.Request {
	t.Helper()
	to := "To: <sip:bob@example.com>"
	if toTag != "" {
		to += ";tag=" + toTag
	}
	number := "7 "
	return parse(t, method+" sip:bob@example.com SIP/2.0",
		"Via: SIP/2.0/UDP 192.0.2.9:5060;branch="+branch,
		"Max-Forwards: 70",
		"Route: <sip:edge.example.com;lr>",
		"From: <sip:alice@example.com>;tag=a1",
		to,
		"Call-ID: c1@192.0.2.9",
		"CSeq: "+number+method,
	).(*sip.Request)
}

func method(m sip.Message) string {
	switch m := m.(type) {
	case *sip.Request:
		return string(m.Method)
	case *sip.Response:
		_, cseq, _ := strings.Cut(wire.Header(m, "CSeq"), " ")
		name := strconv.Itoa(m.StatusCode)
		if cseq == "CANCEL" {
			name += "/CANCEL"
		}
		return name
	}
	return "?"
}

// scene is one layer between a scripted peer and a scripted user. Everything
// that happens is noted as "<ms> <who><what>": ">" for what we send, "user " for
// what the user is told.
type scene struct {
	t     *testing.T
	layer *Layer
	flow  *transport.Flow
	began time.Time

	mu    sync.Mutex
	notes []string
	up    []*Incoming
	wrote []sip.Message
	down  atomic.Bool // Send fails
}

func newScene(t *testing.T, over string) *scene {
	s := &scene{t: t, began: time.Now(), layer: New(Config{})}
	s.layer.Serve(s)
	s.flow = flowTo(1, over, s.send)
	return s
}

func (s *scene) send(b []byte) error {
	if s.down.Load() {
		return transport.ErrClosed
	}
	m, err := wire.Parse(slices.Clone(b))
	if err != nil {
		s.t.Errorf("we sent what cannot be parsed: %v\n%s", err, b)
		return nil
	}
	s.note(">" + method(m))
	s.mu.Lock()
	s.wrote = append(s.wrote, m)
	s.mu.Unlock()
	return nil
}

func (s *scene) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf("%d %s", time.Since(s.began).Milliseconds(), what))
}

func (s *scene) Request(in *Incoming) {
	s.note("user " + string(in.Method))
	s.mu.Lock()
	s.up = append(s.up, in)
	s.mu.Unlock()
}
func (s *scene) Malformed(_ *transport.Flow, e *wire.Error) {
	s.note("user malformed " + strconv.Itoa(e.Status))
}
func (s *scene) Closed(*transport.Flow) { s.note("user closed") }

func (s *scene) on(_ *Client, res *sip.Response, err error) {
	switch err {
	case nil:
		s.note("user " + strconv.Itoa(res.StatusCode))
	case ErrTimeout:
		s.note("user timeout")
	case ErrTransport:
		s.note("user transport")
	case ErrOverload:
		s.note("user overload")
	}
}

// end waits until nothing can happen any more, and checks that nothing is left.
func (s *scene) end() {
	s.t.Helper()
	time.Sleep(200 * time.Second)
	synctest.Wait()
	if n := s.layer.servers.size() + s.layer.clients.size() + s.layer.flows.size() + s.layer.wheel.size() + s.layer.Live(); n != 0 {
		s.t.Errorf("left over: %d server and %d client transactions, %d flows, %d alarms, %d counted",
			s.layer.servers.size(), s.layer.clients.size(), s.layer.flows.size(), s.layer.wheel.size(), s.layer.Live())
	}
	s.layer.Close()
}

func (s *scene) expect(want string) {
	s.t.Helper()
	got := strings.Join(s.notes, "\n")
	want = strings.TrimSpace(strings.ReplaceAll(want, "\t", ""))
	if got != want {
		s.t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// pair is two layers and a network between them that loses and delays.
type pair struct {
	a, b  *node
	loss  float64
	delay time.Duration
	rng   *rand.Rand
	mu    sync.Mutex
}

type node struct {
	*Layer
	flow    *transport.Flow // to the other
	inbox   chan parcel
	request func(in *Incoming)
}

type parcel struct {
	at time.Time
	b  []byte
}

func newPair(t *testing.T, over string, loss float64, seed uint64) *pair {
	p := &pair{loss: loss, delay: 20 * time.Millisecond, rng: rand.New(rand.NewPCG(seed, 1))}
	p.a, p.b = p.node(1, over), p.node(2, over)
	go p.pump(t, p.a)
	go p.pump(t, p.b)
	return p
}

func (p *pair) node(id uint64, over string) *node {
	n := &node{Layer: New(Config{}), inbox: make(chan parcel, 100_000)}
	n.Serve(n)
	n.flow = flowTo(id, over, func(b []byte) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.rng.Float64() >= p.loss {
			p.other(n).inbox <- parcel{time.Now().Add(p.delay), slices.Clone(b)}
		}
		return nil
	})
	return n
}

func (p *pair) other(n *node) *node {
	if n == p.a {
		return p.b
	}
	return p.a
}

func (p *pair) pump(t *testing.T, n *node) {
	for x := range n.inbox {
		time.Sleep(time.Until(x.at))
		m, err := wire.Parse(x.b)
		if err != nil {
			t.Errorf("%v in %q", err, x.b)
			continue
		}
		n.Message(n.flow, m)
	}
}

// close checks that nothing is left and ends the goroutines.
func (p *pair) close(t *testing.T) {
	t.Helper()
	synctest.Wait()
	for _, n := range []*node{p.a, p.b} {
		if left := n.servers.size() + n.clients.size() + n.flows.size() + n.wheel.size() + n.Live(); left != 0 {
			t.Errorf("left over: %d servers, %d clients, %d flows, %d alarms, %d counted",
				n.servers.size(), n.clients.size(), n.flows.size(), n.wheel.size(), n.Live())
		}
		close(n.inbox)
		n.Close()
	}
}

func (n *node) Request(in *Incoming)                   { n.request(in) }
func (n *node) Malformed(*transport.Flow, *wire.Error) {}
func (n *node) Closed(*transport.Flow)                 {}

func sortByTime(notes []string) {
	slices.SortFunc(notes, func(a, b string) int {
		at, a, _ := strings.Cut(a, " ")
		bt, b, _ := strings.Cut(b, " ")
		if d := len(at) - len(bt); d != 0 {
			return d
		}
		return strings.Compare(at+a, bt+b)
	})
}

// link carries a flow to send.
type link func(b []byte) error

func (l link) Send(b []byte) error { return l(b) }
func (link) Open() bool            { return true }
func (link) Close(string)          {}

func flowTo(id uint64, over string, send link) *transport.Flow {
	return transport.NewFlow(&transport.Flow{ID: id, Transport: over, Remote: peer}, send)
}

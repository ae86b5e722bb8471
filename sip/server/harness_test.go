package server

import (
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// stage is the chain between a scripted peer, a fake authenticator and services
// that note what reaches them.
type stage struct {
	t      testing.TB
	server *Server
	layer  *transaction.Layer
	flow   *transport.Flow

	mu      sync.Mutex
	events  []string // "401", "chat alice 1"
	answers []*sip.Response
	lookups []func() // what the authenticator was asked and has not answered
	handle  func(r *Request)
}

func newStage(t testing.TB, over string, change func(*Config)) *stage {
	s := &stage{t: t, handle: func(*Request) {}}
	c := Config{
		Domains:   []string{"example.com", "192.0.2.1", "2001:db8::1"},
		Auth:      s,
		Registrar: service{s, "registrar"},
		Chat:      service{s, "chat"},
		Proxy:     service{s, "proxy"},
		InDialog:  door{},
		Owns:      func(id auth.Identity, user string) bool { return id.Username == "alice" && user == "1001" },
	}
	if change != nil {
		change(&c)
	}
	s.server = New(c)
	s.layer = transaction.New(transaction.Config{})
	s.layer.Serve(s.server)
	t.Cleanup(s.layer.Close)
	s.flow = flowTo(1, over, s.sent)
	return s
}

func (s *stage) sent(b []byte) error {
	m, err := wire.Parse(append([]byte(nil), b...))
	if err != nil {
		s.t.Errorf("%v in %q", err, b)
		return nil
	}
	res := m.(*sip.Response)
	s.mu.Lock()
	s.answers = append(s.answers, res)
	s.mu.Unlock()
	s.note(strconv.Itoa(res.StatusCode))
	return nil
}

func (s *stage) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, what)
}

// Check believes "Authorization: <name>", looks "later <name>" up, and
// challenges the rest.
func (s *stage) Check(_ *transport.Flow, req *sip.Request, _ *wire.Core, proxy bool, resume func(auth.Result)) (auth.Result, bool) {
	name := wire.Header(req, "Authorization")
	proven := auth.Result{Verdict: auth.Proven, Identity: auth.Identity{User: 1, Username: name, Domain: "example.com"}}
	switch name {
	case "":
		status, header := 401, "WWW-Authenticate"
		if proxy {
			status, header = 407, "Proxy-Authenticate"
		}
		return auth.Result{Verdict: auth.Challenge, Status: status, Headers: []sip.Header{wire.H(header, "Digest")}}, true
	case "banned":
		return auth.Result{Verdict: auth.Drop}, true
	case "disabled":
		return auth.Result{Verdict: auth.Refused, Status: 403}, true
	}
	if who, later := strings.CutPrefix(name, "later "); later {
		proven.Identity.Username = who
		if resume != nil {
			s.askLater(func() { resume(proven) })
			return auth.Result{}, false
		}
		found := make(chan auth.Result, 1)
		s.askLater(func() { found <- proven })
		return <-found, true
	}
	return proven, true
}

func (s *stage) askLater(answer func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookups = append(s.lookups, answer)
}

// lookUp answers the oldest question that the authenticator has open.
func (s *stage) lookUp() {
	s.mu.Lock()
	next := s.lookups[0]
	s.lookups = s.lookups[1:]
	s.mu.Unlock()
	next()
}

// service notes "name sender cseq" and then does what the stage says.
type service struct {
	*stage
	name string
}

func (v service) ServeSIP(r *Request) {
	who := v.name
	if r.Sender.Username != "" {
		who += " " + r.Sender.Username
	}
	v.note(who + " " + strconv.Itoa(int(r.CSeq)))
	v.handle(r)
}

// door knows one token.
type door struct{}

func (door) Claims(r *Request) bool {
	return strings.Contains(wire.Header(r.Request, "Route"), "token@")
}

// give lets a request arrive. head adds headers, or replaces those of the same
// name.
func (s *stage) give(line string, head ...string) {
	s.t.Helper()
	s.layer.Message(s.flow, s.request(line, head...))
}

func (s *stage) request(line string, head ...string) *sip.Request {
	s.t.Helper()
	method, _, _ := strings.Cut(line, " ")
	names := []string{"Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq"}
	values := map[string]string{
		"Via":          "SIP/2.0/TCP 198.51.100.7;branch=" + wire.NewBranch(),
		"Max-Forwards": "70",
		"From":         "<sip:alice@example.com>;tag=a",
		"To":           "<sip:bob@example.com>",
		"Call-ID":      "c1",
		"CSeq":         "1 " + method,
	}
	for _, h := range head {
		name, value, ok := strings.Cut(h, ": ")
		if !ok {
			continue
		}
		if _, ok := values[name]; !ok {
			names = append(names, name)
		}
		values[name] = value
	}
	text := line + " SIP/2.0\r\n"
	for _, n := range names {
		text += n + ": " + values[n] + "\r\n"
	}
	m, err := wire.Parse([]byte(text + "Content-Length: 0\r\n\r\n"))
	if err != nil {
		s.t.Fatal(err)
	}
	return m.(*sip.Request)
}

func (s *stage) expect(want ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.events, ", "); got != strings.Join(want, ", ") {
		s.t.Errorf("got:  %s\nwant: %s", got, strings.Join(want, ", "))
	}
}

// last is the header of the last answer.
func (s *stage) last(name string) string {
	if len(s.answers) == 0 {
		return ""
	}
	return wire.Header(s.answers[len(s.answers)-1], name)
}

var peer = netip.MustParseAddrPort("198.51.100.7:5060")

// link carries a flow to send.
type link func(b []byte) error

func (l link) Send(b []byte) error { return l(b) }
func (link) Open() bool            { return true }
func (link) Close(string)          {}

func flowTo(id uint64, over string, send link) *transport.Flow {
	return transport.NewFlow(&transport.Flow{ID: id, Transport: over, Remote: peer}, send)
}

package server

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

const (
	asAlice = "Authorization: alice"
	inside  = "To: <sip:bob@example.com>;tag=b"
	token   = "Route: <sip:token@example.com;lr>"
)

// Who asks what, and who answers: a status of the chain or the service that the
// request reached.
var chainCases = []struct {
	name string
	line string
	head []string
	want string
}{
	{"a user registers", "REGISTER sip:example.com", []string{asAlice}, "registrar alice 1"},
	{"a user registers elsewhere", "REGISTER sip:example.net", []string{asAlice}, "403"},
	{"a user writes to a user", "MESSAGE sip:bob@example.com", []string{asAlice}, "chat alice 1"},
	{"a user writes by an alias of the domain", "MESSAGE sip:bob@192.0.2.1:5061", []string{asAlice}, "chat alice 1"},
	{"a user writes by an IPv6 address", "MESSAGE sip:bob@[2001:db8::1]", []string{asAlice}, "chat alice 1"},
	{"a user writes in a dialog", "MESSAGE sip:bob@example.com", []string{asAlice, inside}, "chat alice 1"},
	{"a user calls a user", "INVITE sip:bob@example.com", []string{asAlice}, "proxy alice 1"},
	{"a user calls a number", "INVITE tel:+861012345678", []string{asAlice}, "proxy alice 1"},
	{"a user calls by way of us", "INVITE sip:bob@example.com", []string{asAlice, "Route: <sip:example.com;lr>"}, "proxy alice 1"},
	{"a user asks a user", "OPTIONS sip:bob@example.com", []string{asAlice}, "proxy alice 1"},
	{"a user uses his number", "INVITE sip:bob@example.com", []string{asAlice, "From: <sip:1001@example.com>;tag=a"}, "proxy alice 1"},
	{"a user uses his number as tel", "INVITE sip:bob@example.com", []string{asAlice, "From: <tel:1001>;tag=a"}, "proxy alice 1"},
	{"a user writes his name in capitals", "MESSAGE sip:bob@example.com", []string{asAlice, "From: <sip:ALICE@EXAMPLE.com>;tag=a"}, "chat alice 1"},
	{"a user escapes his name", "MESSAGE sip:bob@example.com", []string{asAlice, "From: <sip:%61lice@example.com>;tag=a"}, "chat alice 1"},
	{"a user calls another domain", "INVITE sip:bob@example.net", []string{asAlice}, "403"},
	{"a user subscribes", "SUBSCRIBE sip:bob@example.com", []string{asAlice, "Event: presence"}, "489"},
	{"a user publishes", "PUBLISH sip:alice@example.com", []string{asAlice, "Event: presence"}, "489"},

	// S2 of the test list: nothing unauthenticated reaches a user.
	{"a stranger registers", "REGISTER sip:example.com", nil, "401"},
	{"a stranger calls", "INVITE sip:bob@example.com", nil, "407"},
	{"a stranger writes", "MESSAGE sip:bob@example.com", nil, "401"},
	{"a stranger subscribes", "SUBSCRIBE sip:bob@example.com", nil, "401"},
	{"a stranger publishes", "PUBLISH sip:bob@example.com", nil, "401"},
	{"a stranger refers", "REFER sip:bob@example.com", nil, "407"},
	{"a stranger informs", "INFO sip:bob@example.com", nil, "407"},
	{"a stranger notifies", "NOTIFY sip:bob@example.com", nil, "407"},
	{"a stranger says BYE", "BYE sip:bob@example.com", []string{inside}, "407"},
	{"a stranger asks a user", "OPTIONS sip:bob@example.com", nil, "407"},
	{"a stranger invents a method", "FOO sip:bob@example.com", nil, "407"},
	{"a stranger cancels", "CANCEL sip:bob@example.com", nil, "481"},
	{"a stranger acknowledges", "ACK sip:bob@example.com", []string{inside}, ""},
	{"a disabled user", "MESSAGE sip:bob@example.com", []string{"Authorization: disabled"}, "403"},
	{"a banned address", "MESSAGE sip:bob@example.com", []string{"Authorization: banned"}, ""},

	// S3: From, and where others want us to send things.
	{"a user speaks for another", "MESSAGE sip:bob@example.com", []string{asAlice, "From: <sip:bob@example.com>;tag=a"}, "403"},
	{"a user speaks for another domain", "MESSAGE sip:bob@example.com", []string{asAlice, "From: <sip:alice@example.net>;tag=a"}, "403"},
	{"a user uses another's number", "INVITE sip:bob@example.com", []string{asAlice, "From: <sip:1002@example.com>;tag=a"}, "403"},
	{"a user speaks for nobody", "MESSAGE sip:bob@example.com", []string{asAlice, "From: <sip:example.com>;tag=a"}, "403"},
	{"outside for outside", "INVITE sip:x@example.net", []string{"From: <sip:y@example.org>;tag=a"}, "404"},
	{"outside for outside, registered", "REGISTER sip:example.net", []string{"From: <sip:y@example.net>;tag=a"}, "404"},
	{"a route that the sender made up", "INVITE sip:bob@example.com", []string{asAlice, "Route: <sip:example.com;lr>, <sip:evil.example.net;lr>"}, "403"},
	{"a stolen token without a dialog", "INVITE sip:bob@example.com", []string{token}, "407"},

	{"inside a dialog", "BYE sip:bob@198.51.100.9", []string{inside, token}, "proxy 1"},
	{"ACK inside a dialog", "ACK sip:bob@198.51.100.9", []string{inside, token}, "proxy 1"},
	{"a user inside a dialog whose route was lost", "BYE sip:bob@198.51.100.9", []string{asAlice, inside}, "proxy alice 1"},

	{"OPTIONS to the server", "OPTIONS sip:example.com", nil, "200"},
	{"OPTIONS to an address of the server", "OPTIONS sip:192.0.2.1:5060", nil, "200"},
	{"INVITE to the server", "INVITE sip:example.com", nil, "405"},
	{"an unknown method to the server", "FOO sip:example.com", nil, "501"},

	{"no hop left", "INVITE sip:bob@example.com", []string{asAlice, "Max-Forwards: 0"}, "483"},
	{"no hop left for OPTIONS", "OPTIONS sip:bob@example.net", []string{"Max-Forwards: 0"}, "200"},
	{"no hop left for ACK", "ACK sip:bob@example.com", []string{"Max-Forwards: 0", inside}, ""},

	{"the registrar knows outbound", "REGISTER sip:example.com", []string{asAlice, "Require: outbound, Path"}, "registrar alice 1"},
	{"the registrar lacks an extension", "REGISTER sip:example.com", []string{asAlice, "Require: outbound, frobnicate"}, "420"},
	{"Require is for the callee", "INVITE sip:bob@example.com", []string{asAlice, "Require: 100rel"}, "proxy alice 1"},
	{"Proxy-Require is for us", "INVITE sip:bob@example.com", []string{asAlice, "Proxy-Require: frobnicate"}, "420"},
	{"ACK and CANCEL require nothing", "CANCEL sip:bob@example.com", []string{"Proxy-Require: frobnicate"}, "481"},
}

func TestChain(t *testing.T) {
	for _, c := range chainCases {
		for _, over := range []string{"UDP", "TLS"} {
			t.Run(c.name+" over "+over, func(t *testing.T) {
				s := newStage(t, over, nil)
				s.give(c.line, c.head...)
				if c.want == "" {
					s.expect()
					return
				}
				s.expect(c.want)
			})
		}
	}
}

func TestWhatARefusalSays(t *testing.T) {
	for _, c := range []struct {
		line, head   string
		name, expect string
	}{
		{"OPTIONS sip:example.com", "", "Allow", "INVITE, .*MESSAGE.*"},
		{"OPTIONS sip:example.com", "", "Supported", "path, outbound, gruu"},
		{"OPTIONS sip:example.com", "", "Accept", ".*text/plain.*"},
		{"INVITE sip:example.com", "", "Allow", "INVITE, .*"},
		{"REGISTER sip:example.com", "Require: frobnicate", "Unsupported", "frobnicate"},
		{"REGISTER sip:example.com", "", "WWW-Authenticate", "Digest"},
		{"MESSAGE sip:bob@example.com", "From: <sip:bob@example.com>;tag=a\r\n" + asAlice, "Warning",
			`399 example.com "From must be your own address: use alice@example.com"`},
		{"INVITE sip:bob@example.net", asAlice, "Warning", `399 example.com "no route to other domains"`},
	} {
		s := newStage(t, "TLS", nil)
		s.give(c.line, strings.Split(c.head, "\r\n")...)
		if got := s.last(c.name); !regexp.MustCompile("^" + c.expect + "$").MatchString(got) {
			t.Errorf("%s: %s is %q", c.line, c.name, got)
		}
	}
}

// DESIGN.md law 6.
func TestPanicAnswers500(t *testing.T) {
	for _, begun := range []bool{false, true} {
		s := newStage(t, "UDP", nil)
		s.handle = func(r *Request) {
			if begun {
				r.Transaction()
			}
			panic("oh")
		}
		s.give("MESSAGE sip:bob@example.com", asAlice)
		s.give("MESSAGE sip:bob@example.com", asAlice, "CSeq: 2 MESSAGE")
		s.expect("chat alice 1", "500", "chat alice 2", "500")
		if got := s.last("Warning"); !regexp.MustCompile(`trace [0-9a-f]{16}"$`).MatchString(got) {
			t.Errorf("Warning: %s", got)
		}
		if n := s.server.counters.panics.Load(); n != 2 {
			t.Errorf("%d panics counted", n)
		}
	}
}

func TestPanicOfAListenerIsSurvived(t *testing.T) {
	told := false
	s := newStage(t, "TLS", func(c *Config) {
		c.Closed = []func(*transport.Flow){func(*transport.Flow) { panic("oh") }, func(*transport.Flow) { told = true }}
		c.Malformed = func(*transport.Flow, *wire.Error) { panic("oh") }
	})
	s.server.Closed(s.flow)
	s.server.Malformed(s.flow, nil)
	if n := s.server.counters.panics.Load(); n != 2 || !told {
		t.Errorf("%d panics counted, the next listener was told: %v", n, told)
	}
}

// DESIGN.md law 2: who pipelines is served in order, although the first sender
// has to be looked up.
func TestPipelineKeepsItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "TLS", nil)
		var want []string
		for i := range 200 {
			want = append(want, fmt.Sprint("chat alice ", i+1))
		}
		go func() {
			for i := range 200 {
				head := asAlice
				if i%50 == 0 {
					head = "Authorization: later alice"
				}
				s.give("MESSAGE sip:bob@example.com", head, fmt.Sprintf("CSeq: %d MESSAGE", i+1))
			}
		}()
		synctest.Wait()
		s.expect()
		for range 4 {
			s.lookUp()
			synctest.Wait()
		}
		s.expect(want...)
	})
}

// A CANCEL overtakes nothing: the connection waits with its INVITE.
func TestCancelWaitsForItsInvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "TLS", nil)
		s.handle = func(r *Request) {
			r.Transaction().OnCancel(func() { s.note("cancelled"); r.Reply(487, "") })
		}
		via := "Via: SIP/2.0/TLS 198.51.100.7;branch=z9hG4bKone"
		go func() {
			s.give("INVITE sip:bob@example.com", "Authorization: later alice", via)
			s.give("CANCEL sip:bob@example.com", via)
		}()
		synctest.Wait()
		s.expect()
		s.lookUp()
		synctest.Wait()
		s.expect("proxy alice 1", "200", "cancelled", "487")
	})
}

// A datagram waits for nobody.
func TestDatagramsDoNotWait(t *testing.T) {
	s := newStage(t, "UDP", nil)
	s.give("MESSAGE sip:bob@example.com", "Authorization: later alice")
	s.give("MESSAGE sip:bob@example.com", asAlice, "CSeq: 2 MESSAGE")
	s.expect("chat alice 2")
	s.lookUp()
	s.expect("chat alice 2", "chat alice 1")
}

// While a service thinks, what is repeated over UDP does not reach it again;
// over connections no state is kept for an answer that is given at once.
func TestStateOfServices(t *testing.T) {
	via := "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKone"
	for _, c := range []struct {
		over     string
		live     int
		repeated string
	}{{"UDP", 1, ""}, {"TLS", 0, "chat alice 1"}} {
		s := newStage(t, c.over, nil)
		s.give("MESSAGE sip:bob@example.com", asAlice, via)
		if n := s.layer.Live(); n != c.live {
			t.Errorf("%s: %d transactions", c.over, n)
		}
		s.events = nil
		s.give("MESSAGE sip:bob@example.com", asAlice, via)
		if got := strings.Join(s.events, ", "); got != c.repeated {
			t.Errorf("%s: the copy leads to %q", c.over, got)
		}
	}
}

// A REGISTER over UDP that is answered 200 at once leaves nothing behind; any
// other answer, and what waits for one, is absorbed by a transaction.
func TestStateOfRegister(t *testing.T) {
	for name, c := range map[string]struct {
		handle func(*Request)
		live   int
	}{
		"200":   {func(r *Request) { r.Reply(200, "") }, 0},
		"403":   {func(r *Request) { r.Reply(403, "") }, 1},
		"later": {func(r *Request) { r.Transaction() }, 1},
	} {
		s := newStage(t, "UDP", nil)
		s.handle = c.handle
		s.give("REGISTER sip:example.com", asAlice)
		if n := s.layer.Live(); n != c.live {
			t.Errorf("%s: %d transactions, want %d", name, n, c.live)
		}
	}
}

func TestTooManyTransactions(t *testing.T) {
	s := newStage(t, "UDP", nil)
	s.layer = transaction.New(transaction.Config{MaxTransactions: 1})
	t.Cleanup(s.layer.Close)
	s.layer.Serve(s.server)
	s.give("MESSAGE sip:bob@example.com", asAlice)
	s.give("MESSAGE sip:bob@example.com", asAlice, "CSeq: 2 MESSAGE")
	s.expect("chat alice 1", "503")
	if s.last("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestReplyError(t *testing.T) {
	for _, c := range []struct {
		err   error
		want  int
		retry bool
	}{
		{store.ErrNotFound, 404, false},
		{store.ErrInvalid, 400, false},
		{store.ErrConflict, 403, false},
		{fmt.Errorf("append: %w", store.ErrUnavailable), 503, true},
		{store.ErrUnknown, 500, true},
		{&Error{Status: 415}, 415, false},
		{fmt.Errorf("x: %w", &Error{Status: 423}), 423, false},
		{errors.New("secret"), 500, false},
	} {
		s := newStage(t, "TLS", nil)
		s.handle = func(r *Request) { r.ReplyError(c.err) }
		s.give("MESSAGE sip:bob@example.com", asAlice)
		s.expect("chat alice 1", strconv.Itoa(c.want))
		retry, err := strconv.Atoi(s.last("Retry-After"))
		if c.retry != (err == nil && retry >= 2 && retry <= 10) {
			t.Errorf("%v: Retry-After %q", c.err, s.last("Retry-After"))
		}
		if strings.Contains(s.last("Warning"), "secret") {
			t.Errorf("the warning leaks: %s", s.last("Warning"))
		}
	}
}

func TestTraceIDsGrow(t *testing.T) {
	var tr tracer
	last := ""
	for range 10000 {
		id := tr.next()
		if len(id) != 16 || id <= last {
			t.Fatalf("%q after %q", id, last)
		}
		last = id
	}
}

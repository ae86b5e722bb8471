package e2e

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// gateway is one of a carrier that keeps the numbers it was asked to call.
type gateway struct {
	*agent.Agent
	address string

	mu      sync.Mutex
	answers bool // it answers calls; it is busy otherwise
	asked   []string
	seen    map[string]bool // transactions: UDP may say it twice
}

// newGateway makes a trunk "telco" to a gateway of its own address. It leads
// wherever a class of service allows: by default China without its 900 numbers;
// carol may call Germany too. 110 is the emergency number.
func (s *server) newGateway(t *testing.T) *gateway {
	t.Helper()
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9), Port: freePort(t)}
	remote, err := net.ResolveUDPAddr("udp", s.addr("udp"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", local, remote)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{Agent: s.agentOn(t, "carrier", "udp", conn), address: local.String(), seen: map[string]bool{}}
	g.Handle(g.request)
	s.sparkle(t, "trunk", "add", "telco", "--gateway", "g="+g.address+"/udp", "--srtp", "forbid", "--network", "127.0.0.9/32",
		"--country", "86", "--area", "10", "--inward", "+86105555*=*", "--default", "+861055550000", "--emergency", "110")
	s.sparkle(t, "class", "set", "default", "--allow", "+86", "--deny", "+86900")
	s.sparkle(t, "class", "set", "germany", "--allow", "+86", "--allow", "+49")
	s.sparkle(t, "user", "calls", "carol", "--class", "germany")
	return g
}

func (g *gateway) request(m *agent.Message) (status, body string) {
	if m.Method() != "INVITE" {
		return "200 OK", ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if branch := agent.Param(m.Get("via"), "branch"); !g.seen[branch] {
		g.seen[branch] = true
		number, _, _ := strings.Cut(strings.TrimPrefix(m.URI(), "sip:"), "@")
		g.asked = append(g.asked, number)
	}
	if g.answers {
		return "200 OK", strings.ReplaceAll(agent.SDP, "127.0.0.1", "127.0.0.9")
	}
	return "486 Busy Here", ""
}

// take is what was called since the last time.
func (g *gateway) take() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	numbers := g.asked
	g.asked = nil
	return numbers
}

// want compares what the carrier was asked with one number, "" for none.
func (g *gateway) want(t *testing.T, number string) {
	t.Helper()
	got := g.take()
	if number == "" && len(got) > 0 || number != "" && !slices.Equal(got, []string{number}) {
		t.Errorf("the carrier was asked for %q, want %q", got, number)
	}
}

// denied is how many calls and transfers were denied so far.
func (s *server) denied(t *testing.T) float64 {
	return s.metric(t, "sparkle_call_denied_total") + s.metric(t, "sparkle_trunk_denied_total")
}

// Numbers in Germany and elsewhere as people hide them: what they are for somebody
// who may call Germany, and whether others are denied them by their class; what
// is neither is no number at all.
var hidden = []struct {
	written, abroad string
	class           bool
}{
	{"sip:+498912345@example.test", "+498912345", true},
	{"sip:00498912345@example.test;user=phone", "+498912345", true},
	{"sip:0049-89.123(45)@example.test", "+498912345", true},
	{"sip:%2B49%38912345@example.test", "+498912345", true},
	{"sip:%30%30498912345@example.test", "+498912345", true},
	{"sip:8912345;phone-context=+49@example.test", "+498912345", true},
	{"sip:+498912345;npdi;rn=+861012345678@example.test", "+498912345", true},
	{"tel:+49-89-12345", "+498912345", true},
	{"tel:8912345;phone-context=+49", "+498912345", true},
	{"sips:+498912345@example.test", "+498912345", true},
	{"sip:+19005550123@example.test", "", true},
	{"sip:0019005550123@example.test", "", true},
	{"sip:0900555123@example.test", "+86900555123", true},
	{"sip:+86900555123@example.test", "+86900555123", true},
	{"tel:8912345;phone-context=+1900", "", true},
	{"sip:01149891234@example.test", "", false}, // 011 is no prefix here
	{"sip:%252B498912345@example.test", "", false},
	{"sip:+498912345%00@example.test", "", false},
	{"sip:+49+8912345@example.test", "", false},
	{"sip:%0D%0A+498912345@example.test", "", false},
	{"sip:*21*00498912345%23@example.test", "", false},
	{"sip:+498912345@example.test.evil.example", "", false},
	{"sip:+498912345%40example.test@elsewhere.test", "", false},
}

// S15 of the security rows: whatever leads a call outside, who may not call there
// does not get there, and nobody gets there at the cost of another. Every denial
// is counted and logged.
func TestTollFraud(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"requests_per_address": "0"}
	mediaPorts(settings, 2000)
	s := startOffice(t, settings)
	g := s.newGateway(t)
	alice, bob, carol := s.newSpeaker(t, "alice", "tls", true), s.newSpeaker(t, "bob", "tls", true), s.newSpeaker(t, "carol", "tls", true)
	invite := func(p *speaker, uri string, headers ...string) int {
		d, err := p.Invite(short(t), &agent.Request{URI: uri, ContentType: "application/sdp", Body: p.offer(), Headers: headers})
		if err == nil {
			d.Bye(short(t))
			return 200
		}
		return statusOf(err)
	}
	const germany = "sip:+498912345@example.test"

	for _, n := range hidden {
		t.Run("dialled "+n.written, func(t *testing.T) {
			before := s.denied(t)
			status := invite(alice, n.written)
			if got := g.take(); n.class && len(got) > 0 {
				t.Errorf("the carrier was asked for %q", got)
			}
			if n.class && status != 403 || status < 400 {
				t.Errorf("answered %d", status)
			}
			if n.class && s.denied(t) == before {
				t.Error("not counted")
			}
			invite(carol, n.written)
			if n.class {
				g.want(t, n.abroad)
			} else {
				for _, number := range g.take() {
					if strings.HasPrefix(number, "+49") || strings.HasPrefix(number, "0") {
						t.Errorf("the carrier was asked for %s", number)
					}
				}
			}
		})
	}
	s.wantInLog(t, "a call to a carrier was denied")

	t.Run("claims in headers", func(t *testing.T) {
		for _, header := range []string{
			"P-Asserted-Identity: <sip:carol@example.test>", "P-Preferred-Identity: <sip:carol@example.test>",
			"Remote-Party-ID: <sip:carol@example.test>", "Diversion: <sip:carol@example.test>;reason=unconditional",
			"History-Info: <sip:carol@example.test>;index=1", "Referred-By: <sip:carol@example.test>",
			"X-Class: germany", "P-Charging-Vector: icid-value=1", "Route: <sip:" + g.address + ";lr>",
			"Route: <sip:" + s.addr("udp") + ";lr>, <sip:" + g.address + ";lr>",
		} {
			if status := invite(alice, germany, header); status < 400 {
				t.Errorf("%s: answered %d", header, status)
			}
			g.want(t, "")
		}
	})
	t.Run("the gateway itself", func(t *testing.T) {
		for _, uri := range []string{"sip:+498912345@" + g.address, "sip:+498912345@127.0.0.9", "sip:" + g.address, "sip:+498912345@example.test;maddr=127.0.0.9",
			"sip:bob@example.test;maddr=127.0.0.9"} {
			if status := invite(alice, uri); strings.HasPrefix(uri, "sip:+") && status < 400 {
				t.Errorf("%s: answered %d", uri, status)
			}
			g.want(t, "")
		}
	})
	t.Run("a device at the gateway", func(t *testing.T) {
		for i, headers := range [][]string{
			{"Contact: <sip:+498912345@" + g.address + ">;expires=60"},
			{"Contact: <sip:+498912345@" + g.address + ";transport=udp>;expires=60"},
			{"Contact: <sip:+498912345@" + g.address + ">;expires=60"},
			{"Contact: <tel:+498912345>;expires=60"},
			{"Contact: " + alice.Contact() + ";expires=60", "Path: <sip:" + g.address + ";lr>", "Supported: path"},
		} {
			phone := s.agent(t, "alice", []string{"udp", "tcp", "tls"}[i%3])
			res, err := phone.Do(short(t), &agent.Request{Method: "REGISTER", URI: "sip:example.test", To: "<sip:alice@example.test>", Headers: headers})
			if err != nil {
				t.Fatal(err)
			}
			if res.Status() >= 500 {
				t.Errorf("%q: %s", headers, res.Start)
			}
			invite(bob, "sip:alice@example.test")
			g.want(t, "")
			phone.Close()
		}
		if _, err := alice.Register(short(t), 600); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("other methods", func(t *testing.T) {
		for _, method := range []string{"MESSAGE", "SUBSCRIBE", "OPTIONS", "INFO", "REFER", "PUBLISH", "NOTIFY"} {
			ctx := short(t)
			alice.Do(ctx, &agent.Request{Method: method, URI: germany, Headers: []string{"Event: presence", "Refer-To: <" + germany + ">"}})
		}
		g.want(t, "")
	})

	t.Run("redirection", func(t *testing.T) {
		phone := s.agent(t, "bob", "tls")
		bob.Register(short(t), 0)
		defer bob.Register(short(t), 600)
		for _, n := range hidden {
			phone.Handle(func(m *agent.Message) (string, string) {
				if m.Method() == "INVITE" {
					return "302 Moved Temporarily\r\nContact: <" + n.written + ">", ""
				}
				return "200 OK", ""
			})
			if _, err := phone.Register(short(t), 600); err != nil {
				t.Fatal(err)
			}
			before := s.denied(t)
			status := invite(carol, "sip:bob@example.test") // who might call there herself
			if got := g.take(); n.class && len(got) > 0 || status < 400 {
				t.Errorf("%s: answered %d, the carrier was asked for %q", n.written, status, got)
			}
			if n.class && s.denied(t) == before {
				t.Errorf("%s: not counted", n.written)
			}
		}
		phone.Register(short(t), 0)
	})
	t.Run("forward", func(t *testing.T) {
		for _, way := range []string{"always", "busy", "no-answer", "offline"} {
			flag := "--forward-" + way
			for _, number := range []string{"+498912345", "00498912345", "tel:+49-89-12345", "0019005550123"} {
				s.sparkle(t, "user", "calls", "bob", flag, number)
				switch way {
				case "busy":
					bob.Handle(func(*agent.Message) (string, string) { return "486 Busy Here", "" })
				case "no-answer":
					bob.Handle(func(*agent.Message) (string, string) { return "480 Temporarily Unavailable", "" })
				case "offline":
					bob.Register(short(t), 0)
				}
				before := s.denied(t)
				if status := invite(carol, "sip:bob@example.test"); status < 400 {
					t.Errorf("%s %s: answered %d", way, number, status)
				}
				g.want(t, "")
				if s.denied(t) == before {
					t.Errorf("%s %s: not counted", way, number)
				}
				bob.Handle(bob.request)
				bob.Register(short(t), 600)
			}
			s.sparkle(t, "user", "calls", "bob", flag, "off")
		}
		s.sparkle(t, "user", "calls", "carol", "--forward-always", "+498912345") // she may, and pays
		invite(alice, "sip:carol@example.test")
		g.want(t, "+498912345")
		s.sparkle(t, "user", "calls", "carol", "--lock")
		invite(alice, "sip:carol@example.test")
		g.want(t, "")
		s.sparkle(t, "user", "calls", "carol", "--lock=false", "--forward-always", "off")
	})
	t.Run("hunt group", func(t *testing.T) {
		s.sparkle(t, "hunt", "add", "sales", "--member", "+498912345", "--member", "0019005550123", "--overflow", "+498912345")
		if status := invite(carol, "sip:sales@example.test"); status < 400 {
			t.Errorf("answered %d", status)
		}
		g.want(t, "")
		s.sparkle(t, "hunt", "remove", "sales")
	})
	t.Run("transfer", func(t *testing.T) {
		var mu sync.Mutex
		var seen []string
		bob.Handle(func(m *agent.Message) (string, string) {
			if m.Method() == "REFER" {
				mu.Lock()
				seen = append(seen, m.Start+" "+m.Get("refer-to"))
				mu.Unlock()
			}
			return bob.request(m)
		})
		d := alice.call(t, "bob")
		for _, n := range hidden {
			if !n.class {
				continue
			}
			res, err := d.Do(short(t), &agent.Request{Method: "REFER", Headers: []string{"Refer-To: <" + n.written + ">"}})
			if err != nil || res.Status() != 403 {
				t.Errorf("%s: %v %v", n.written, res, err)
			}
			out, err := alice.Do(short(t), &agent.Request{Method: "REFER", URI: "sip:bob@example.test", Headers: []string{"Refer-To: <" + n.written + ">"}})
			if err != nil || out.Status() < 300 {
				t.Errorf("%s outside of a call: %v %v", n.written, out, err)
			}
		}
		for _, refer := range []string{"<tel:+49-89-12345>, <sip:bob@example.test>", `"x" <sip:+498912345@example.test?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>`, "<sip:+498912345@example.test;method=INVITE>"} {
			res, err := d.Do(short(t), &agent.Request{Method: "REFER", Headers: []string{"Refer-To: " + refer}})
			if err != nil || res.Status() < 400 {
				t.Errorf("%s: %v %v", refer, res, err)
			}
		}
		if err := d.Bye(short(t)); err != nil { // on its flow behind every REFER
			t.Error(err)
		}
		bob.Handle(bob.request)
		mu.Lock()
		defer mu.Unlock()
		if len(seen) > 0 {
			t.Errorf("bob's phone was asked to call %q", seen)
		}
		g.want(t, "")
	})
	t.Run("through the carrier", func(t *testing.T) {
		for _, n := range hidden { // nobody here answers for a carrier's call
			invite := &agent.Request{Method: "INVITE", URI: n.written, ContentType: "application/sdp", Body: strings.ReplaceAll(agent.SDP, "127.0.0.1", "127.0.0.9"),
				Headers: []string{"P-Asserted-Identity: <sip:carol@example.test>", "Diversion: <sip:carol@example.test>", "Referred-By: <sip:carol@example.test>"}}
			res, err := g.Do(short(t), invite)
			if err != nil || res.Status() < 400 {
				t.Errorf("%s: %v %v", n.written, res, err)
			}
			g.want(t, "")
		}
	})
	t.Run("by a stranger", func(t *testing.T) {
		for _, transport := range []string{"udp", "tcp", "tls"} {
			stranger := s.agentOn(t, "carol", transport, s.dialFrom(t, transport, "127.0.0.67"))
			stranger.Password = "guess"
			for _, uri := range []string{germany, "sip:110@example.test", "sip:+8610555501@example.test"} {
				res, err := stranger.Do(short(t), &agent.Request{Method: "INVITE", URI: uri, ContentType: "application/sdp", Body: agent.SDP})
				if err == nil && res.Status() < 400 {
					t.Errorf("%s: answered %q", uri, res.Start)
				}
			}
			g.want(t, "")
		}
	})
	t.Run("click to call", func(t *testing.T) {
		before := s.denied(t)
		if _, err := s.try("call", "dial", "alice", "+498912345"); err == nil {
			eventually(t, limit, "it is denied", func() bool { return s.denied(t) > before })
		}
		g.want(t, "")
		s.sparkle(t, "call", "dial", "carol", "+498912345")
		var got []string
		eventually(t, limit, "carol is connected", func() bool { got = append(got, g.take()...); return len(got) > 0 })
		if got[0] != "+498912345" {
			t.Errorf("the carrier was asked for %q", got)
		}
	})
	eventually(t, limit, "no call is left", func() bool { return s.metric(t, "sparkle_call_live") == 0 })
	s.allReturned(t)
	s.unharmed(t)
	if out := s.sparkle(t, "call", "export"); !strings.Contains(out, "+498912345") || strings.Count(out, "\n") < 3*len(hidden) {
		t.Errorf("not every attempt left a record: %d lines", strings.Count(out, "\n"))
	}
}

// A lock, an hour's worth of calls and calls at the same time are limits of every
// way outside; an emergency call passes them all (S21).
func TestCallLimits(t *testing.T) {
	t.Parallel()
	settings := map[string]string{}
	mediaPorts(settings, 500)
	s := startOffice(t, settings)
	g := s.newGateway(t)
	alice := s.newSpeaker(t, "alice", "tls", true)
	bob := s.newSpeaker(t, "bob", "tls", true)
	dial := func(p *speaker, number string) (*agent.Dialog, int) {
		d, err := p.Invite(short(t), &agent.Request{URI: "sip:" + number + "@example.test", ContentType: "application/sdp", Body: p.offer()})
		if err != nil {
			return nil, statusOf(err)
		}
		return d, 200
	}
	const beijing = "01012345678"

	s.sparkle(t, "user", "calls", "alice", "--lock")
	if _, status := dial(alice, beijing); status != 403 {
		t.Errorf("locked: %d", status)
	}
	g.want(t, "")
	for _, uri := range []string{"sip:110@example.test", "tel:110;phone-context=example.test", "sip:%31%31%30@example.test", "sip:110@example.test;user=phone"} {
		_, err := alice.Invite(short(t), &agent.Request{URI: uri, ContentType: "application/sdp", Body: alice.offer()})
		if got := g.take(); len(got) != 1 || got[0] != "110" || statusOf(err) != 486 {
			t.Errorf("%s: the carrier was asked for %q, %v", uri, got, err)
		}
	}
	for _, uri := range []string{"sip:110012345678@example.test", "sip:0110@example.test", "sip:110;phone-context=+49@example.test", "sip:110%2349@example.test"} {
		alice.Invite(short(t), &agent.Request{URI: uri, ContentType: "application/sdp", Body: alice.offer()})
		g.want(t, "") // looks like one
	}
	s.sparkle(t, "user", "calls", "alice", "--lock=false")

	s.sparkle(t, "class", "set", "default", "--calls-per-hour", "3")
	for i := range 5 {
		_, status := dial(bob, beijing)
		if want := map[bool]int{true: 486, false: 403}[i < 3]; status != want {
			t.Errorf("call %d of this hour: %d, want %d", i+1, status, want)
		}
	}
	if got := g.take(); len(got) != 3 {
		t.Errorf("the carrier was asked for %q", got)
	}
	s.sparkle(t, "user", "calls", "bob", "--forward-always", beijing) // his hour, whoever calls
	if _, status := dial(alice, "bob"); status < 400 {
		t.Errorf("forwarded: %d", status)
	}
	g.want(t, "")
	dial(bob, "110")
	g.want(t, "110")
	s.sparkle(t, "user", "calls", "bob", "--forward-always", "off")

	s.sparkle(t, "class", "set", "default", "--calls-per-hour", "0", "--max-calls", "2")
	g.mu.Lock()
	g.answers = true
	g.mu.Unlock()
	var live []*agent.Dialog
	for range 4 {
		if d, _ := dial(alice, beijing); d != nil {
			live = append(live, d)
		}
	}
	if got := g.take(); len(got) != 2 || len(live) != 2 {
		t.Errorf("%d calls at the same time: %q", len(live), got)
	}
	d, status := dial(alice, "110")
	if g.want(t, "110"); status != 200 {
		t.Errorf("emergency call beyond the limit: %d", status)
	} else {
		live = append(live, d)
	}
	s.sparkle(t, "class", "set", "default", "--max-calls", "0")
	s.sparkle(t, "trunk", "change", "telco", "--max-out", "3")
	if _, status := dial(bob, beijing); status < 500 {
		t.Errorf("the trunk is full: %d", status)
	}
	g.want(t, "")
	d, status = dial(bob, "110")
	if g.want(t, "110"); status != 200 {
		t.Errorf("emergency call by a full trunk: %d", status)
	} else {
		live = append(live, d)
	}
	for _, d := range live {
		if err := d.Bye(short(t)); err != nil {
			t.Error(err)
		}
	}
	for _, reason := range []string{"locked", "user_hour", "user_calls", "trunk_calls"} {
		if s.metric(t, fmt.Sprintf("sparkle_trunk_denied_total{reason=%q}", reason)) == 0 {
			t.Errorf("%s was not counted", reason)
		}
	}
	s.wantInLog(t, "an emergency call")
	s.allReturned(t)
	s.unharmed(t)
}

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// 200,000 datagrams of noise, of half messages and of strangers' requests from
// 500 addresses: the chat of others goes on, nothing is kept of it, and no more
// is sent back than came (a server must not help to attack a forged source).
func TestGarbageDatagrams(t *testing.T) {
	s := startOffice(t, nil)
	chat := s.keepChatting(t, "alice", "bob")
	before := s.resident(t)
	var senders sync.WaitGroup
	const sources, each = 500, 400
	for part := range 2 {
		senders.Go(func() {
			for source := part; source < sources; source += 2 {
				s.spray(t, fmt.Sprintf("127.1.%d.%d", source/200, 1+source%200), each)
			}
		})
	}
	senders.Wait()
	chat.end(t)
	in, out := s.metric(t, `sparkle_transport_bytes_total{direction="in",transport="UDP"}`), s.metric(t, `sparkle_transport_bytes_total{direction="out",transport="UDP"}`)
	grown := s.resident(t) - before
	t.Logf("%.0f MB heard, %.0f MB answered, %.0f MB of memory more", in/1e6, out/1e6, grown)
	if in == 0 || out > 1.5*in {
		t.Errorf("%.0f bytes answered to %.0f", out, in)
	}
	if limit := 64 * raceFactor(); grown > limit {
		t.Errorf("%.0f MB of memory more, want at most %.0f", grown, limit)
	}
	s.stillServes(t)
}

// spray sends n datagrams of every kind of garbage from one address.
func (s *server) spray(t *testing.T, ip string, n int) {
	conn := s.dialFrom(t, "udp", ip)
	defer conn.Close()
	random := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%32s", ip))))
	noise := make([]byte, 1200)
	for i := range n {
		random.Read(noise)
		b := noise[:1+rand.IntN(len(noise)-1)]
		whole := strangersRequest("MESSAGE", "UDP", fmt.Sprint(ip, i), s.Ready.Domain)
		switch i % 5 {
		case 0: // noise
		case 1: // STUN binding request
			copy(noise, "\x00\x01\x00\x00\x21\x12\xa4\x42")
			b = noise[:20]
		case 2: // half a message
			b = whole[:rand.IntN(len(whole))]
		case 3: // noise in a message
			b = bytes.Replace(whole, []byte("tag="), noise[:40], 1)
		case 4:
			b = whole
		}
		conn.Write(b) // a full buffer or a refusal is the server's business
	}
}

// Requests of every method by somebody whom nobody knows are refused, and no
// user sees anything of them.
func TestStrangers(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	var seen atomic.Int64
	for _, user := range []string{"alice", "bob"} {
		phone := s.agent(t, user, "tls")
		phone.OnRequest = func(*agent.Message) (string, string) {
			seen.Add(1)
			return "200 OK", ""
		}
		if _, err := phone.Register(short(t), 600); err != nil {
			t.Fatal(err)
		}
	}
	for _, transport := range []string{"udp", "tcp", "tls"} {
		for _, method := range []string{"REGISTER", "INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "NOTIFY", "REFER", "INFO", "UPDATE", "PRACK", "BYE", "CANCEL", "DANCE"} {
			t.Run(transport+" "+method, func(t *testing.T) {
				b := strangersRequest(method, strings.ToUpper(transport), "stranger"+agent.NewID(), s.Ready.Domain)
				b = bytes.Replace(b, []byte(method+" sip:"), []byte(method+" sip:bob@"), 1)
				if got := s.ask(t, transport, b, false); !slices.Contains([]int{401, 403, 405, 407, 481, 501}, got) {
					t.Errorf("answered %d", got)
				}
			})
		}
	}
	if n := seen.Load(); n > 0 {
		t.Errorf("users got %d requests of strangers", n)
	}
}

// tap keeps what an agent writes, and may change it on its way.
type tap struct {
	net.Conn
	change func([]byte) []byte

	mu   sync.Mutex
	sent [][]byte
}

func (c *tap) Write(b []byte) (int, error) {
	out := bytes.Clone(b)
	if c.change != nil {
		out = c.change(out)
	}
	c.mu.Lock()
	c.sent = append(c.sent, out)
	c.mu.Unlock()
	_, err := c.Conn.Write(out)
	return len(b), err
}

// last is the last request with credentials.
func (c *tap) last(t *testing.T) []byte {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range slices.Backward(c.sent) {
		if bytes.Contains(b, []byte("uthorization: Digest")) {
			return b
		}
	}
	t.Fatal("nothing with credentials was sent")
	return nil
}

// Who has proved to be alice does not speak for bob, and does not register
// devices for him.
func TestForgedIdentity(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	bob := s.agent(t, "bob", "tls")
	var seen atomic.Int64
	bob.OnRequest = func(*agent.Message) (string, string) {
		seen.Add(1)
		return "200 OK", ""
	}
	if _, err := bob.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"udp", "tcp", "tls"} {
		for name, forge := range map[string]struct{ method, old, new string }{
			"From of a user":       {"MESSAGE", "From: <sip:alice@", "From: <sip:bob@"},
			"From of nobody":       {"MESSAGE", "From: <sip:alice@", "From: <sip:boss@"},
			"From elsewhere":       {"MESSAGE", "From: <sip:alice@example.test", "From: <sip:alice@elsewhere.test"},
			"To of REGISTER":       {"REGISTER", "To: <sip:alice@", "To: <sip:bob@"},
			"From of REGISTER":     {"REGISTER", "From: <sip:alice@", "From: <sip:bob@"},
			"both of REGISTER":     {"REGISTER", "<sip:alice@example.test>", "<sip:bob@example.test>"},
			"number with a letter": {"MESSAGE", "From: <sip:alice@", "From: <sip:Alice%00@"},
		} {
			t.Run(transport+" "+name, func(t *testing.T) {
				conn := &tap{Conn: s.dialFrom(t, transport, "127.0.0.1")}
				alice := s.agentOn(t, "alice", transport, conn)
				if _, err := alice.Register(short(t), 600); err != nil {
					t.Fatal(err)
				}
				conn.change = func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(forge.old), []byte(forge.new)) }
				var res *agent.Message
				var err error
				if forge.method == "MESSAGE" {
					res, err = alice.Message(short(t), "bob", "forged")
				} else {
					res, err = alice.Register(short(t), 600)
				}
				if err == nil {
					t.Errorf("answered %q", res.Start)
				}
			})
		}
	}
	if n := seen.Load(); n > 0 {
		t.Errorf("bob got %d forged messages", n)
	}
	if out := s.sparkle(t, "device", "list", "bob"); strings.Count(out, "\n") != 2 {
		t.Errorf("bob's devices:\n%s", out)
	}
}

// Credentials that somebody has overheard are good for nothing: not again, not
// for another method or URI, not with another text.
func TestReplayedDigest(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	conn := &tap{Conn: s.dialFrom(t, "udp", "127.0.0.1")}
	alice := s.agentOn(t, "alice", "udp", conn)
	for name, replay := range map[string]func(b []byte) []byte{
		"same": func(b []byte) []byte { return b },
		"other text": func(b []byte) []byte {
			return bytes.Replace(b, []byte("pay Bob"), []byte("pay Eve"), 1)
		},
		"other method": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("MESSAGE"), []byte("PUBLISH")) },
		"other URI": func(b []byte) []byte {
			return bytes.Replace(b, []byte("MESSAGE sip:bob@"), []byte("MESSAGE sip:eve@"), 1)
		},
		"other URI in both": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("sip:bob@"), []byte("sip:eve@")) },
		"next count":        func(b []byte) []byte { return bytes.Replace(b, []byte("nc=00000001"), []byte("nc=00000002"), 1) },
		"other user":        func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("alice"), []byte("carol")) },
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := alice.Message(short(t), "bob", "pay Bob"); err != nil {
				t.Fatal(err)
			}
			accepted := s.metric(t, "sparkle_chat_accepted_total")
			b := replay(conn.last(t))
			for _, transport := range []string{"udp", "tcp", "tls"} {
				b := bytes.ReplaceAll(b, []byte("SIP/2.0/UDP"), []byte("SIP/2.0/"+strings.ToUpper(transport)))
				for _, id := range []string{"Call-ID: ", "branch=z9hG4bK"} { // a new request
					b = bytes.Replace(b, []byte(id), []byte(id+agent.NewID()), 1)
				}
				if got := s.ask(t, transport, b, false); got != 401 && got != 407 && got != 400 {
					t.Errorf("%s: answered %d", transport, got)
				}
			}
			if now := s.metric(t, "sparkle_chat_accepted_total"); now != accepted {
				t.Errorf("%v messages were accepted", now-accepted)
			}
		})
	}
}

// Who guesses passwords is ignored after a few; the real user's connection from
// the same address goes on, and so does he from another address.
func TestPasswordGuessing(t *testing.T) {
	t.Parallel()
	s := startOffice(t, map[string]string{"ban_failures": "10"})
	chat := s.keepChatting(t, "alice", "bob") // proven, and of the address that will be banned
	guesses := 0
	for ; guesses < 50; guesses++ {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := s.guess(ctx, "alice", guesses)
		cancel()
		if err == nil {
			t.Fatal("a wrong password was right")
		}
		if s.metric(t, "sparkle_auth_bans_total") > 0 {
			break
		}
	}
	if guesses > 20 {
		t.Errorf("%d guesses before the ban", guesses)
	}
	for _, transport := range []string{"udp", "tcp", "tls"} {
		if conn, err := net.Dial(map[bool]string{true: "udp", false: "tcp"}[transport == "udp"], s.addr(transport)); err == nil {
			conn.Write(strangersRequest("OPTIONS", strings.ToUpper(transport), "banned", s.Ready.Domain))
			conn.SetReadDeadline(time.Now().Add(time.Second))
			if n, _ := conn.Read(make([]byte, 1)); n > 0 {
				t.Errorf("%s: a banned address is answered", transport)
			}
			conn.Close()
		}
	}
	elsewhere := s.agentOn(t, "alice", "tls", s.dialFrom(t, "tls", "127.0.0.2"))
	if _, err := elsewhere.Register(short(t), 600); err != nil {
		t.Errorf("the real user from another address: %v", err)
	}
	if _, err := elsewhere.Message(short(t), "bob", "it is me"); err != nil {
		t.Errorf("the real user from another address: %v", err)
	}
	chat.end(t)
}

// guess tries a password.
func (s *server) guess(ctx context.Context, user string, n int) error {
	a, err := agent.Dial(agent.Config{Server: s.addr("udp"), Transport: "udp", Domain: s.Ready.Domain, User: user, Password: fmt.Sprint("guess", n)})
	if err != nil {
		return err
	}
	defer a.Close()
	_, err = a.Register(ctx, 60)
	return err
}

// varying is what differs between any two answers.
var varying = regexp.MustCompile(`(nonce="|tag=|branch=|Call-ID: |Via: |rport=|User-Agent: )[^",;\r\n]*|(alice|nobody)`)

// Nobody finds out who exists: an unknown user, a disabled one and one who is
// away get the answer of one who is there.
func TestUserEnumeration(t *testing.T) {
	t.Parallel()
	s := startOffice(t, map[string]string{"ban_failures": "0"})
	s.sparkle(t, "user", "disable", "carol")
	bob := s.agent(t, "bob", "tls")
	if _, err := bob.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"udp", "tls"} {
		for _, method := range []string{"REGISTER", "MESSAGE", "INVITE", "OPTIONS", "SUBSCRIBE"} {
			for _, credentials := range []string{"", wrongCredentials} {
				answers := map[string]string{}
				for _, user := range []string{"alice", "bobby", "carol", "bob"} { // away, unknown, disabled, there
					answers[user] = s.probe(t, transport, method, user, credentials)
				}
				for user, answer := range answers {
					if want := answers["bobby"]; answer != want {
						t.Errorf("%s %s %.8s: %s is answered\n%s\nwho does not exist\n%s", transport, method, credentials, user, answer, want)
					}
				}
			}
		}
	}
}

// wrongCredentials answer a challenge that we never made.
const wrongCredentials = `Digest username="%[1]s",realm="example.test",nonce="%[2]s",uri="sip:%[1]s@example.test",algorithm=SHA-256,qop=auth,nc=00000001,cnonce="x",response="` +
	`0000000000000000000000000000000000000000000000000000000000000000"`

// probe asks for a user, with wrong credentials of his on the server's own
// challenge if any, and returns the answer without what always differs.
func (s *server) probe(t *testing.T, transport, method, user, credentials string) string {
	t.Helper()
	conn := s.dialRaw(t, transport)
	defer conn.Close()
	r := bufio.NewReader(conn)
	exchange := func(authorization string) *agent.Message {
		b := strangersRequest(method, strings.ToUpper(transport), "probe"+agent.NewID(), s.Ready.Domain)
		b = bytes.ReplaceAll(b, []byte("bob@"), []byte(user+"@"))
		b = bytes.ReplaceAll(b, []byte("alice@"), []byte(user+"@"))
		b = bytes.Replace(b, []byte(method+" sip:"), []byte(method+" sip:"+user+"@"), 1)
		b = bytes.Replace(b, []byte("Content-Length"), []byte(authorization+"Content-Length"), 1)
		conn.Write(b)
		conn.SetReadDeadline(time.Now().Add(limit))
		for {
			m, err := readAny(conn, r, transport)
			if err != nil {
				t.Fatalf("%s %s %s: %v", transport, method, user, err)
			}
			if m.Status() > 100 {
				return m
			}
		}
	}
	m := exchange("")
	if name, nonce := challengeOf(m); credentials != "" && name != "" {
		m = exchange(name + ": " + fmt.Sprintf(credentials, user, nonce) + "\r\n")
	}
	text := bytes.ReplaceAll(m.Bytes(), []byte(user), []byte("USER"))
	return string(varying.ReplaceAll(text, []byte("$1")))
}

// challengeOf is the name of the header that answers a challenge, and its nonce.
func challengeOf(m *agent.Message) (name, nonce string) {
	if v := m.Get("www-authenticate"); v != "" {
		return "Authorization", agent.Param(strings.TrimPrefix(v, "Digest "), "nonce")
	}
	if v := m.Get("proxy-authenticate"); v != "" {
		return "Proxy-Authorization", agent.Param(strings.TrimPrefix(v, "Digest "), "nonce")
	}
	return "", ""
}

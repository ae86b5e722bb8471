package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// silence is the verdict on a message that is owed no answer.
const silence = 0

// understood are the answers to a stranger's request that was parsed as meant:
// challenged, or refused for what it asks.
var understood = []int{401, 403, 404, 405, 407, 481, 489, 501}

// RFC 4475 §3: what the running server answers to a stranger.
var torture = map[string][]int{
	"wsinv": understood, "intmeth": understood, "esc01": understood, "escnull": understood, "esc02": understood,
	"lwsdisp": understood, "longreq": understood, "dblreq": understood, "semiuri": understood,
	"transports": understood, "mpart01": understood, "unreason": {silence}, "noreason": {silence},

	"badinv01": {400}, "clerr": {400}, "ncl": {400}, "scalar02": {400}, "scalarlg": {silence}, "quotbal": {400},
	"ltgtruri": {400}, "lwsruri": {400}, "lwsstart": {400}, "trws": {400}, "escruri": {400}, "baddate": understood,
	"regbadct": {400, 401, 403, 404}, "badaspec": {400}, "baddn": {400}, "badvers": {505}, "mismatch01": {400},
	"mismatch02": {400, 501}, "bigcode": {silence},

	"badbranch": {400}, "insuf": {400}, "unkscm": {416}, "novelsc": {416}, "unksm2": {400, 401, 403, 404},
	"bext01": {420}, "invut": understood, "regaut01": {401, 403, 404}, "multi01": {400}, "mcl01": {400},
	"bcast": {silence}, "zeromf": {483, 200}, "cparam01": understood, "cparam02": understood, "regescrt": understood,
	"sdp01": understood, "inv2543": understood,
}

// streamTorture are the verdicts that differ where a message has no datagram to
// end it: clerr lacks octets of its body, baddn its empty line.
var streamTorture = map[string][]int{"clerr": {silence}, "baddn": {silence}}

// All 49 messages of RFC 4475 over UDP, TCP and TLS: the right answer for each,
// and the server serves its users as before.
func TestTorture(t *testing.T) {
	s := startServer(t)
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			for name, want := range torture {
				if w, ok := streamTorture[name]; ok && transport != "udp" {
					want = w
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					s.torture(t, transport, name, want)
				})
			}
		})
	}
	s.stillServes(t)
}

func (s *server) torture(t *testing.T, transport, name string, want []int) {
	b, err := os.ReadFile(filepath.Join("../../../testdata/wire/rfc4475", name+".dat"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.ask(t, transport, b, slices.Contains(want, silence)); !slices.Contains(want, got) {
		t.Errorf("answered %d, want one of %v", got, want)
	}
}

// stillServes chats from one user to another.
func (s *server) stillServes(t *testing.T) {
	t.Helper()
	bob := s.recorder(t, "bob", "urn:uuid:00000000-0000-4000-8000-00000000beef")
	alice := s.agent(t, "alice", "tls")
	if _, err := alice.Message(short(t), "bob", "still there?"); err != nil {
		t.Fatal(err)
	}
	eventually(t, limit, "the server still serves", func() bool { return bob.has("still there?") })
}

// ask sends raw bytes on a connection of their own and returns the status of
// the first answer above 100, silence when there is none. quiet tells that none
// is expected: then it waits only so long that an answer would have come.
func (s *server) ask(t *testing.T, transport string, b []byte, quiet bool) int {
	t.Helper()
	conn := s.dialRaw(t, transport)
	defer conn.Close()
	conn.Write(b) // what is too large may be refused before it is all sent
	wait := limit
	if quiet {
		wait = time.Second
	}
	conn.SetReadDeadline(time.Now().Add(wait))
	r := bufio.NewReader(conn)
	for {
		m, err := readAny(conn, r, transport)
		if err != nil {
			return silence
		}
		if m.Status() > 100 {
			return m.Status()
		}
	}
}

func (s *server) dialRaw(t *testing.T, transport string) net.Conn {
	t.Helper()
	var conn net.Conn
	var err error
	if transport == "tls" {
		conn, err = tls.Dial("tcp", s.addr("tls"), &tls.Config{InsecureSkipVerify: true})
	} else {
		conn, err = net.Dial(transport, s.addr(transport))
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func readAny(conn net.Conn, r *bufio.Reader, transport string) (*agent.Message, error) {
	if transport != "udp" {
		return agent.ReadMessage(r)
	}
	buf := make([]byte, 65535)
	n, err := conn.Read(buf)
	if err != nil {
		return nil, err
	}
	return agent.ParseDatagram(buf[:n])
}

// What a proven user sends through smuggled headers reaches nobody, and does
// not become another user's identity.
func TestSmuggling(t *testing.T) {
	s := startServer(t)
	bob := s.agent(t, "bob", "tls")
	var seen []*agent.Message
	got := make(chan *agent.Message, 100)
	bob.OnRequest = func(m *agent.Message) (string, string) {
		got <- m
		return "200 OK", ""
	}
	if _, err := bob.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	const identity = "P-Asserted-Identity: <sip:boss@evil.example>"
	for name, header := range map[string]string{
		"plain":          identity,
		"blank before":   "P-Asserted-Identity : <sip:boss@evil.example>",
		"tab before":     "P-Asserted-Identity\t: <sip:boss@evil.example>",
		"bare LF":        "Subject: a\n" + identity,
		"bare CR":        "Subject: a\r" + identity,
		"NUL":            "Subject: a\x00" + identity,
		"folded name":    "P-Asserted-Identity:\r\n <sip:boss@evil.example>",
		"case":           "p-asserted-IDENTITY: <sip:boss@evil.example>",
		"second From":    "From: <sip:boss@" + s.Ready.Domain + ">;tag=x",
		"compact From":   "f: <sip:boss@" + s.Ready.Domain + ">;tag=x",
		"second Call-ID": "Call-ID: another",
		"second length":  "Content-Length: 3",
		"preferred":      "P-Preferred-Identity: <sip:boss@evil.example>",
		"remote party":   "Remote-Party-ID: <sip:boss@evil.example>;party=calling",
	} {
		t.Run(name, func(t *testing.T) {
			alice := s.agent(t, "alice", "tls")
			if _, err := alice.Register(short(t), 600); err != nil {
				t.Fatal(err)
			}
			alice.Post(&agent.Request{Method: "MESSAGE", URI: "sip:bob@" + s.Ready.Domain, ContentType: "text/plain", Body: name, Headers: []string{header}})
			alice.Post(&agent.Request{Method: "MESSAGE", URI: "sip:bob@" + s.Ready.Domain, ContentType: "text/plain", Body: "end of " + name})
		})
	}
	// Those that were refused may have closed their flow: one more, from a clean one.
	alice := s.agent(t, "alice", "tls")
	if _, err := alice.Message(short(t), "bob", "the very end"); err != nil {
		t.Fatal(err)
	}
	for len(seen) == 0 || string(seen[len(seen)-1].Body) != "the very end" {
		select {
		case m := <-got:
			seen = append(seen, m)
		case <-time.After(limit):
			t.Fatal("the last message did not arrive")
		}
	}
	for _, m := range seen {
		if text := m.Bytes(); bytes.Contains(text, []byte("boss@")) {
			t.Errorf("smuggled:\n%s", text)
		}
		if from := m.Get("from"); !strings.Contains(from, "sip:alice@") {
			t.Errorf("From is %s", from)
		}
	}
}

package e2e

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// 1,000 MESSAGEs pipelined on one flow reach three devices in order, one of
// which loses its connection now and then.
func TestThousandPipelined(t *testing.T) {
	const n = 1000
	s := startServer(t)
	alice := s.agent(t, "alice", "tls")
	if _, err := alice.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	var devices [3]*recorder
	for i := range devices {
		devices[i] = s.recorder(t, "bob", fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", i))
	}
	devices[2].dropEvery = 250

	var accepted atomic.Int64
	alice.OnResponse = func(m *agent.Message) {
		if m.Status() == 202 {
			accepted.Add(1)
		} else {
			t.Errorf("answered %q", m.Start)
		}
	}
	for i := range n {
		r := &agent.Request{Method: "MESSAGE", URI: "sip:bob@" + s.Ready.Domain, ContentType: "text/plain", Body: fmt.Sprint(i)}
		if err := alice.Post(r); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, limit, "all are accepted", func() bool { return accepted.Load() == n })
	for i, d := range devices {
		eventually(t, 3*limit, fmt.Sprintf("device %d has the last one (it has %d)", i, d.len()), func() bool { return d.has(fmt.Sprint(n - 1)) })
		d.mu.Lock()
		if len(d.texts) != n {
			t.Errorf("device %d got %d different messages", i, len(d.texts))
		}
		for j, text := range d.texts {
			if text != fmt.Sprint(j) {
				t.Errorf("device %d: place %d has message %s", i, j, text)
				break
			}
		}
		d.mu.Unlock()
	}
}

// recorder is a device that keeps the texts it got, each Call-ID once, and
// comes back when it loses its connection.
type recorder struct {
	t         *testing.T
	config    agent.Config
	dropEvery int // drop the connection after so many texts, 0 for never

	mu    sync.Mutex
	agent *agent.Agent
	seen  map[string]bool // by Call-ID: a repetition is not shown again
	texts []string
	shown map[string]bool
}

func (s *server) recorder(t *testing.T, user, instance string) *recorder {
	t.Helper()
	d := &recorder{t: t, seen: map[string]bool{}, shown: map[string]bool{}, config: agent.Config{Server: s.addr("tls"), Transport: "tls", Domain: s.Ready.Domain,
		User: user, Password: s.Ready.Password, Instance: instance}}
	if err := d.connect(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *recorder) connect() error {
	a, err := agent.Dial(d.config)
	if err != nil {
		return err
	}
	d.t.Cleanup(a.Close)
	d.mu.Lock()
	d.agent = a
	d.mu.Unlock()
	a.OnRequest = func(m *agent.Message) (string, string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if id := m.Get("call-id"); !d.seen[id] {
			d.seen[id] = true
			d.texts = append(d.texts, string(m.Body))
			d.shown[string(m.Body)] = true
			if d.dropEvery > 0 && len(d.texts)%d.dropEvery == 0 {
				a.Close() // without an answer: the server must send it again
				go d.connect()
				return "", ""
			}
		}
		return "200 OK", ""
	}
	_, err = a.Register(short(d.t), 600)
	return err
}

func (d *recorder) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.texts)
}

func (d *recorder) has(text string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown[text]
}

func (d *recorder) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.agent.Close()
}

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// demoUsers are those that a baresip can write to, in the order of its
// contact list.
var demoUsers = []string{"zhangsan", "lisi", "alice", "bob", "echo", "486", "offline"}

// baresip is a text and voice softphone, driven through its control socket.
type baresip struct {
	user    string
	cmd     *exec.Cmd
	ctrl    net.Conn
	out     lines // what it shows
	events  lines // type and parameter of each control event
	current int   // contact that `message` writes to, an index of demoUsers
	ended   chan struct{}
	write   sync.Mutex
}

const baresipConfig = `poll_method epoll
sip_listen 127.0.0.1:%d
sip_cafile %s
call_max_calls 4
audio_player aubridge,x
audio_source aubridge,x
audio_alert aubridge,x
net_interface 127.0.0.1
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module_tmp account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:%d
`

// newBaresip starts a baresip of a user and waits for its registration.
func (s *server) newBaresip(t *testing.T, user, transport string) *baresip {
	t.Helper()
	bin := need(t, "baresip", "baresip")
	dir, control := t.TempDir(), freePort(t)
	files := map[string]string{
		"config":          fmt.Sprintf(baresipConfig, freePort(t), s.Ready.CA, control),
		"accounts":        fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_user=%s;auth_pass=%s;outbound=\"sip:%s;transport=%s\";regint=600;answermode=manual;audio_codecs=PCMU/8000/1\n", user, s.Ready.Domain, transport, user, s.Ready.Password, s.addr(transport), transport),
		"current_contact": fmt.Sprintf("sip:%s@%s", demoUsers[0], s.Ready.Domain),
	}
	for _, u := range demoUsers {
		files["contacts"] += fmt.Sprintf("\"%s\" <sip:%s@%s>\n", u, u, s.Ready.Domain)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &baresip{user: user, cmd: exec.Command(bin, "-f", dir, "-s"), ended: make(chan struct{})}
	out, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.out.read(out)
	go func() { p.cmd.Wait(); w.Close(); close(p.ended) }()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("baresip %s shows:\n%s\nevents:\n%s", user, &p.out, &p.events)
		}
	})
	eventually(t, 10*time.Second, "baresip takes commands", func() bool {
		var err error
		p.ctrl, err = net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(control)))
		return err == nil
	})
	go p.readEvents()
	eventually(t, 20*time.Second, user+"'s baresip is registered", func() bool {
		return p.out.count(func(l string) bool { return strings.Contains(l, "} 200 OK (") }) > 0
	})
	return p
}

// readEvents reads netstrings of JSON.
func (p *baresip) readEvents() {
	r := bufio.NewReader(p.ctrl)
	for {
		length, err := r.ReadString(':')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
		if err != nil {
			return
		}
		b := make([]byte, n+1) // the comma too
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		var e struct{ Type, Param string }
		if json.Unmarshal(b[:n], &e) == nil && e.Type != "" {
			p.events.mu.Lock()
			p.events.all = append(p.events.all, e.Type+" "+e.Param)
			p.events.mu.Unlock()
		}
	}
}

func (p *baresip) tell(t *testing.T, command, params string) {
	t.Helper()
	b, _ := json.Marshal(map[string]string{"command": command, "params": params})
	p.write.Lock()
	defer p.write.Unlock()
	if _, err := fmt.Fprintf(p.ctrl, "%d:%s,", len(b), b); err != nil {
		t.Fatalf("baresip of %s: %v", p.user, err)
	}
}

func (p *baresip) User() string { return p.user }

func (p *baresip) Send(t *testing.T, to, text string) {
	t.Helper()
	name, _, _ := strings.Cut(to, "@")
	want := slices.Index(demoUsers, name)
	if want < 0 {
		t.Fatalf("baresip can write to %v, not to %q", demoUsers, to)
	}
	for ; p.current < want; p.current++ {
		p.tell(t, "contact_next", "")
	}
	for ; p.current > want; p.current-- {
		p.tell(t, "contact_prev", "")
	}
	p.tell(t, "message", text)
}

// Got reads the protocol trace: without a terminal baresip shows messages
// nowhere else. What comes in is addressed to its own Contact, user-0x….
func (p *baresip) Got(from, text string) int {
	return p.count(func(m *trace) bool { return strings.Contains(m.from, "sip:"+from+"@") && m.body == text })
}

// trace is a MESSAGE that came in.
type trace struct{ from, body string }

func (p *baresip) count(match func(*trace) bool) int {
	var m *trace
	inBody := false
	return p.out.count(func(l string) bool {
		switch {
		case strings.HasPrefix(l, "MESSAGE sip:"+p.user+"-0x"):
			m, inBody = &trace{}, false
		case m != nil && !inBody && strings.HasPrefix(l, "From: "):
			m.from = l
		case m != nil && !inBody && strings.TrimSpace(l) == "":
			inBody = true
		case m != nil && inBody:
			m.body = strings.TrimSuffix(l, "\x1b[;m")
			matched := match(m)
			m = nil
			return matched
		}
		return false
	})
}

func (p *baresip) Call(t *testing.T, to string) { t.Helper(); p.tell(t, "dial", "sip:"+to) }
func (p *baresip) Answer(t *testing.T)          { t.Helper(); p.tell(t, "accept", "") }
func (p *baresip) HangUp(t *testing.T)          { t.Helper(); p.tell(t, "hangup", "") }
func (p *baresip) Ringing() bool                { return p.callState() == "CALL_INCOMING" }
func (p *baresip) InCall() bool                 { return p.callState() == "CALL_ESTABLISHED" }

func (p *baresip) callState() string {
	state, _, _ := strings.Cut(p.events.last("CALL_INCOMING", "CALL_ESTABLISHED", "CALL_CLOSED", "CALL_RINGING"), " ")
	return state
}

func (p *baresip) Quit(t *testing.T) {
	t.Helper()
	p.tell(t, "quit", "")
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		p.kill()
	}
}

func (p *baresip) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

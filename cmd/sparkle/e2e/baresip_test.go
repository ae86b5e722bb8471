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

// demoUsers are those that any baresip can write to, in the order of its
// contact list.
var demoUsers = []string{"zhangsan", "lisi", "alice", "bob", "echo", "486", "offline"}

// baresip is a text and voice softphone, driven through its control socket.
type baresip struct {
	user   string
	dir    string
	cmd    *exec.Cmd
	ctrl   net.Conn
	out    lines // what it shows
	events lines // type and parameter of each control event
	// received are the packets of each kind of stream, by the last report.
	received map[string]int  // guarded by events.mu
	calls    []callOfBaresip // all he had, the oldest first; guarded by events.mu
	contacts []string        // those that it can write to
	current  int             // the one that `message` writes to
	ended    chan struct{}
	write    sync.Mutex
}

// callOfBaresip is what was told last of a call.
type callOfBaresip struct{ id, state string }

const baresipConfig = `poll_method epoll
sip_listen %[1]s:%[2]d
sip_cafile %[3]s
call_max_calls 4
audio_player aubridge,x
audio_source %[4]s
audio_alert aubridge,x
net_interface %[1]s
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
%[5]smodule_tmp account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen %[1]s:%[6]d
`

// newBaresip starts a baresip of a user, who can write to more contacts, and waits
// for its registration.
func (s *server) newBaresip(t *testing.T, user, transport string, contacts ...string) *baresip {
	t.Helper()
	return s.startBaresip(t, user, transport, voice{}, contacts...)
}

func (s *server) startBaresip(t *testing.T, user, transport string, v voice, contacts ...string) *baresip {
	t.Helper()
	bin := need(t, "baresip", "baresip")
	dir, control := t.TempDir(), freePort(t)
	account, source, modules := v.baresip(dir)
	files := map[string]string{
		"config":          fmt.Sprintf(baresipConfig, v.at.address(), freePort(t), s.Ready.CA, source, modules, control),
		"accounts":        fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_user=%s;auth_pass=%s;outbound=\"sip:%s;transport=%s\";regint=600;answermode=manual;audio_codecs=PCMU/8000/1%s\n", user, s.Ready.Domain, transport, user, s.Ready.Password, s.addr(transport), transport, account),
		"current_contact": fmt.Sprintf("sip:%s@%s", demoUsers[0], s.Ready.Domain),
	}
	contacts = slices.Concat(demoUsers, contacts)
	for _, u := range contacts {
		files["contacts"] += fmt.Sprintf("\"%s\" <sip:%s@%s>\n", u, u, s.Ready.Domain)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &baresip{user: user, dir: dir, contacts: contacts, cmd: v.at.command(bin, "-f", dir, "-s"), received: map[string]int{}, ended: make(chan struct{})}
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
	eventually(t, limit, "baresip takes commands", func() bool {
		var err error
		p.ctrl, err = v.at.dial(control)
		return err == nil
	})
	go p.readEvents()
	eventually(t, limit, user+"'s baresip is registered", func() bool {
		return p.out.count(func(l string) bool { return strings.Contains(l, "} 200 OK (") }) > 0
	})
	return p
}

// baresip is what the voice means in baresip's files: parameters of the account,
// the source of sound, and lines of the configuration.
func (v voice) baresip(dir string) (account, source, modules string) {
	source = "aubridge,x"
	if v.play != "" {
		source, modules = "aufile,"+v.play, "module aufile.so\nmodule sndfile.so\nsnd_path "+dir+"\n"
	}
	switch v.encryption {
	case "sdes":
		account, modules = ";mediaenc=srtp-mand", modules+"module srtp.so\n"
	case "best":
		account, modules = ";mediaenc=srtp", modules+"module srtp.so\n"
	case "dtls":
		account, modules = ";mediaenc=dtls_srtp", modules+"module srtp.so\nmodule dtls_srtp.so\n"
	}
	if v.ice {
		account, modules = account+";medianat=ice", modules+"module ice.so\n"
	}
	if v.video {
		account, modules = account+";video_codecs=VP8", modules+"module vp8.so\nmodule fakevideo.so\nvideo_source fakevideo,nil\nvideo_display fakevideo,nil\nvideo_size 320x240\n"
	} else {
		account += ";video_codecs=x" // none
	}
	return account, source, modules
}

// readEvents reads netstrings of JSON.
func (p *baresip) readEvents() {
	defer p.ctrl.Close()
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
		var e struct {
			Type, Param, ID string
			Stats           struct {
				Received struct{ Sent, Lost int } `json:"rx"`
			} `json:"rtcp_stats"`
		}
		if json.Unmarshal(b[:n], &e) == nil && e.Type != "" {
			p.events.mu.Lock()
			p.events.all = append(p.events.all, e.Type+" "+e.Param)
			switch e.Type {
			case "CALL_RTCP":
				p.received[e.Param] = e.Stats.Received.Sent - e.Stats.Received.Lost
			case "CALL_INCOMING", "CALL_RINGING", "CALL_ESTABLISHED", "CALL_CLOSED":
				p.follow(e.ID, e.Type)
			}
			p.events.mu.Unlock()
		}
	}
}

// follow notes the state of a call. p.events.mu is held.
func (p *baresip) follow(id, state string) {
	i := slices.IndexFunc(p.calls, func(c callOfBaresip) bool { return c.id == id })
	if i < 0 {
		p.calls = append(p.calls, callOfBaresip{id, state})
		return
	}
	p.calls[i].state = state
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
	want := slices.Index(p.contacts, name)
	if want < 0 {
		t.Fatalf("baresip can write to %v, not to %q", p.contacts, to)
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
			last, ended := strings.CutSuffix(l, "\x1b[;m")
			if m.body += last; !ended {
				m.body += "\n"
				return false
			}
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
func (p *baresip) InCall() bool                 { return slices.Contains(p.callStates(), "CALL_ESTABLISHED") }

func (p *baresip) Busy() bool {
	return slices.ContainsFunc(p.callStates(), func(state string) bool { return state != "CALL_CLOSED" })
}

func (p *baresip) callState() string {
	return newest(p.callStates(), func(state string) bool { return state == "CALL_CLOSED" })
}

// callStates are the last states of all his calls, the oldest first.
func (p *baresip) callStates() []string {
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	var states []string
	for _, c := range p.calls {
		states = append(states, c.state)
	}
	return states
}

func (p *baresip) Heard() string {
	files, _ := filepath.Glob(filepath.Join(p.dir, "*-dec.wav"))
	if len(files) == 0 {
		return ""
	}
	return slices.Max(files)
}

func (p *baresip) DTMF(t *testing.T, digits string) {
	t.Helper()
	for _, d := range digits {
		p.tell(t, "sndcode", string(d))
	}
}

func (p *baresip) Digits() string {
	var all strings.Builder
	p.events.count(func(l string) bool {
		if digit, ok := strings.CutPrefix(l, "CALL_DTMF_START "); ok {
			all.WriteString(digit)
		}
		return false
	})
	return all.String()
}

func (p *baresip) Hold(t *testing.T)                { t.Helper(); p.offer(t, "hold") }
func (p *baresip) Resume(t *testing.T)              { t.Helper(); p.offer(t, "resume") }
func (p *baresip) Transfer(t *testing.T, to string) { t.Helper(); p.tell(t, "transfer", "sip:"+to) }

// offer gives a command that offers anew, and waits until he acknowledges the answer.
func (p *baresip) offer(t *testing.T, command string) {
	t.Helper()
	own := "ACK sip:" + p.user + "-0x" // what comes to his Contact
	sent := func() int {
		return p.out.count(func(l string) bool { return strings.HasPrefix(l, "ACK sip:") && !strings.HasPrefix(l, own) })
	}
	before := sent()
	p.tell(t, command, "")
	eventually(t, limit, p.user+"'s "+command+" is answered", func() bool { return sent() > before })
}

// Packets is as new as the last report, some seconds.
func (p *baresip) Packets(t *testing.T, kind string) int {
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	return p.received[kind]
}

func (p *baresip) Quit(t *testing.T) {
	t.Helper()
	p.tell(t, "quit", "")
	select {
	case <-p.ended:
	case <-time.After(limit):
		p.kill()
	}
}

func (p *baresip) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

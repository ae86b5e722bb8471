package e2e

import (
	"bufio"
	"cmp"
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

// phone is a softphone of one user, whatever its make.
type phone interface {
	User() string
	// Send writes text to a user.
	Send(t *testing.T, to, text string)
	// Got tells how often the phone has shown exactly this text from that user.
	Got(from, text string) int
	// Call, Answer, HangUp and InCall are a voice call. He may have several: what
	// they tell comes in any order, so each is followed by itself.
	Call(t *testing.T, to string)
	Answer(t *testing.T)
	HangUp(t *testing.T)
	Ringing() bool
	InCall() bool
	// Busy says whether it has any call, in whatever state.
	Busy() bool
	// Quit ends the program; the server is not told when it kills.
	Quit(t *testing.T)
}

// voice is how a phone treats calls. The zero value is a phone without
// encryption and without sound.
type voice struct {
	encryption string // "sdes", "best" (SDES in RTP/AVP, RFC 8643), "dtls", "zrtp"
	ice, video bool
	play       string // WAV file that it plays into its calls
	at         *place // nil: loopback
}

// newest is the state of the newest call that is not over, or how the newest ended.
func newest(states []string, over func(string) bool) string {
	for _, state := range slices.Backward(states) {
		if !over(state) {
			return state
		}
	}
	if len(states) == 0 {
		return ""
	}
	return states[len(states)-1]
}

// talker is a phone whose calls can be listened to.
type talker interface {
	phone
	// Heard is the file with what the phone has heard in its last call so far, ""
	// when there is none.
	Heard() string
	DTMF(t *testing.T, digits string)
	Digits() string    // that it was sent
	Hold(t *testing.T) // and Resume: until both ends have agreed
	Resume(t *testing.T)
	Transfer(t *testing.T, to string) // the current call, to somebody who is not asked
	// Packets are those of audio, or of video, that the phone has received in its call.
	Packets(t *testing.T, kind string) int
}

// newTalker starts a phone of a make for calls.
func (s *server) newTalker(t *testing.T, kind, user, transport string, v voice) talker {
	t.Helper()
	if kind == "linphone" {
		return s.startLinphone(t, user, transport, t.TempDir(), v)
	}
	return s.startBaresip(t, user, transport, v)
}

// awaitText waits until the phone has shown a text, and only once.
func awaitText(t *testing.T, p phone, from, text string) {
	t.Helper()
	eventually(t, limit, fmt.Sprintf("%s shows %q from %s", p.User(), text, from), func() bool { return p.Got(from, text) > 0 })
}

// lines is the output of a program, kept as it comes.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) read(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		l.mu.Lock()
		l.all = append(l.all, s.Text())
		l.mu.Unlock()
	}
}

func (l *lines) count(match func(string) bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, s := range l.all {
		if match(s) {
			n++
		}
	}
	return n
}

// last returns the last line that begins with one of the prefixes.
func (l *lines) last(prefixes ...string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range slices.Backward(l.all) {
		for _, p := range prefixes {
			if strings.HasPrefix(s, p) {
				return s
			}
		}
	}
	return ""
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := slices.Compact(slices.Clone(l.all)) // one who waits asks again and again
	return strings.Join(told[max(0, len(told)-400):], "\n")
}

// need fails the test when a program is not installed.
func need(t *testing.T, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is not installed: run `make deps` or `apt-get install %s`", program, pkg)
	}
	return path
}

// linphone is a client on liblinphone.
type linphone struct {
	user, domain, dir string
	cmd               *exec.Cmd
	in                io.WriteCloser
	out               lines
	ended             chan struct{}
}

// driver builds linphone/driver.c once.
var driver = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sparkle-linphone")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "driver")
	out, err := exec.Command("gcc", "-O1", "-w", "-o", bin, "linphone/driver.c", "linphone/rooms.c", "-llinphone", "-lmediastreamer", "-lortp", "-lbctoolbox").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the Linphone driver (needs liblinphone-dev and gcc: `make deps`): %w\n%s", err, out)
	}
	return bin, nil
})

// newLinphone starts a Linphone of a user in its directory (t.TempDir() for a
// new device) and waits for its registration.
func (s *server) newLinphone(t *testing.T, user, transport, dir string) *linphone {
	t.Helper()
	return s.startLinphone(t, user, transport, dir, voice{})
}

func (s *server) startLinphone(t *testing.T, user, transport, dir string, v voice) *linphone {
	t.Helper()
	bin, err := driver()
	if err != nil {
		t.Fatal(err)
	}
	p := &linphone{user: user, domain: s.Ready.Domain, dir: dir, ended: make(chan struct{})}
	p.configure(t, s, transport, v)
	p.cmd = v.at.command(bin, filepath.Join(dir, "rc"), filepath.Join(dir, "log"))
	p.cmd.Env = append(os.Environ(), "HOME="+dir)
	p.in, err = p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.out.read(out); p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("events of Linphone %s:\n%s", user, &p.out)
		}
	})
	p.awaitRegistered(t, 1)
	if v.play != "" {
		p.tell(t, "play %s", v.play)
	}
	if v.video {
		p.tell(t, "video on")
	}
	p.tell(t, "record %s", p.recording())
	return p
}

// configure writes the client's configuration: one address, no sound card, and a
// second, not a minute, until it tries again what failed.
func (p *linphone) configure(t *testing.T, s *server, transport string, v voice) {
	t.Helper()
	port := freePort(t)
	ports := map[string]int{"udp": 0, "tcp": 0, "tls": 0}
	ports[transport] = port
	if transport != "udp" {
		ports[transport] = -1 // any local port
	}
	// Linphone compares names in the certificate, never addresses.
	proxy := strings.Replace(s.addr(transport), "127.0.0.1", "localhost", 1)
	if v.at != nil {
		_, port, _ := net.SplitHostPort(proxy)
		proxy = net.JoinHostPort(s.Ready.Domain, port)
	}
	os.MkdirAll(filepath.Join(p.dir, ".local/share/linphone"), 0o700)
	encryption := map[string]string{"sdes": "srtp", "dtls": "dtls", "zrtp": "zrtp"}[v.encryption]
	video := 0
	if v.video {
		video = 1
	}
	rc := fmt.Sprintf(`[sip]
sip_port=%d
sip_tcp_port=%d
sip_tls_port=%d
bind_address=%s
use_ipv6=0
guess_hostname=0
default_proxy=0
root_ca=%s
verify_server_certs=1
verify_server_cn=1
media_encryption=%s
register_only_when_network_is_up=0
refresher_retry_after=1000
inc_timeout=60
`, ports["udp"], ports["tcp"], ports["tls"], v.at.address(), s.Ready.CA, cmp.Or(encryption, "none"))
	rc += fmt.Sprintf(`[rtp]
audio_rtp_port=%d
video_rtp_port=%d
bind_address=%[5]s
[net]
mtu=1300
[sound]
playback_dev_id=null
capture_dev_id=null
ringer_dev_id=null
echocancellation=0
[video]
enabled=%[3]d
capture=%[3]d
display=%[3]d
automatically_accept=1
device=StaticImage: Static picture
[misc]
version_check_url_root=
hide_empty_chat_rooms=0
[storage]
uri=%[4]s/linphone.db
`, freePorts(t, 2), freePorts(t, 2), video, p.dir, v.at.address())
	rc += fmt.Sprintf(`[proxy_0]
reg_proxy=<sip:%[1]s;transport=%[2]s>
reg_route=<sip:%[1]s;transport=%[2]s>
reg_identity=sip:%[3]s@%[4]s
reg_expires=600
reg_sendregister=1
publish=0
conference_factory_uri=sip:conference-factory@%[4]s
[auth_info_0]
username=%[3]s
passwd=%[5]s
`, proxy, transport, p.user, s.Ready.Domain, s.Ready.Password)
	if v.ice {
		rc = strings.Replace(rc, "[auth_info_0]", "nat_policy_ref=ice\n[auth_info_0]", 1) + "[nat_policy_0]\nref=ice\nprotocols=ice\n"
		// Its candidates, and what it sends from, are never of the loopback
		// interface: bound there it would not hear the answers to its checks.
		rc = strings.Replace(rc, "bind_address=127.0.0.1\n[net]", "[net]", 1)
	}
	path := filepath.Join(p.dir, "rc")
	if _, err := os.Stat(path); err == nil {
		return // a device that comes back keeps what it is
	}
	if err := os.WriteFile(path, []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *linphone) tell(t *testing.T, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		t.Fatalf("Linphone of %s: %v", p.user, err)
	}
}

// awaitRegistered waits for the n-th successful registration.
func (p *linphone) awaitRegistered(t *testing.T, n int) {
	t.Helper()
	eventually(t, limit, p.user+"'s Linphone is registered", func() bool { return p.registrations() >= n })
}

// registrations counts the successful ones.
func (p *linphone) registrations() int {
	return p.out.count(func(l string) bool { return strings.HasPrefix(l, "registration\tLinphoneRegistrationOk") })
}

func (p *linphone) User() string { return p.user }

func (p *linphone) Send(t *testing.T, to, text string) {
	t.Helper()
	p.tell(t, "send sip:%s %s", to, text)
}

func (p *linphone) Got(from, text string) int {
	return p.out.count(func(l string) bool {
		f := strings.SplitN(l, "\t", 4)
		return len(f) == 4 && f[0] == "message" && strings.HasPrefix(f[1], "sip:"+from) && f[3] == text
	})
}

// States are the states that the client's own message went through.
func (p *linphone) States(id string) []string {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	var states []string
	for _, l := range p.out.all {
		if rest, ok := strings.CutPrefix(l, "state\t"+id+"\t"); ok {
			states = append(states, strings.TrimPrefix(rest, "LinphoneChatMessageState"))
		}
	}
	return states
}

func (p *linphone) Call(t *testing.T, to string) { t.Helper(); p.tell(t, "call sip:%s", to) }
func (p *linphone) Answer(t *testing.T)          { t.Helper(); p.tell(t, "answer") }
func (p *linphone) HangUp(t *testing.T)          { t.Helper(); p.tell(t, "hangup") }
func (p *linphone) Ringing() bool                { return p.callState() == "LinphoneCallIncomingReceived" }

// InCall says whether he talks in any of his calls. Connected is not enough: then
// his streams do not run, and he refuses to hold the call.
func (p *linphone) InCall() bool {
	return slices.Contains(p.callStates(), "LinphoneCallStreamsRunning")
}

func (p *linphone) Busy() bool {
	return slices.ContainsFunc(p.callStates(), func(state string) bool { return !isOver(state) })
}

func (p *linphone) callState() string { return newest(p.callStates(), isOver) }

// isOver tells of a state of a Linphone's call whether it has ended.
func isOver(state string) bool {
	return state == "" || state == "LinphoneCallEnd" || state == "LinphoneCallError"
}

// callStates are the last states of all his calls, the oldest first. Several
// are told in any order: the end of one that was transferred comes after the
// first sound of the one that took its place. A release follows the end, late.
func (p *linphone) callStates() []string {
	var states []string
	p.out.count(func(l string) bool {
		f := strings.Split(l, "\t")
		if f[0] != "call" || strings.Contains(f[1], "Released") {
			return false
		}
		n, _ := strconv.Atoi(f[2])
		for len(states) < n {
			states = append(states, "")
		}
		states[n-1] = f[1]
		return false
	})
	return states
}

// recording is the file in which the sound of calls is kept.
func (p *linphone) recording() string { return filepath.Join(p.dir, "heard.wav") }

func (p *linphone) Heard() string                    { return p.recording() }
func (p *linphone) DTMF(t *testing.T, digits string) { t.Helper(); p.tell(t, "dtmf %s", digits) }
func (p *linphone) Hold(t *testing.T)                { t.Helper(); p.change(t, "pause", "LinphoneCallPaused") }
func (p *linphone) Resume(t *testing.T) {
	t.Helper()
	p.change(t, "resume", "LinphoneCallStreamsRunning")
}
func (p *linphone) Transfer(t *testing.T, to string) { t.Helper(); p.tell(t, "transfer sip:%s", to) }
func (p *linphone) Packets(t *testing.T, kind string) int {
	t.Helper()
	n, _ := strconv.Atoi(p.stats(t, kind)[2])
	return n
}

func (p *linphone) Digits() string {
	var all strings.Builder
	p.out.count(func(l string) bool {
		if digit, ok := strings.CutPrefix(l, "dtmf\t"); ok {
			all.WriteString(digit)
		}
		return false
	})
	return all.String()
}

// change waits until his call is in another state.
func (p *linphone) change(t *testing.T, command, state string) {
	t.Helper()
	p.tell(t, "%s", command)
	eventually(t, limit, p.user+"'s call is "+state, func() bool { return p.callState() == state })
}

// stats are the words of a new stats event. Linphone is asked again while it has
// none: between two calls, and before the streams run.
func (p *linphone) stats(t *testing.T, kind string) []string {
	t.Helper()
	isStats := func(l string) bool { return strings.HasPrefix(l, "stats\t"+kind) }
	before := p.out.count(isStats)
	var asked time.Time
	eventually(t, limit, "Linphone tells its statistics", func() bool {
		if time.Since(asked) > time.Second {
			p.tell(t, "stats")
			asked = time.Now()
		}
		return p.out.count(isStats) > before
	})
	return strings.Split(p.out.last("stats\t"+kind), "\t")
}

func (p *linphone) Quit(t *testing.T) {
	t.Helper()
	p.tell(t, "quit")
	select {
	case <-p.ended:
	case <-time.After(limit):
		p.kill()
	}
}

func (p *linphone) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

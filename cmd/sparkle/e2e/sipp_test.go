package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// sipp plays one scenario at a time: it can write, not read.
type sipp struct {
	server          *server
	user, transport string
}

func (s *server) newSIPp(t *testing.T, user, transport string) *sipp {
	need(t, "sipp", "sip-tester")
	return &sipp{server: s, user: user, transport: transport}
}

// run plays testdata/sipp/NAME.xml once with fields for [field0] ….
func (p *sipp) run(t *testing.T, name string, fields ...string) {
	t.Helper()
	dir := t.TempDir()
	csv := filepath.Join(dir, "fields.csv")
	if err := os.WriteFile(csv, []byte("SEQUENTIAL\n"+strings.Join(fields, ";")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	target, mode := p.server.addr(p.transport), "t1"
	switch p.transport {
	case "udp":
		mode = "u1"
	case "tls":
		target = p.tunnel(t)
	}
	args := []string{target, "-sf", "../../../testdata/sipp/" + name + ".xml", "-inf", csv, "-m", "1",
		"-t", mode, "-i", "127.0.0.1", "-p", fmt.Sprint(freePort(t)), "-au", p.user, "-ap", p.server.Ready.Password,
		"-timeout", "60", "-nostdin", "-trace_err", "-error_file", filepath.Join(dir, "errors"),
		"-trace_msg", "-message_file", filepath.Join(dir, "messages")}
	out, err := exec.Command("sipp", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("sipp %s: %v\n%s\n%s\n%s", name, err, tail(filepath.Join(dir, "errors"), 20), tail(filepath.Join(dir, "messages"), 80), lastLines(string(out), 20))
	}
}

// tunnel is a TCP address that leads to the server over TLS: Debian's SIPp was
// built without OpenSSL.
func (p *sipp) tunnel(t *testing.T) string {
	t.Helper()
	bin, port := need(t, "socat", "socat"), freePort(t)
	cmd := exec.Command(bin, fmt.Sprintf("TCP-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork", port), "OPENSSL:"+p.server.addr("tls")+",verify=0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	eventually(t, limit, "the TLS tunnel is open", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr
}

func lastLines(s string, n int) string {
	all := strings.Split(s, "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

func (p *sipp) User() string { return p.user }

func (p *sipp) Send(t *testing.T, to, text string) {
	t.Helper()
	name, _, _ := strings.Cut(to, "@")
	p.run(t, "message", p.user, name, p.server.Ready.Domain, text)
}

func (p *sipp) Got(from, text string) int    { return 0 }
func (p *sipp) Call(t *testing.T, to string) { t.Fatal("SIPp calls by scenario") }
func (p *sipp) Answer(t *testing.T)          {}
func (p *sipp) HangUp(t *testing.T)          {}
func (p *sipp) Ringing() bool                { return false }
func (p *sipp) InCall() bool                 { return false }
func (p *sipp) Busy() bool                   { return false }
func (p *sipp) Quit(t *testing.T)            {}

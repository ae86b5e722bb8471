package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/sip/wire"
)

func TestEchoMessage(t *testing.T) {
	d := startDemo(t, t.TempDir())
	alice := d.phone(t, "alice")
	alice.message("echo", "你好")
	alice.final(t, 202)
	back := await(t, alice.requests)
	if string(back.Body()) != "你好" || !strings.Contains(wire.Header(back, "From"), "sip:echo@localhost") {
		t.Errorf("the echo is\n%s", wire.Append(nil, back))
	}

	var found admin.MessagePage
	d.call(t, http.MethodGet, "/v1/messages/search?user=alice&peer=echo", nil, &found)
	if len(found.Items) != 2 {
		t.Fatalf("%d messages in the archive, want 2: %+v", len(found.Items), found.Items)
	}
	question := found.Items[1]
	if question.Text != "你好" || question.From != "alice@localhost" || question.To != "echo@localhost" {
		t.Errorf("archived: %+v", question)
	}
	code, history, errOut := d.command(t, "", "message", "history", "alice", "echo", "--limit", "1")
	if code != exitDone || !strings.Contains(history, "你好") || strings.Count(history, "\n") != 2 {
		t.Errorf("history, exit code %d:\n%s%s", code, history, errOut)
	}
	if code, history, _ = d.command(t, "", "message", "history", "echo", "alice", "--before", "2"); code != exitDone || strings.Count(history, "\n") != 2 {
		t.Errorf("history before the answer, exit code %d:\n%s", code, history)
	}
	// Traces of deliveries are written behind.
	for deadline := time.Now().Add(time.Minute); ; {
		code, out, errOut := d.command(t, "", "message", "trace", question.ID)
		if code == exitDone && strings.Contains(out, "Sparkle echo") && strings.Contains(out, "200") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("trace, exit code %d:\n%s%s", code, out, errOut)
		}
	}
}

func TestMagicUsersRefuse(t *testing.T) {
	d := startDemo(t, t.TempDir())
	alice := d.phone(t, "alice")
	for _, test := range []struct {
		to     string
		status int
	}{
		{"486", 486},
		{"echo", 488}, // nothing to echo without an offer
		{"offline", 480},
	} {
		alice.request(sip.INVITE, test.to, nil)
		alice.final(t, test.status)
	}
	alice.message("offline", "for later")
	alice.final(t, 202)
}

func TestDisabledUserIsDisconnected(t *testing.T) {
	d := startDemo(t, t.TempDir())
	bob := d.phone(t, "bob")
	if code, _, errOut := d.command(t, "", "user", "disable", "bob"); code != exitDone {
		t.Fatal(errOut)
	}
	await(t, bob.gone)
}

func TestChangedPasswordEndsProof(t *testing.T) {
	d := startDemo(t, t.TempDir())
	bob := d.phone(t, "bob")
	bob.message("echo", "before")
	bob.final(t, 202)
	if code, _, errOut := d.command(t, "", "user", "passwd", "bob"); code != exitDone {
		t.Fatal(errOut)
	}
	bob.message("echo", "after")
	bob.final(t, 401)
}

// TestRestart has a message wait over a restart for a device that was away.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	d := startDemo(t, dir)
	d.phone(t, "bob").conn.Close()
	alice := d.phone(t, "alice")
	alice.message("bob", "see you")
	alice.final(t, 202)
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := command(t, "", "--data", dir, "verify"); code != exitDone || !strings.HasSuffix(out, "no problems\n") {
		t.Errorf("verify of the stopped server: %d\n%s%s", code, out, errOut)
	}
	password := d.Password
	d = startDemo(t, dir)
	if d.Password != password {
		t.Errorf("the demo password changed from %s to %s", password, d.Password)
	}
	if got := await(t, d.phone(t, "bob").requests); string(got.Body()) != "see you" {
		t.Errorf("bob got\n%s", wire.Append(nil, got))
	}
}

func TestReadinessFileIsReplacedAsAWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), readyName)
	for _, r := range []readiness{{Domain: "first.example"}, {Domain: "b"}} {
		if err := r.write(path); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), `"domain": "b"`) || strings.Contains(string(b), "first") {
		t.Errorf("%s %v", b, err)
	}
}

// Linphone is told the name that the certificate shows, baresip the address
// that it needs no name server for.
func TestPhoneSettings(t *testing.T) {
	var out strings.Builder
	printLocalserve(&out, readiness{
		Domain: "localhost", Password: "secret", CA: "ca.pem", Socket: "run/admin.sock",
		Listeners: map[string][]string{"tls": {"127.0.0.1:5061"}, "udp": {"127.0.0.1:5060"}, "https": {"127.0.0.1:8443"}},
	})
	for _, want := range []string{
		"<sip:localhost:5061;transport=tls> and,",
		`<sip:alice@localhost;transport=tls>;auth_pass=secret;outbound="sip:127.0.0.1:5061;transport=tls"`,
		"wss://localhost:8443/sip",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("what is printed lacks %s:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "%!") {
		t.Errorf("a setting is missing:\n%s", out.String())
	}
}

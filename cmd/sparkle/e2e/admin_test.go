package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// An administrator adds, imports, renews and disables users; what he changes
// holds at once, for connections that are open too.
func TestUserAdministration(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	csvFile := filepath.Join(t.TempDir(), "people.csv")
	os.WriteFile(csvFile, []byte("user,password,display name,numbers\ndave,wide blue sky,Dave,2001 2002\nwangwu,宽阔的天空今天很蓝,王五,2003\n"), 0o600)
	if out := s.sparkle(t, "user", "import", csvFile); !strings.Contains(out, "2 added") {
		t.Errorf("import: %s", out)
	}
	if out := s.sparkle(t, "user", "list"); !strings.Contains(out, "王五") || !strings.Contains(out, "2001 2002") {
		t.Errorf("list:\n%s", out)
	}
	dial := func(user, password string) *agent.Agent {
		t.Helper()
		a, err := agent.Dial(agent.Config{Server: s.addr("tls"), Transport: "tls", Domain: s.Ready.Domain, User: user, Password: password, Instance: "urn:uuid:00000000-0000-4000-8000-00000000d" + fmt.Sprintf("%03d", len(user))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		return a
	}
	dave := dial("dave", "wide blue sky")
	if _, err := dave.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}

	s.sparkle(t, "user", "passwd", "dave", "--password", "deep green sea")
	if _, err := dial("dave", "wide blue sky").Register(short(t), 600); err == nil {
		t.Error("the old password is still good")
	}
	dave = dial("dave", "deep green sea")
	if _, err := dave.Register(short(t), 600); err != nil {
		t.Errorf("the new password: %v", err)
	}

	s.sparkle(t, "user", "disable", "dave")
	s.ends(t, dave, "of a disabled user")
	if _, err := dial("dave", "deep green sea").Register(short(t), 600); err == nil {
		t.Error("a disabled user registers")
	}
	s.sparkle(t, "user", "enable", "dave")
	dave = dial("dave", "deep green sea")
	if _, err := dave.Register(short(t), 600); err != nil {
		t.Errorf("enabled again: %v", err)
	}

	id := regexp.MustCompile(`(?m)^(\d+) +dave@`).FindStringSubmatch(s.sparkle(t, "device", "list", "dave"))
	if id == nil {
		t.Fatalf("no device of dave's:\n%s", s.sparkle(t, "device", "list", "dave"))
	}
	s.sparkle(t, "device", "revoke", id[1])
	s.ends(t, dave, "of a revoked device")
	if res, err := dial("dave", "deep green sea").Register(short(t), 600); err == nil {
		t.Errorf("a revoked device registers: %q", res.Start)
	}
}

// ends waits until the server has closed an agent's connection.
func (s *server) ends(t *testing.T, a *agent.Agent, what string) {
	t.Helper()
	select {
	case <-a.Closed():
	case <-time.After(limit):
		t.Errorf("the connection %s is still open after %v", what, limit)
	}
}

// What was written is found in Chinese, explained from the wire to the device,
// and exported without formulas that a spreadsheet would run.
func TestArchiveForAdministrators(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	bob := s.recorder(t, "bob", "urn:uuid:00000000-0000-4000-8000-0000000000b3")
	alice := s.agent(t, "alice", "tls")
	texts := []string{"明天下午三点开季度会议", "=HYPERLINK(\"http://evil.example\",\"click\")", "@SUM(1+1)*cmd|' /C calc'!A0", "-2+3", "+1", "\t=1", "＝1+1", "\x1b[31mred"}
	for _, text := range texts {
		if _, err := alice.Message(short(t), "bob", text); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, limit, "all are delivered", func() bool { return bob.len() == len(texts) })
	for _, part := range []string{"季度会议", "会议", "三", "明天下午三点开季度会议"} {
		if out := s.sparkle(t, "message", "search", part); strings.Count(out, "季度") != 1 {
			t.Errorf("search %s:\n%s", part, out)
		}
	}
	var found []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(s.sparkle(t, "message", "search", "季度", "--json")), &found); err != nil || len(found) != 1 {
		t.Fatalf("%d found, %v", len(found), err)
	}
	eventually(t, limit, "the trace tells the delivery", func() bool {
		out := s.sparkle(t, "message", "trace", found[0].ID)
		return strings.Contains(out, "alice@example.test") && regexp.MustCompile(`(?m) bob@.* 200 `).MatchString(out) && strings.Contains(out, alice.LocalAddr().String())
	})

	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(s.sparkle(t, "message", "export", "--format", "csv"), "\xef\xbb\xbf"))).ReadAll()
	if err != nil || len(rows) != len(texts)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.IndexAny(cell, "=+-@＝\t\r\n") == 0 || strings.Contains(cell, "\x1b") {
				t.Errorf("the cell %q does something in a spreadsheet", cell)
			}
		}
	}
}

// A backup of the running server becomes a server that has everything that was
// accepted before it.
func TestBackupWhileRunning(t *testing.T) {
	s := startOffice(t, nil)
	chat := s.keepChatting(t, "alice", "bob")
	carol := s.agent(t, "carol", "tls")
	if _, err := carol.Message(short(t), "bob", "备份之前"); err != nil {
		t.Fatal(err)
	}
	file, restored := filepath.Join(t.TempDir(), "backup.tar"), filepath.Join(t.TempDir(), "restored")
	s.sparkle(t, "backup", file)
	chat.end(t)
	if out := s.sparkle(t, "verify"); !strings.Contains(out, "no problems") {
		t.Errorf("verify: %s", out)
	}
	s.stop(t)

	for _, args := range [][]string{{"restore", file, restored}, {"verify", "--data", restored}} {
		if out, err := exec.Command(s.bin, args...).CombinedOutput(); err != nil || !strings.Contains(string(out), "no problems") {
			t.Fatalf("sparkle %v: %v\n%s", args, err, out)
		}
	}
	s.set(t, "data_dir", fmt.Sprintf("%q", restored))
	s.dir = restored
	s.start(t)
	if out := s.sparkle(t, "message", "search", "备份"); !strings.Contains(out, "备份之前") {
		t.Errorf("search:\n%s", out)
	}
	s.stillServes(t)
}

// The API over HTTPS opens with a token and with nothing else.
func TestTokensOverHTTPS(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	pem, err := os.ReadFile(s.Ready.CA)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: "example.test"}}}
	status := func(path, token string) (int, string) {
		t.Helper()
		req, _ := http.NewRequest(http.MethodGet, "https://"+s.addr("https")+path, nil)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	var made struct {
		Secret string `json:"secret"`
		ID     int64  `json:"id"`
	}
	if out := s.sparkle(t, "token", "add", "monitoring", "--json"); json.Unmarshal([]byte(out), &made) != nil || made.Secret == "" {
		t.Fatalf("token add: %s", out)
	}
	if code, body := status("/v1/users", made.Secret); code != 200 || !strings.Contains(body, "alice") {
		t.Errorf("with a token: %d %s", code, body)
	}
	for name, token := range map[string]string{"none": "", "wrong": made.Secret + "x", "SQL": "' OR 1=1 --", "long": strings.Repeat("x", 10_000)} {
		for _, path := range []string{"/v1/users", "/v1/messages/search", "/v1/trace", "/v1/audit", "/metrics", "/debug/pprof/", "/v1/../v1/users"} {
			if code, body := status(path, token); code < 400 || strings.Contains(body, "alice") {
				t.Errorf("%s token: %s is answered %d %.200s", name, path, code, body)
			}
		}
	}
	s.sparkle(t, "token", "revoke", fmt.Sprint(made.ID))
	if code, _ := status("/v1/users", made.Secret); code != 401 {
		t.Errorf("revoked: %d", code)
	}
}

// The protocol trace shows what passes and none of its secrets.
func TestTraceMasksSecrets(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	cmd := exec.Command(s.bin, "trace", "alice", "--for", "10m", "--data", s.dir)
	var out lines
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { out.read(pipe); close(read) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-read; cmd.Wait() })
	alice := s.agent(t, "alice", "tls")
	eventually(t, limit, "the trace shows alice's requests", func() bool {
		if _, err := alice.Message(short(t), "bob", "top secret plan"); err != nil {
			t.Fatal(err)
		}
		return out.count(func(l string) bool { return strings.Contains(l, "MESSAGE sip:bob@example.test") }) > 0
	})
	if _, err := s.agent(t, "alice", "udp").Register(short(t), 60); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"REGISTER sip:example.test", "401 Unauthorized", "(masked)", "SIP/2.0 200 OK"} {
		eventually(t, limit, "the trace has "+want, func() bool {
			return out.count(func(l string) bool { return strings.Contains(l, want) }) > 0
		})
	}
	s.stop(t) // all that the trace has to tell is told
	<-read
	for _, secret := range []string{"top secret", "response=", s.Ready.Password} {
		if out.count(func(l string) bool { return strings.Contains(l, secret) }) > 0 {
			t.Errorf("the trace shows %q", secret)
		}
	}
}

// A mistake in the configuration is one line: file, line, key and remedy.
func TestConfigurationMistakes(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	good, err := os.ReadFile(s.config())
	if err != nil {
		t.Fatal(err)
	}
	s.stop(t)
	for name, test := range map[string]struct{ old, new, want string }{
		"unknown key":   {"max_size =", "max_sise =", "max_size"},
		"wrong type":    {"max_size = 60000", `max_size = "many"`, "messages.max_size"},
		"out of range":  {"max_size = 60000", "max_size = 5", "messages.max_size"},
		"syntax":        {"max_size = 60000", "max_size = = 60000", "syntax"},
		"bad time":      {`handshake = "10s"`, `handshake = "soon"`, "limits.handshake"},
		"bad address":   {`metrics = "127.0.0.1:`, `metrics = "localhost:x`, "listen.metrics"},
		"missing file":  {`client_ca = ""`, `client_ca = "/nowhere/ca.pem"`, "tls.client_ca"},
		"bad algorithm": {`["SHA-256", "MD5"]`, `["SHA-1"]`, "auth.algorithms"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(string(good), test.old, test.new, 1)
			if text == string(good) {
				t.Fatalf("the configuration has no %s", test.old)
			}
			os.WriteFile(s.config(), []byte(text), 0o600)
			for _, args := range [][]string{{"config", "check", s.config()}, {"serve", "--config", s.config()}} {
				out, err := exec.Command(s.bin, args...).CombinedOutput()
				line := strings.TrimSuffix(string(out), "\n")
				if err == nil || strings.Contains(line, "\n") {
					t.Errorf("%v: %v\n%s", args, err, out)
				}
				if !regexp.MustCompile(regexp.QuoteMeta(s.config())+`:\d+: `).MatchString(line) || !strings.Contains(line, test.want) {
					t.Errorf("%v: %s", args, line)
				}
			}
		})
	}
	os.WriteFile(s.config(), good, 0o600)
}

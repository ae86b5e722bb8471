package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// startOffice sets a server up as an administrator does, `sparkle quickstart
// example.test`, on free ports of loopback, and runs `sparkle serve` with it. Of
// its configuration it changes what settings name ("ban_failures": "5"). It has
// the users alice, bob and carol.
func startOffice(t *testing.T, settings map[string]string) *server {
	t.Helper()
	dir := t.TempDir()
	s := newServer(t, filepath.Join(dir, "data"))
	config := filepath.Join(dir, "sparkle.toml")
	s.sparkle(t, "quickstart", "example.test", "--config", config)
	s.args = []string{"serve", "--config", config}

	at := func(n int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port+n)) }
	listeners := map[string][]string{"udp": {at(0)}, "tcp": {at(0)}, "tls": {at(1)}, "https": {at(2)}, "metrics": {at(3)}}
	for name, addresses := range listeners {
		if name == "metrics" {
			s.set(t, name, strconv.Quote(addresses[0]))
		} else {
			s.set(t, name, fmt.Sprintf("[%q]", addresses[0]))
		}
	}
	for key, value := range settings {
		s.set(t, key, value)
	}
	s.Ready.Domain, s.Ready.Password, s.Ready.Listeners = "example.test", "correct-horse", listeners
	s.Ready.CA = filepath.Join(s.dir, "certs", "ca.pem")
	s.run(t)
	people := filepath.Join(dir, "people.csv")
	rows := strings.ReplaceAll("user,password\nalice,PW\nbob,PW\ncarol,PW\n", "PW", s.Ready.Password)
	if err := os.WriteFile(people, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	s.sparkle(t, "user", "import", people)
	return s
}

func (s *server) isOffice() bool { return s.args[0] == "serve" }

// config is the path of an office's configuration.
func (s *server) config() string { return s.args[2] }

// set changes one line of an office's configuration.
func (s *server) set(t *testing.T, key, value string) {
	t.Helper()
	text, err := os.ReadFile(s.config())
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^` + key + ` = .*$`)
	if n := len(line.FindAll(text, -1)); n != 1 {
		t.Fatalf("%d lines of the configuration set %s", n, key)
	}
	text = line.ReplaceAllLiteral(text, []byte(key+" = "+value))
	if err := os.WriteFile(s.config(), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// awaitOffice waits until an office takes requests.
func (s *server) awaitOffice(t *testing.T) {
	t.Helper()
	eventually(t, limit, "the server is ready", func() bool {
		res, err := http.Get("http://" + s.addr("metrics") + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// metric is the sum of the samples whose name, with labels, begins so.
func (s *server) metric(t *testing.T, name string) float64 {
	t.Helper()
	res, err := http.Get("http://" + s.addr("metrics") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for line := range bytes.Lines(b) {
		sample := strings.TrimSpace(string(line))
		if !strings.HasPrefix(sample, name) {
			continue
		}
		v, err := strconv.ParseFloat(sample[strings.LastIndex(sample, " ")+1:], 64)
		if err != nil {
			t.Fatalf("metric %s: %v", line, err)
		}
		sum += v
	}
	return sum
}

// resident is the memory of the server in MB.
func (s *server) resident(t *testing.T) float64 {
	t.Helper()
	return s.metric(t, "process_resident_memory_bytes") / (1 << 20)
}

// dialFrom connects without a word from another address of this computer.
func (s *server) dialFrom(t *testing.T, transport, ip string) net.Conn {
	t.Helper()
	d := &net.Dialer{Timeout: limit, LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	if transport == "udp" {
		d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(ip)}
	}
	var conn net.Conn
	var err error
	if transport == "tls" {
		conn, err = tls.DialWithDialer(d, "tcp", s.addr("tls"), &tls.Config{InsecureSkipVerify: true})
	} else {
		conn, err = d.Dial(transport, s.addr(transport))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// agentOn gives a user a connection that was made in another way.
func (s *server) agentOn(t *testing.T, user, transport string, conn net.Conn) *agent.Agent {
	t.Helper()
	a := agent.New(agent.Config{Transport: transport, Domain: s.Ready.Domain, User: user, Password: s.Ready.Password}, conn)
	t.Cleanup(a.Close)
	return a
}

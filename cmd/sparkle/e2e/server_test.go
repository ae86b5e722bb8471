package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// program builds the server once for all tests, as `make build` does.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sparkle-e2e")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "sparkle")
	out, err := exec.Command("go", "build", "-tags", "sqlite_fts5", "-o", bin, "..").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the server: %w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// server is a running `sparkle localserve` with the demo organisation.
type server struct {
	dir   string
	bin   string
	cmd   *exec.Cmd
	log   *os.File
	env   []string
	done  chan error
	Ready struct {
		PID    int    `json:"pid"`
		Domain string `json:"domain"`
		TLS    string `json:"tls"`
		UDP    string `json:"udp"`
		TCP    string `json:"tcp"`
		HTTPS  string `json:"https"`
		Socket string `json:"socket"`
		CA     string `json:"ca"`
	}
}

// demoPassword is what localserve gives to every demo user.
const demoPassword = "sparkle-demo"

// startServer starts the program on free ports with an empty directory.
func startServer(t *testing.T, env ...string) *server {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{dir: t.TempDir(), bin: bin, env: env}
	s.log, err = os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	s.start(t)
	t.Cleanup(func() {
		s.stop(t)
		s.log.Close()
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", tail(filepath.Join(s.dir, "log"), 60))
		}
	})
	return s
}

// start runs the program on its directory; after a stop or kill it comes back
// on the ports it had.
func (s *server) start(t *testing.T) {
	t.Helper()
	ready := filepath.Join(s.dir, "ready.json")
	args := []string{"localserve", "--dir", s.dir}
	if s.Ready.TLS == "" {
		args = append(args, "--free-ports")
	} else {
		args = append(args, "--tls", s.Ready.TLS, "--udp", s.Ready.UDP, "--tcp", s.Ready.TCP, "--https", s.Ready.HTTPS)
	}
	os.Remove(ready)
	s.cmd = exec.Command(s.bin, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Env = append(os.Environ(), s.env...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(s.cmd, s.done)
	eventually(t, 30*time.Second, "the server is ready", func() bool {
		b, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(b, &s.Ready) == nil
	})
}

// kill ends the program as a crash does.
func (s *server) kill(t *testing.T) {
	t.Helper()
	s.cmd.Process.Kill()
	<-s.done
}

// stop ends it as an administrator does and expects a clean exit.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if s.cmd.ProcessState != nil {
		return
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.done:
		if err != nil {
			t.Errorf("the server did not end cleanly: %v", err)
		}
	case <-time.After(35 * time.Second):
		t.Error("the server did not end within 35 s of SIGTERM")
		s.cmd.Process.Kill()
		<-s.done
	}
}

// sparkle runs a command of the program against the running server.
func (s *server) sparkle(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.bin, append(args, "--dir", s.dir)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("sparkle %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// addr is the server's address for a transport.
func (s *server) addr(transport string) string {
	switch transport {
	case "tls":
		return s.Ready.TLS
	case "tcp":
		return s.Ready.TCP
	}
	return s.Ready.UDP
}

// agent connects a user by the plain agent of cmd/sipload.
func (s *server) agent(t *testing.T, user, transport string) *agent.Agent {
	t.Helper()
	a, err := agent.Dial(agent.Config{Server: s.addr(transport), Transport: transport, Domain: s.Ready.Domain, User: user, Password: demoPassword})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// short is the time that one exchange may take on a busy machine.
func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for something that another program does.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// freePort finds a port that is free for UDP and TCP, and the next one too.
func freePort(t *testing.T) int {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, uerr := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		n, nerr := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		l.Close()
		if uerr == nil {
			u.Close()
		}
		if nerr == nil {
			n.Close()
		}
		if uerr == nil && nerr == nil {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// tail is the end of a file.
func tail(path string, lines int) string {
	out, _ := exec.Command("tail", "-n", fmt.Sprint(lines), path).Output()
	return string(out)
}

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// limit is how long a busy machine may take for something that takes moments. What
// is waited for ends the waiting.
const limit = time.Minute

// program builds the server once for all tests, as `make build` does.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sparkle-e2e")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "sparkle")
	args := []string{"build", "-tags", "sqlite_fts5", "-o", bin}
	if os.Getenv("SPARKLE_E2E_RACE") != "" {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "..")...).CombinedOutput()
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

// server is a running `sparkle localserve` with the demo organisation, or an
// office (office_test.go).
type server struct {
	dir   string
	bin   string
	port  int // the first of four: UDP and TCP, TLS, HTTPS, metrics
	args  []string
	cmd   *exec.Cmd
	log   *os.File
	env   []string
	done  chan error
	Ready struct {
		PID       int                 `json:"pid"`
		Domain    string              `json:"domain"`
		Password  string              `json:"password"`
		Listeners map[string][]string `json:"listeners"`
		CA        string              `json:"ca"`
	}
}

// startServer starts the program on free ports with an empty directory.
func startServer(t *testing.T, env ...string) *server {
	t.Helper()
	return startServerIn(t, t.TempDir(), env...)
}

// startServerIn starts it with a directory of the caller's.
func startServerIn(t *testing.T, dir string, env ...string) *server {
	t.Helper()
	s := newServer(t, dir, env...)
	s.args = []string{"localserve", "--dir", dir, "--port-base", strconv.Itoa(s.port)}
	s.run(t)
	return s
}

func newServer(t *testing.T, dir string, env ...string) *server {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return &server{dir: dir, bin: bin, port: freePorts(t, 4), env: env}
}

// run starts the server and stops it at the end of the test. Its log is not in
// its directory, so that a fault of that disk is not one of the log.
func (s *server) run(t *testing.T) {
	t.Helper()
	var err error
	s.log, err = os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	s.start(t)
	t.Cleanup(func() {
		s.stop(t)
		s.log.Close()
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", tail(s.log.Name(), 60))
		}
	})
}

// start runs the program on its directory; after a stop or kill it comes back
// on the ports it had.
func (s *server) start(t *testing.T) {
	t.Helper()
	ready := filepath.Join(s.dir, "ready.json")
	os.Remove(ready)
	s.cmd = exec.Command(s.bin, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Env = append(os.Environ(), s.env...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(s.cmd, s.done)
	if s.isOffice() {
		s.awaitOffice(t)
		return
	}
	eventually(t, limit, "the server is ready", func() bool {
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
		s.cmd.Process.Signal(syscall.SIGQUIT) // it tells what every goroutine waits for
		<-s.done
		t.Errorf("the server did not end within 35 s of SIGTERM:\n%s", tail(s.log.Name(), 2000))
	}
}

// sparkle runs a command of the program against the running server.
func (s *server) sparkle(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.try(args...)
	if err != nil {
		t.Fatalf("sparkle %v: %v\n%s", args, err, out)
	}
	return out
}

// try is sparkle for a command that may fail.
func (s *server) try(args ...string) (string, error) {
	out, err := exec.Command(s.bin, append(args, "--data", s.dir)...).CombinedOutput()
	return string(out), err
}

// addr is the server's address for a transport.
func (s *server) addr(transport string) string { return s.Ready.Listeners[transport][0] }

// agent connects a user by the plain agent of cmd/sipload.
func (s *server) agent(t *testing.T, user, transport string) *agent.Agent {
	t.Helper()
	a, err := agent.Dial(agent.Config{Server: s.addr(transport), Transport: transport, Domain: s.Ready.Domain, User: user, Password: s.Ready.Password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// short is the time that one exchange may take. Each takes one of its own.
func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
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

// tail is the end of a file.
func tail(path string, lines int) string {
	out, _ := exec.Command("tail", "-n", fmt.Sprint(lines), path).Output()
	return string(out)
}

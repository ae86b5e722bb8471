//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// sparkleConfig is a server for bench.example on loopback; limits are out of
// the way, durability is not.
const sparkleConfig = `domains = ["bench.example"]
host = "bench.example"
data_dir = "data"

[listen]
udp = ["127.0.0.1:%[1]d"]
tcp = ["127.0.0.1:%[1]d"]
tls = ["127.0.0.1:%[2]d"]
https = []
metrics = "127.0.0.1:%[3]d"

[tls]
certificate = "cert.pem"
key = "key.pem"

[auth]
ban_failures = 0

[calls]
max = 0
max_per_user = 0

[media]
srtp = "prefer"
first_port = 2000
last_port = 32767

[limits]
connections = 100000
connections_per_address = 100000
transactions = 1000000
`

// sparklePort is the port of UDP and TCP; those of TLS and metrics follow.
const sparklePort = 5080

// sparkle is the program on a directory of its own.
type sparkle struct {
	bin, dir string
	port     int
	cmd      *exec.Cmd
}

// newSparkle prepares a server that listens on port and the two behind it.
func newSparkle(bin string, port int) (*sparkle, error) {
	dir, err := os.MkdirTemp("", "sipload-sparkle")
	if err != nil {
		return nil, err
	}
	s := &sparkle{dir: dir, port: port}
	if s.bin, err = filepath.Abs(bin); err == nil {
		err = errors.Join(writeCertificate(dir), os.WriteFile(s.config(), fmt.Appendf(nil, sparkleConfig, port, port+1, port+2), 0o600))
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

func (s *sparkle) config() string { return filepath.Join(s.dir, "sparkle.toml") }

func (s *sparkle) addr() map[string]string {
	plain := fmt.Sprintf("127.0.0.1:%d", s.port)
	return map[string]string{"udp": plain, "tcp": plain, "tls": fmt.Sprintf("127.0.0.1:%d", s.port+1)}
}

// start runs the program until it listens. What it says is added to its log.
func (s *sparkle) start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.bin, "serve", "--config", s.config())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd = cmd
	if err := awaitListener(s.addr()["tls"]); err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("sparkle: %w\n%s", err, text)
	}
	return nil
}

func (s *sparkle) pid() int { return s.cmd.Process.Pid }

// kill ends the program as a crash does; start runs it again on what is there.
func (s *sparkle) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// stop ends the program, if it runs, and removes what it left.
func (s *sparkle) stop() {
	if s.cmd != nil {
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.cmd.Wait()
	}
	os.RemoveAll(s.dir)
}

// startSparkle runs the program with users u000000 … and an empty archive.
func startSparkle(bin string, users int) (*subject, error) {
	s, err := newSparkle(bin, sparklePort)
	if err != nil {
		return nil, err
	}
	if err = s.start(); err == nil {
		err = s.importUsers(users)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	time.Sleep(300 * time.Millisecond) // let what the import left behind settle
	return &subject{name: "sparkle", pid: s.pid(), addr: s.addr(), stop: s.stop}, nil
}

// importUsers makes users u000000 …
func (s *sparkle) importUsers(users int) error {
	var csv strings.Builder
	csv.WriteString("user,password,display name,numbers\n")
	for i := range users {
		fmt.Fprintf(&csv, "u%06d,pw-u%06d,,\n", i, i)
	}
	path := filepath.Join(s.dir, "users.csv")
	if err := os.WriteFile(path, []byte(csv.String()), 0o600); err != nil {
		return err
	}
	if out, err := exec.Command(s.bin, "user", "import", path, "--config", s.config()).CombinedOutput(); err != nil {
		return fmt.Errorf("sparkle user import: %w\n%s", err, out)
	}
	return nil
}

// metricsAddr is where the server tells of itself.
var metricsAddr = net.JoinHostPort("127.0.0.1", fmt.Sprint(sparklePort+2))

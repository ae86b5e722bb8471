//go:build linux

package main

import (
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

const sparkleUDP, sparkleTLS, sparkleMetrics = 5080, 5081, 5082

// startSparkle runs the program with users u000000 … and an empty archive.
func startSparkle(bin string, users int) (*subject, error) {
	dir, err := os.MkdirTemp("", "sipload-sparkle")
	if err != nil {
		return nil, err
	}
	bin, err = filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	if err := writeCertificate(dir); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "sparkle.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, sparkleConfig, sparkleUDP, sparkleTLS, sparkleMetrics), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(bin, "serve", "--config", config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &subject{name: "sparkle", pid: cmd.Process.Pid, addr: map[string]string{
		"udp": fmt.Sprintf("127.0.0.1:%d", sparkleUDP), "tcp": fmt.Sprintf("127.0.0.1:%d", sparkleUDP), "tls": fmt.Sprintf("127.0.0.1:%d", sparkleTLS)}}
	s.stop = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		os.RemoveAll(dir)
	}
	if err := awaitListener(s.addr["tls"]); err != nil {
		text, _ := os.ReadFile(log.Name())
		s.stop()
		return nil, fmt.Errorf("sparkle: %w\n%s", err, text)
	}
	if err := importUsers(bin, config, users); err != nil {
		s.stop()
		return nil, err
	}
	time.Sleep(300 * time.Millisecond) // let what the import left behind settle
	return s, nil
}

func importUsers(bin, config string, users int) error {
	var csv strings.Builder
	csv.WriteString("user,password,display name,numbers\n")
	for i := range users {
		fmt.Fprintf(&csv, "u%06d,pw-u%06d,,\n", i, i)
	}
	path := filepath.Join(filepath.Dir(config), "users.csv")
	if err := os.WriteFile(path, []byte(csv.String()), 0o600); err != nil {
		return err
	}
	if out, err := exec.Command(bin, "user", "import", path, "--config", config).CombinedOutput(); err != nil {
		return fmt.Errorf("sparkle user import: %w\n%s", err, out)
	}
	return nil
}

// metricsAddr is where the server tells of itself.
var metricsAddr = net.JoinHostPort("127.0.0.1", fmt.Sprint(sparkleMetrics))

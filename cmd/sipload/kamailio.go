//go:build linux

package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed kamailio.cfg
var kamailioConfig string

// subject is a server under test, fresh for each run.
type subject struct {
	name string
	pid  int
	addr map[string]string // by transport
	stop func()
}

// startKamailio runs Debian's Kamailio, tuned: the tlsf allocator (the default
// one costs four times as much), no logging, enough memory.
func startKamailio(archive bool) (*subject, error) {
	dir, err := os.MkdirTemp("", "sipload-kamailio")
	if err != nil {
		return nil, err
	}
	if err := writeCertificate(dir); err != nil {
		return nil, err
	}
	config, pidFile := filepath.Join(dir, "kamailio.cfg"), filepath.Join(dir, "pid")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(kamailioConfig, "@DIR@", dir)), 0o600); err != nil {
		return nil, err
	}
	args := []string{"-f", config, "-w", dir, "-Y", dir, "-P", pidFile, "-m", "2048", "-M", "16", "-x", "tlsf", "-X", "tlsf"}
	if archive {
		args = append(args, "-A", "ARCHIVE")
		if err := createArchive(filepath.Join(dir, "archive.sqlite")); err != nil {
			return nil, err
		}
	}
	// It goes to the background, so its output must be a file: a pipe would
	// stay open.
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("kamailio", args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		out, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("kamailio (Debian: kamailio kamailio-tls-modules kamailio-sqlite-modules): %w\n%s", err, out)
	}
	pid, err := awaitPID(pidFile)
	if err != nil {
		return nil, err
	}
	s := &subject{name: "kamailio", pid: pid, addr: map[string]string{"udp": "127.0.0.1:5070", "tcp": "127.0.0.1:5070", "tls": "127.0.0.1:5071"}}
	s.stop = func() {
		syscall.Kill(pid, syscall.SIGTERM)
		for syscall.Kill(pid, 0) == nil {
			time.Sleep(50 * time.Millisecond)
		}
		os.RemoveAll(dir)
	}
	return s, awaitListener(s.addr["tls"])
}

func awaitPID(path string) (int, error) {
	for range 100 {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			return strconv.Atoi(strings.TrimSpace(string(b)))
		}
		time.Sleep(50 * time.Millisecond)
	}
	return 0, fmt.Errorf("%s did not appear within 5 s", path)
}

// createArchive makes the tables that msilo writes to, from Kamailio's own scripts.
func createArchive(path string) error {
	for _, name := range []string{"standard", "msilo"} {
		script, err := os.ReadFile("/usr/share/kamailio/db_sqlite/" + name + "-create.sql")
		if err != nil {
			return fmt.Errorf("kamailio-sqlite-modules: %w", err)
		}
		cmd := exec.Command("sqlite3", path)
		cmd.Stdin = strings.NewReader(string(script))
		cmd.Run() // tables that are there already are no error
	}
	return nil
}

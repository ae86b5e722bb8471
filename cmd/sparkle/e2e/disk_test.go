package e2e

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/sparkleim/sparkle/cmd/sipload/agent"
	"golang.org/x/sys/unix"
)

// While the database cannot be written nothing is accepted: 503 with the time
// to come back, never 2xx. When it can, the server goes on by itself, and all
// that it answered with 2xx is there. An error of the disk in the middle of a
// commit is 500: nobody knows whether it was done.
func TestDiskFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string)
		begin   func(t *testing.T, dir string, pid int) (end func())
		status  int
	}{
		"disk full":   {mountSmall, fillDisk, 503},
		"write error": {nil, limitFiles, 500},
		"locked":      {nil, lockDatabase, 503},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if test.prepare != nil {
				test.prepare(t, dir)
			}
			s := startServerIn(t, dir)
			s.witness(t).close()
			acked := &ledger{}
			alice := s.agent(t, "alice", "tls")
			if !writeUntil(t, s, alice, acked, 202) {
				t.Fatal("nothing is accepted before the fault")
			}
			end := test.begin(t, dir, s.cmd.Process.Pid)
			if !writeUntil(t, s, alice, acked, test.status) {
				t.Errorf("no %d within %v of the fault", test.status, limit)
			}
			for range 3 { // and nothing is accepted while it lasts
				if res := write(t, s, alice, acked); res.Status() < 500 {
					t.Errorf("answered %q", res.Start)
				}
			}
			end()
			if !writeUntil(t, s, alice, acked, 202) {
				t.Errorf("no recovery within %v", limit)
			}
			s.account(t, acked)
		})
	}
}

// write sends a text of 2 kB and keeps it when it was accepted.
func write(t *testing.T, s *server, a *agent.Agent, acked *ledger) *agent.Message {
	t.Helper()
	text := agent.NewID() + strings.Repeat(" 写", 500)
	res, err := a.Do(short(t), &agent.Request{Method: "MESSAGE", URI: "sip:bob@" + s.Ready.Domain, ContentType: "text/plain", Body: text})
	if err != nil {
		t.Fatal(err)
	}
	switch res.Status() {
	case 202:
		acked.add(text)
	case 500, 503:
		if res.Get("retry-after") == "" {
			t.Errorf("%q without Retry-After", res.Start)
		}
	default:
		t.Errorf("answered %q", res.Start)
	}
	return res
}

// writeUntil writes until an answer has the status.
func writeUntil(t *testing.T, s *server, a *agent.Agent, acked *ledger, status int) bool {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if write(t, s, a, acked).Status() == status {
			return true
		}
	}
	return false
}

// mountSmall makes dir a disk of 12 MB.
func mountSmall(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("only who may mount can fill a disk: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
}

// fillDisk leaves no byte.
func fillDisk(t *testing.T, dir string, _ int) (end func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; size /= 2 {
		for _, err = file.Write(make([]byte, size)); err == nil; {
			_, err = file.Write(make([]byte, size))
		}
	}
	file.Close()
	return func() { os.Remove(path) }
}

// limitFiles makes every write beyond 1 kB of a file fail.
func limitFiles(t *testing.T, _ string, pid int) (end func()) {
	t.Helper()
	var before unix.Rlimit
	set := func(soft uint64, old *unix.Rlimit) {
		if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: soft, Max: unix.RLIM_INFINITY}, old); err != nil {
			t.Fatal(err)
		}
	}
	set(1024, &before)
	return func() { set(before.Cur, nil) }
}

// lockDatabase holds the write lock as another program may.
func lockDatabase(t *testing.T, dir string, _ int) (end func()) {
	t.Helper()
	db, err := sql.Open("sqlite3", fmt.Sprintf("file:%s?_txlock=immediate&_busy_timeout=10000", filepath.Join(dir, "main.db")))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		tx.Rollback()
		db.Close()
	}
}

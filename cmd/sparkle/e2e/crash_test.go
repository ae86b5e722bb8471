package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// Killed at a random moment 50 times under load, the server has every message
// that it answered with 2xx in its archive exactly once and delivers it; it is
// ready again within 5 s each time.
func TestKillUnderLoad(t *testing.T) {
	s := startServer(t)
	s.witness(t).close()
	s.stop(t)
	began := time.Now()
	s.start(t)
	calm := time.Since(began) // how slow this computer is
	acked := &ledger{}
	var slowest time.Duration
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		s.underLoad(t, round, acked)
		began = time.Now()
		s.start(t)
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("%d messages answered 2xx over %d kills; slowest restart %v, without load %v", acked.len(), rounds, slowest, calm)
	if slowest > max(5*time.Second, 5*calm) {
		t.Errorf("slowest restart %v", slowest)
	}
	s.account(t, acked)
}

// A power cut keeps only what was synced to the disk: a shim keeps such a copy,
// and the server that starts from it has everything it answered with 2xx.
func TestPowerCut(t *testing.T) {
	shim := filepath.Join(t.TempDir(), "powercut.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-O1", "-o", shim, "../../../testdata/powercut/powercut.c", "-ldl", "-lpthread").CombinedOutput(); err != nil {
		t.Fatalf("building the power-cut shim: %v\n%s", err, out)
	}
	for round := range 3 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			synced := t.TempDir()
			s := startServer(t, "LD_PRELOAD="+shim, "POWERCUT_DIR="+synced)
			s.witness(t).close()
			acked := &ledger{}
			s.underLoad(t, round, acked)
			s.loseUnsynced(t, synced)
			s.env = nil
			s.start(t)
			t.Logf("%d messages answered 2xx", acked.len())
			s.account(t, acked)
		})
	}
}

// loseUnsynced replaces the database files by what the shim saw synced.
func (s *server) loseUnsynced(t *testing.T, synced string) {
	t.Helper()
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".db") {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		kept, err := os.ReadFile(filepath.Join(synced, d.Name()))
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(path, kept, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ledger is what the server promised.
type ledger struct {
	mu    sync.Mutex
	texts []string
}

func (l *ledger) add(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.texts = append(l.texts, text)
}

func (l *ledger) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.texts)
}

// underLoad lets four flows write to bob, who is sometimes there, and kills the
// server in the middle.
func (s *server) underLoad(t *testing.T, round int, acked *ledger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var wg sync.WaitGroup
	for w, user := range []string{"alice", "zhangsan", "lisi", "alice"} {
		wg.Go(func() {
			a, err := agent.Dial(agent.Config{Server: s.addr("tls"), Transport: "tls", Domain: s.Ready.Domain, User: user, Password: s.Ready.Password})
			if err != nil {
				return // the server has just been killed
			}
			defer a.Close()
			for i := 0; ; i++ {
				text := fmt.Sprintf("round %d writer %d text %d", round, w, i)
				if _, err := a.Message(ctx, "bob", text); err != nil {
					return
				}
				acked.add(text)
			}
		})
	}
	if round%2 == 0 {
		if bob, err := agent.Dial(agent.Config{Server: s.addr("tls"), Transport: "tls", Domain: s.Ready.Domain, User: "bob", Password: s.Ready.Password, Instance: "urn:uuid:00000000-0000-4000-8000-0000000000b0"}); err == nil {
			defer bob.Close()
			bob.Register(ctx, 600)
		}
	}
	time.Sleep(150*time.Millisecond + rand.N(450*time.Millisecond))
	s.kill(t)
	cancel()
	wg.Wait()
}

// account compares the promises with the archive and with what a device gets.
func (s *server) account(t *testing.T, acked *ledger) {
	t.Helper()
	archived := map[string]int{}
	for line := range strings.Lines(s.sparkle(t, "message", "export")) {
		var m struct {
			Text string `json:"text"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("export line %q: %v", line, err)
		}
		archived[m.Text]++
	}
	missing, double := 0, 0
	for _, text := range acked.texts {
		switch archived[text] {
		case 0:
			missing++
		case 1:
		default:
			double++
		}
	}
	if missing+double > 0 {
		t.Errorf("of %d messages answered 2xx %d are not in the archive and %d are there twice", acked.len(), missing, double)
	}
	witness := s.witness(t)
	eventually(t, 3*limit, "the device that was away has every message", func() bool { return witness.len() >= len(archived) })
	for _, text := range acked.texts {
		if !witness.has(text) {
			t.Errorf("%q was answered 2xx and did not reach the device", text)
		}
	}
	if out := s.sparkle(t, "verify"); !strings.Contains(out, "no problems") {
		t.Errorf("verify: %s", out)
	}
}

// witness is a device of bob's that was there before the first message and is
// away until the last.
func (s *server) witness(t *testing.T) *recorder {
	return s.recorder(t, "bob", "urn:uuid:00000000-0000-4000-8000-0000000000b1")
}

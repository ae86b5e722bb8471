package sqldb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// The child that is killed is this test binary; childEnv names its directory.
// careless makes it commit without waiting for the disk.
const (
	childEnv = "SPARKLE_CRASH_CHILD"
	careless = "SPARKLE_CRASH_CARELESS"
)

// rounds is how often a crash is tried: SPARKLE_CRASH_ROUNDS, or a few.
func rounds(t *testing.T) int {
	text := os.Getenv("SPARKLE_CRASH_ROUNDS")
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("SPARKLE_CRASH_ROUNDS: %v", err)
	}
	return n
}

// TestCrashChild is the process that is killed: it appends from several
// goroutines, moves cursors, and prints each accepted message.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("runs only as the child of the crash tests")
	}
	db := openTest(t, Config{Dir: dir})
	if os.Getenv(careless) != "" {
		db.dialect.durable = db.dialect.relaxed
		if _, err := db.writer.conn.ExecContext(t.Context(), db.dialect.relaxed); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := db.Group(t.Context(), 1); err != nil {
		makeGroup(t, db)
	}
	var out sync.Mutex
	var forever sync.WaitGroup
	for range 8 {
		forever.Go(func() {
			for {
				m := crashMessage()
				a, err := appendWait(db, m)
				if err != nil {
					t.Error(err)
					return
				}
				db.Delivered(a.Conversation, a.Seq, store.Delivery{GID: a.GID, Device: 1, Status: 200, At: a.At})
				out.Lock()
				fmt.Printf("accepted %d %d %d %x\n", a.GID, a.Conversation, a.Seq, m.Dedup)
				out.Unlock()
			}
		})
	}
	forever.Wait()
}

func crashMessage() *store.NewMessage {
	m := &store.NewMessage{Kind: store.KindText, From: store.UserID(1 + rand.IntN(5)), To: store.UserID(1 + rand.IntN(5)), Body: []byte("x")}
	if rand.IntN(3) == 0 {
		m.To, m.Group = 0, 1
	}
	binary.BigEndian.PutUint64(m.Dedup[:], rand.Uint64())
	binary.BigEndian.PutUint64(m.Dedup[8:], rand.Uint64())
	return m
}

func appendWait(db *DB, m *store.NewMessage) (store.Accepted, error) {
	type answer struct {
		accepted store.Accepted
		err      error
	}
	c := make(chan answer, 1)
	db.Append(m, func(a store.Accepted, err error) { c <- answer{a, err} })
	got := <-c
	return got.accepted, got.err
}

// accepted is what a child was told.
type accepted struct {
	gid, conv, seq int64
	dedup          string
}

// crash runs a child on dir and kills it after a while.
func crash(t *testing.T, dir string, env ...string) []accepted {
	child := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	child.Env = append(append(os.Environ(), childEnv+"="+dir), env...)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var told []accepted
	lines := bufio.NewScanner(out)
	var kill *time.Timer
	for lines.Scan() {
		a, ok := parseAccepted(lines.Text())
		if !ok {
			continue
		}
		if kill == nil { // the first: it is under way
			kill = time.AfterFunc(time.Duration(50+rand.IntN(150))*time.Millisecond, func() { child.Process.Kill() })
		}
		told = append(told, a)
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	if len(told) == 0 {
		t.Fatal("the child accepted nothing")
	}
	return told
}

// parseAccepted reads a line of the child; the last one may be cut off.
func parseAccepted(line string) (a accepted, ok bool) {
	n, err := fmt.Sscanf(line, "accepted %d %d %d %s", &a.gid, &a.conv, &a.seq, &a.dedup)
	return a, err == nil && n == 4 && len(a.dedup) == 32
}

// checkCrash opens what is left and looks for every message that was accepted.
func checkCrash(t *testing.T, dir string, told []accepted) {
	start := time.Now()
	db, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("opening took %v", took)
	}
	found := make(map[accepted]int)
	err = db.Export(t.Context(), store.SearchQuery{}, func(m *store.Message) error {
		found[accepted{m.GID, int64(m.Conversation), m.Seq, fmt.Sprintf("%x", m.NewMessage.Dedup)}]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, a := range told {
		if found[a] != 1 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d accepted messages are not there exactly once", lost, len(told))
	}
	var report strings.Builder
	if problems, err := db.Verify(t.Context(), &report); err != nil || problems > 0 {
		t.Errorf("%d problems, %v\n%s", problems, err, &report)
	}
	checkGoesOn(t, db, found)
}

// checkGoesOn makes sure that a message after the crash follows those before.
func checkGoesOn(t *testing.T, db *DB, found map[accepted]int) {
	a, err := appendWait(db, crashMessage())
	if err != nil {
		t.Fatal(err)
	}
	var last, newest int64
	for b := range maps.Keys(found) {
		newest = max(newest, b.gid)
		if b.conv == int64(a.Conversation) {
			last = max(last, b.seq)
		}
	}
	if a.Seq != last+1 || a.GID <= newest {
		t.Errorf("after seq %d and gid %d comes %+v", last, newest, a)
	}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	var told []accepted
	for range rounds(t) {
		told = append(told, crash(t, dir)...)
		checkCrash(t, dir, told)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d messages accepted", len(told))
}

// TestPowerCut keeps only what was synced, see testdata/powercut.
func TestPowerCut(t *testing.T) {
	shim := buildShim(t)
	total := 0
	for range rounds(t) {
		dir, left := t.TempDir(), t.TempDir()
		makeStore(t, dir, left)
		told := crash(t, dir, "LD_PRELOAD="+shim, "POWERCUT_DIR="+left)
		total += len(told)
		checkCrash(t, left, told)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d messages accepted", total)
}

// makeStore makes an empty store in dir, and a copy of it in left: what was
// there before the load.
func makeStore(t *testing.T, dir, left string) {
	db, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
}

func buildShim(t *testing.T) string {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("NO POWER CUT WAS TRIED: gcc is not installed")
	}
	shim := filepath.Join(t.TempDir(), "powercut.so")
	if out, err := exec.Command(gcc, "-shared", "-fPIC", "-O2", "-o", shim, "../../testdata/powercut/powercut.c", "-ldl", "-lpthread").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return shim
}

// TestPowerCutFindsLoss makes sure that the power cut is one: with commits that
// do not wait for the disk, it loses messages.
func TestPowerCutFindsLoss(t *testing.T) {
	shim := buildShim(t)
	dir, left := t.TempDir(), t.TempDir()
	makeStore(t, dir, left)
	told := crash(t, dir, "LD_PRELOAD="+shim, "POWERCUT_DIR="+left, careless+"=1")
	db := openTest(t, Config{Dir: left})
	stats, err := db.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Messages >= int64(len(told)) {
		t.Errorf("%d messages survived of %d that were never synced", stats.Messages, len(told))
	}
}

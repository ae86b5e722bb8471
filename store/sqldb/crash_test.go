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
// goroutines, moves cursors, lets somebody come into a group and leave it, and prints
// each accepted message and change.
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
		if _, err := db.AddUser(t.Context(), store.User{Username: "guest", Domain: "d"}, nil); err != nil {
			t.Fatal(err)
		}
		makeGroup(t, db)
	}
	var out sync.Mutex
	var forever sync.WaitGroup
	forever.Go(func() {
		for {
			c, err := comeOrGo(t, db)
			if err != nil {
				t.Error(err)
				return
			}
			out.Lock()
			fmt.Printf("changed %d\n", c.Group.Version)
			out.Unlock()
		}
	})
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

const guest = store.UserID(1)

// comeOrGo makes the guest a member of the group, which he is in even versions, or
// takes him out. The notice tells the version.
func comeOrGo(t *testing.T, db *DB) (store.GroupChange, error) {
	g, _, err := db.Group(t.Context(), 1)
	if err != nil {
		return store.GroupChange{}, err
	}
	next := g.Version + 1
	c := store.GroupChange{
		Group: g, Backlog: 3, Events: []store.GroupEvent{{Version: next, Action: "join", User: guest}},
		Notices: []store.NewMessage{{Kind: store.KindNotice, Group: 1, Text: fmt.Sprint("version ", next)}},
	}
	if next%2 == 0 {
		c.Set = []store.Member{{User: guest, Role: store.RoleMember}}
	} else {
		c.Remove = []store.UserID{guest}
	}
	c, _, err = db.ChangeGroup(t.Context(), c)
	return c, err
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

// accepted is a message that a child was told of.
type accepted struct {
	gid, conv, seq int64
	dedup          string
}

// promises are what children were told.
type promises struct {
	messages []accepted
	version  int64 // of the group
}

// crash runs a child on dir, kills it after a while, and adds what it was told.
func crash(t *testing.T, dir string, told *promises, env ...string) {
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
	before := len(told.messages)
	lines := bufio.NewScanner(out)
	var kill *time.Timer
	for lines.Scan() {
		var version int64
		if n, _ := fmt.Sscanf(lines.Text(), "changed %d", &version); n == 1 {
			told.version = version
			continue
		}
		a, ok := parseAccepted(lines.Text())
		if !ok {
			continue
		}
		if kill == nil { // the first: it is under way
			kill = time.AfterFunc(time.Duration(50+rand.IntN(150))*time.Millisecond, func() { child.Process.Kill() })
		}
		told.messages = append(told.messages, a)
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	if len(told.messages) == before {
		t.Fatal("the child accepted nothing")
	}
}

// parseAccepted reads a line of the child; the last one may be cut off.
func parseAccepted(line string) (a accepted, ok bool) {
	n, err := fmt.Sscanf(line, "accepted %d %d %d %s", &a.gid, &a.conv, &a.seq, &a.dedup)
	return a, err == nil && n == 4 && len(a.dedup) == 32
}

// checkCrash opens what is left and looks for every message that was accepted, and
// for the group as it was.
func checkCrash(t *testing.T, dir string, told *promises) {
	start := time.Now()
	db, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("opening took %v", took)
	}
	found, notices := make(map[accepted]int), make(map[string]int)
	err = db.Export(t.Context(), store.SearchQuery{}, func(m *store.Message) error {
		if m.Kind == store.KindNotice {
			notices[m.Text]++
		}
		found[accepted{m.GID, int64(m.Conversation), m.Seq, fmt.Sprintf("%x", m.NewMessage.Dedup)}]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, a := range told.messages {
		if found[a] != 1 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d accepted messages are not there exactly once", lost, len(told.messages))
	}
	var report strings.Builder
	if problems, err := db.Verify(t.Context(), &report); err != nil || problems > 0 {
		t.Errorf("%d problems, %v\n%s", problems, err, &report)
	}
	checkGoesOn(t, db, found)
	checkGroup(t, db, told.version, notices)
}

// checkGroup makes sure that changes of the group are whole, or not there: who is in
// it, what it says of that, and its version. One change may have been done and not
// told.
func checkGroup(t *testing.T, db *DB, told int64, notices map[string]int) {
	g, members, err := db.Group(t.Context(), 1)
	if errors.Is(err, store.ErrNotFound) && told == 0 {
		return // the power failed before it was made
	}
	if err != nil {
		t.Fatal(err)
	}
	if g.Version < told {
		t.Errorf("the group has version %d, told was %d", g.Version, told)
	}
	if in := len(members) == 1; in != (g.Version%2 == 0) {
		t.Errorf("in version %d the members are %+v", g.Version, members)
	}
	for v := int64(2); v <= g.Version; v++ {
		if n := notices[fmt.Sprint("version ", v)]; n != 1 {
			t.Errorf("the notice of version %d of %d is there %d times", v, g.Version, n)
		}
	}
	events, err := db.GroupEvents(t.Context(), 1, 0, int(g.Version)+2)
	if err != nil || int64(len(events)) != g.Version {
		t.Errorf("%d events in version %d, %v", len(events), g.Version, err)
	}
	if c, err := comeOrGo(t, db); err != nil || c.Group.Version != g.Version+1 {
		t.Errorf("version %d comes after %d, %v", c.Group.Version, g.Version, err)
	}
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
	var told promises
	for range rounds(t) {
		crash(t, dir, &told)
		checkCrash(t, dir, &told)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d messages and %d changes accepted", len(told.messages), told.version)
}

// TestPowerCut keeps only what was synced, see testdata/powercut.
func TestPowerCut(t *testing.T) {
	shim := buildShim(t)
	messages, changes := 0, int64(0)
	for range rounds(t) {
		dir, left := t.TempDir(), t.TempDir()
		makeStore(t, dir, left)
		var told promises
		crash(t, dir, &told, "LD_PRELOAD="+shim, "POWERCUT_DIR="+left)
		messages, changes = messages+len(told.messages), changes+told.version
		checkCrash(t, left, &told)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d messages and %d changes accepted", messages, changes)
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
	var told promises
	crash(t, dir, &told, "LD_PRELOAD="+shim, "POWERCUT_DIR="+left, careless+"=1")
	db := openTest(t, Config{Dir: left})
	stats, err := db.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Messages >= int64(len(told.messages)) {
		t.Errorf("%d messages survived of %d that were never synced", stats.Messages, len(told.messages))
	}
}

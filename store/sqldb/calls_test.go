package sqldb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// callCrashEnv names the directory of the child that TestKillKeepsCalls kills.
const callCrashEnv = "SPARKLE_CALL_CRASH_CHILD"

// TestCallCrashChild saves calls, each three times, and prints when.
func TestCallCrashChild(t *testing.T) {
	dir := os.Getenv(callCrashEnv)
	if dir == "" {
		t.Skip("runs only as the child of TestKillKeepsCalls")
	}
	db := openTest(t, Config{Dir: dir})
	for {
		for status := range 3 {
			if status == 0 {
				<-time.After(3 * time.Millisecond)
			}
			fmt.Println("saved", saveStage(db, status), status, time.Now().UnixMilli())
		}
	}
}

// saveStage saves a call that got as far as status.
func saveStage(db *DB, status int) int64 {
	r := &store.CallRecord{ID: db.NewCallID(), CallID: "c", Started: time.Now(), Status: status}
	for i := range status + 1 {
		stage := *r
		stage.Status = i
		db.SaveCall(&stage)
	}
	return r.ID
}

// TestKillKeepsCalls kills a server in the midst of calls: what was saved a
// second before is there, in its last state.
func TestKillKeepsCalls(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestCallCrashChild$")
	child.Env = append(os.Environ(), callCrashEnv+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	type saved struct {
		id     int64
		status int
		at     int64
	}
	var told []saved
	var killed int64
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var s saved
		if n, _ := fmt.Sscanf(lines.Text(), "saved %d %d %d", &s.id, &s.status, &s.at); n < 3 {
			continue
		}
		told = append(told, s)
		if killed == 0 && s.at-told[0].at > 1800 {
			killed = time.Now().UnixMilli()
			child.Process.Kill()
		}
	}
	child.Wait()
	db := openTest(t, Config{Dir: dir})
	checked := 0
	for _, s := range told {
		if s.at > killed-1000 {
			break
		}
		checked++
		if r, err := db.Call(t.Context(), s.id); err != nil || r.Status != s.status {
			t.Fatalf("call %d, saved %d ms before the end with status %d: %d, %v", checked, killed-s.at, s.status, r.Status, err)
		}
	}
	if checked < 100 {
		t.Errorf("only %d calls were old enough to look for", checked)
	}
	if open, err := db.OpenCalls(t.Context()); err != nil || len(open) < checked {
		t.Errorf("%d calls are open, %v", len(open), err)
	}
	if last := told[len(told)-1].id; db.NewCallID() <= last {
		t.Error("an ID of before the crash was given again")
	}
	wantSound(t, db)
}

// TestCallIndex has more calls than are looked through one by one, and some
// that end only after those around them are indexed.
func TestCallIndex(t *testing.T) {
	db := openTest(t, Config{})
	var late []store.CallRecord
	for i := range 2*callChunk + 10 {
		r := store.CallRecord{ID: db.NewCallID(), CallID: fmt.Sprint("c", i), Started: db.cfg.Now()}
		r.Caller.User, r.Callee.User = store.UserID(1+i%10), store.UserID(100+i%7)
		if i%500 == 3 {
			late = append(late, r)
		} else {
			r.Ended = &r.Started
		}
		db.SaveCall(&r)
	}
	check := func(when string) {
		t.Helper()
		for _, c := range []struct {
			name string
			q    store.CallQuery
			want int
		}{
			{"of a caller", store.CallQuery{User: 4}, (2*callChunk + 10) / 10},
			{"of a callee", store.CallQuery{User: 101}, 573},
			{"by Call-ID", store.CallQuery{CallID: "c1234"}, 1},
			{"by the Call-ID of one that goes on", store.CallQuery{CallID: "c503"}, 1},
			{"by one of the newest", store.CallQuery{CallID: fmt.Sprint("c", 2*callChunk+5)}, 1},
			{"by another", store.CallQuery{CallID: "c"}, 0},
		} {
			c.q.Limit = maxFound
			if found, err := db.ListCalls(t.Context(), c.q); err != nil || len(found) != c.want {
				t.Errorf("%s, %s: %d calls, want %d, %v", when, c.name, len(found), c.want, err)
			}
		}
		wantSound(t, db)
	}
	check("before")
	if err := db.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rest := db.countRows(t, callsNotIndexed); rest != 10+len(late) {
		t.Errorf("%d calls are not indexed, want %d", rest, 10+len(late))
	}
	check("indexed")
	for i := range late {
		late[i].Ended = &late[i].Started
		db.SaveCall(&late[i])
	}
	check("all over")
	if rest := db.countRows(t, callsNotIndexed); rest != 10 {
		t.Errorf("%d calls are not indexed, want 10", rest)
	}
}

func (db *DB) countRows(t *testing.T, query string) (n int) {
	t.Helper()
	if err := db.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM (`+query+`)`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestListCallsEnds says that time ran out, not what the engine says of it.
func TestListCallsEnds(t *testing.T) {
	db := openTest(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if _, err := db.ListCalls(ctx, store.CallQuery{Text: "nobody"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without time: %v", err)
	}
}

// TestCallsAreNoBurden keeps at most maxCalls records in memory while the disk
// fails, the newest state of each.
func TestCallsAreNoBurden(t *testing.T) {
	r := newRelaxed()
	for id := range int64(maxCalls + 5) {
		first, kept := r.save(&store.CallRecord{ID: id})
		if first != (id == 0) || kept != (id < maxCalls) {
			t.Fatalf("record %d: first %v, kept %v", id, first, kept)
		}
	}
	if _, kept := r.save(&store.CallRecord{ID: 7, Status: 200}); !kept || r.waiting.calls[7].Status != 200 {
		t.Error("a record that waits did not take a newer state")
	}
	taken := r.take(1 << 20)
	r.save(&store.CallRecord{ID: 7, Status: 486})
	r.finish(false)
	if len(r.waiting.calls) != len(taken.calls) || r.waiting.calls[7].Status != 486 {
		t.Error("a newer state was lost with the transaction")
	}
}

// TestCallsWaitForCompany states how long: a second, less what a commit takes,
// unless something else is written before.
func TestCallsWaitForCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelaxed()
		due := func() time.Duration {
			at, _ := r.due(relaxedWait)
			return time.Until(at)
		}
		if first, _ := r.save(&store.CallRecord{ID: 1}); !first || due() != relaxedWait+callPatience || due() > 800*time.Millisecond {
			t.Errorf("a call is written after %v", due())
		}
		time.Sleep(callPatience / 2)
		if first, _ := r.save(&store.CallRecord{ID: 2}); first || due() != relaxedWait+callPatience/2 {
			t.Errorf("with a second one after %v", due())
		}
		if first := r.add(func(s *relaxedSet) { s.starts[1] = 1 }); !first || due() != relaxedWait {
			t.Errorf("with something else after %v", due())
		}
		r.hurry()
		if due() > 0 {
			t.Errorf("asked for, after %v", due())
		}
	})
}

// TestSealedTrunk looks for a password in the files.
func TestSealedTrunk(t *testing.T) {
	db := openTest(t, Config{})
	tr := store.Trunk{Name: "telco", Username: "u", Password: "correct-horse-battery"}
	tr, err := db.SetTrunk(t.Context(), tr)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{db.path, db.path + "-wal"} {
		if b, err := os.ReadFile(name); err != nil || strings.Contains(string(b), tr.Password) {
			t.Errorf("the password stands in %s, %v", name, err)
		}
	}
	if _, err := db.writer.conn.ExecContext(t.Context(), `UPDATE trunk SET id = 77`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Trunks(t.Context()); err == nil {
		t.Error("a password was opened in another row")
	}
	var report reportWriter
	if problems, err := db.Verify(t.Context(), &report); err != nil || problems != 1 {
		t.Errorf("%d problems, %v\n%s", problems, err, report)
	}
}

// TestVerifyCalls breaks each rule about calls once.
func TestVerifyCalls(t *testing.T) {
	for _, damage := range []string{
		`UPDATE call_record SET attempts = '[{'`,
		`DELETE FROM call_trunk`,
		`UPDATE mark SET value = 9223372036854775807 WHERE name = 'calls'`,
		`UPDATE call_setting SET user_id = 99`,
		`DELETE FROM class_of_service`,
		`UPDATE hunt_group SET record = 'x'`,
		`DELETE FROM hunt_address WHERE name = 'sales'`,
		`DELETE FROM hunt_group`,
		`INSERT INTO address (domain, name, user_id, ordinal) VALUES ('example.com', '2000', 1, 9)`,
		`UPDATE trunk SET record = ''`,
	} {
		t.Run(damage, func(t *testing.T) {
			db := openTest(t, Config{})
			ctx := t.Context()
			alice, err := db.AddUser(ctx, store.User{Username: "alice", Domain: "example.com"}, nil)
			for _, do := range []func() error{
				func() error { _, err := db.SetClass(ctx, store.ClassOfService{Name: "c"}); return err },
				func() error {
					_, err := db.SetCallSettings(ctx, store.CallSettings{User: alice.ID, Class: "c"})
					return err
				},
				func() error {
					_, err := db.SetHuntGroup(ctx, store.HuntGroup{Name: "sales", Numbers: []string{"2000"}})
					return err
				},
				func() error { _, err := db.SetTrunk(ctx, store.Trunk{Name: "telco"}); return err },
			} {
				if err == nil {
					err = do()
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			now := db.cfg.Now()
			db.SaveCall(&store.CallRecord{ID: db.NewCallID(), Started: now, Ended: &now, Caller: store.CallParty{User: alice.ID}, Callee: store.CallParty{Trunk: "telco"}})
			db.settleCalls(ctx)
			wantSound(t, db)
			if _, err := db.writer.conn.ExecContext(ctx, damage); err != nil {
				t.Fatal(err)
			}
			var report reportWriter
			if problems, err := db.Verify(ctx, &report); err != nil || problems == 0 {
				t.Errorf("the damage was not found: %v\n%s", err, report)
			}
		})
	}
}

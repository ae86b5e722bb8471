package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// until asks again until it is true, or the test ends.
func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ask(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func chat(from, to store.UserID, body string) *store.NewMessage {
	return &store.NewMessage{Kind: store.KindText, From: from, To: to, Body: []byte(body), Text: body}
}

// limitPages makes the database full when it has that many pages; 0 for no
// limit worth the name.
func limitPages(t *testing.T, db *DB, n int) {
	t.Helper()
	if n == 0 {
		n = 1 << 30
	}
	if _, err := db.writer.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count=%d", n)); err != nil {
		t.Fatal(err)
	}
}

func TestDiskFull(t *testing.T) {
	db := openTest(t, Config{})
	before, err := appendWait(db, chat(1, 2, "before"))
	if err != nil {
		t.Fatal(err)
	}
	limitPages(t, db, 1) // no page more than there are
	big := make([]byte, 1<<20)
	if _, err := appendWait(db, chat(1, 2, string(big))); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("append to a full disk: %v", err)
	}
	if db.Healthy() == nil {
		t.Error("a full disk is healthy")
	}
	db.Delivered(before.Conversation, before.Seq, store.Delivery{GID: before.GID, Device: 5, Status: 200, Rendering: string(big), At: before.At})
	limitPages(t, db, 0)
	until(t, "recovery without traffic", func() bool { return db.Healthy() == nil })
	after, err := appendWait(db, chat(2, 1, "after"))
	if err != nil {
		t.Fatal(err)
	}
	if after.Seq != before.Seq+1 || after.Conversation != before.Conversation {
		t.Errorf("after the recovery at %+v, before at %+v", after, before)
	}
	until(t, "the delivery from the bad time", func() bool {
		ds, err := db.Deliveries(t.Context(), before.GID)
		return err == nil && len(ds) == 1
	})
	wantSound(t, db)
}

func TestNewConversationOnFullDisk(t *testing.T) {
	db := openTest(t, Config{})
	limitPages(t, db, 1)
	big := string(make([]byte, 1<<20))
	if _, err := appendWait(db, chat(1, 2, big)); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("append to a full disk: %v", err)
	}
	limitPages(t, db, 0)
	// The row of the conversation was undone with the message.
	if a, err := appendWait(db, chat(1, 2, big)); err != nil || a.Seq != 1 {
		t.Errorf("afterwards: %+v, %v", a, err)
	}
	wantSound(t, db)
}

// TestGroupOnFullDisk: a change that the disk has no room for leaves nothing
// behind, in the database or in memory.
func TestGroupOnFullDisk(t *testing.T) {
	db := openTest(t, Config{})
	var ids []store.UserID
	for _, name := range []string{"a", "b"} {
		u, err := db.AddUser(t.Context(), store.User{Username: name, Domain: "d"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	d, err := db.TouchDevice(t.Context(), store.Device{User: ids[1], Instance: "b"})
	if err != nil {
		t.Fatal(err)
	}
	g := makeGroup(t, db, ids[0])
	mustAppend(t, db, &store.NewMessage{Kind: store.KindText, From: ids[0], Group: g.ID, Text: "before"})
	change := store.GroupChange{
		Group: g, Set: []store.Member{{User: ids[1], Role: store.RoleMember}}, Backlog: 1,
		Events: []store.GroupEvent{{Version: 2, Action: "join"}},
		Notices: []store.NewMessage{
			{Kind: store.KindNotice, Text: "small"},
			{Kind: store.KindNotice, Body: make([]byte, 1<<20), Text: "big"}},
	}
	limitPages(t, db, 1)
	if _, _, err := db.ChangeGroup(t.Context(), change); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("change on a full disk: %v", err)
	}
	if got := mustPending(t, db, ids[1], d.ID); len(got) != 0 {
		t.Errorf("pending for who could not come: %q", got)
	}
	limitPages(t, db, 0)
	until(t, "recovery", func() bool { return db.Healthy() == nil })
	_, notices, err := db.ChangeGroup(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	if notices[0].Seq != 2 || notices[1].Seq != 3 {
		t.Errorf("notices at %+v", notices)
	}
	if got := fmt.Sprint(mustPending(t, db, ids[1], d.ID)); got != "[before small big]" {
		t.Errorf("pending: %s", got)
	}
	wantSound(t, db)
}

func wantSound(t *testing.T, db *DB) {
	t.Helper()
	var report reportWriter
	if problems, err := db.Verify(t.Context(), &report); err != nil || problems > 0 {
		t.Errorf("%d problems, %v\n%s", problems, err, report)
	}
}

type reportWriter []byte

func (w *reportWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// TestLocked lets another process, as it were, hold the write lock.
func TestLocked(t *testing.T) {
	db := openTest(t, Config{})
	if _, err := db.writer.conn.ExecContext(t.Context(), "PRAGMA busy_timeout=50"); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite3", sqliteURI(db.path, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := appendWait(db, chat(1, 2, "locked out")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("append to a locked database: %v", err)
	}
	if err := db.Record(t.Context(), store.AuditEntry{Action: "x"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("record in a locked database: %v", err)
	}
	if err := db.Healthy(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a locked database: %v", err)
	}
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	until(t, "recovery without traffic", func() bool { return db.Healthy() == nil })
	if a, err := appendWait(db, chat(1, 2, "in")); err != nil || a.Seq != 1 {
		t.Errorf("afterwards: %+v, %v", a, err)
	}
}

// block keeps the writer busy until release is called.
func block(db *DB) (release func()) {
	hold, began, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		db.write(context.Background(), func(tx) error {
			close(began)
			<-hold
			return nil
		})
	}()
	<-began
	return func() {
		close(hold)
		<-ended
	}
}

func TestQueueFull(t *testing.T) {
	db := openTest(t, Config{Queue: 10})
	release := block(db)
	var all sync.WaitGroup
	all.Add(10)
	for range 10 {
		db.Append(chat(1, 2, "waits"), func(_ store.Accepted, err error) {
			if err != nil {
				t.Error(err)
			}
			all.Done()
		})
	}
	var refused error
	db.Append(chat(1, 2, "too many"), func(_ store.Accepted, err error) { refused = err })
	if !errors.Is(refused, store.ErrUnavailable) {
		t.Errorf("the eleventh: %v", refused)
	}
	release()
	all.Wait()
}

func TestGivenUpBeforeItBegan(t *testing.T) {
	db := openTest(t, Config{})
	release := block(db)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.AddUser(ctx, store.User{Username: "a", Domain: "d"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while it waited: %v", err)
	}
	release()
	if us, err := db.ListUsers(t.Context(), "", 0, 10); err != nil || len(us) != 0 {
		t.Errorf("what was given up was done: %+v, %v", us, err)
	}
}

func TestOneFailureOfABatchIsItsOwn(t *testing.T) {
	db := openTest(t, Config{})
	release := block(db)
	var errs [3]error
	var all sync.WaitGroup
	for i, name := range []string{"a", "a", "b"} {
		started := db.writer.queue.len()
		all.Go(func() {
			_, errs[i] = db.AddUser(t.Context(), store.User{Username: name, Domain: "d", Numbers: []string{"7" + name}}, nil)
		})
		until(t, "it waits", func() bool { return db.writer.queue.len() > started })
	}
	release()
	all.Wait()
	if errs[0] != nil || !errors.Is(errs[1], store.ErrConflict) || errs[2] != nil {
		t.Errorf("errors %v", errs)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	db := openTest(t, Config{})
	if second, err := Open(Config{Dir: db.cfg.Dir}); err == nil {
		second.Close()
		t.Error("two stores in one directory")
	} else {
		t.Log(err)
	}
}

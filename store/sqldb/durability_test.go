package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// clock is a time that a test sets.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.set(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return c
}

func (c *clock) now() time.Time      { return timeOf(c.ms.Load()) }
func (c *clock) set(t time.Time)     { c.ms.Store(t.UnixMilli()) }
func (c *clock) add(d time.Duration) { c.set(c.now().Add(d)) }

func mustAppend(t *testing.T, db *DB, m *store.NewMessage) store.Accepted {
	t.Helper()
	a, err := appendWait(db, m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustPending(t *testing.T, db *DB, u store.UserID, d store.DeviceID) []string {
	t.Helper()
	ms, err := db.Pending(t.Context(), u, d, 100)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range ms {
		out = append(out, m.Text)
	}
	return out
}

func TestGIDsGrow(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := gidSource{node: 5}
	last := int64(0)
	for i := range 20_000 {
		if i == 10_000 {
			now = now.Add(-time.Hour) // the clock steps back
		}
		gid := s.next(now)
		if gid <= last || gid>>gidCounterBits&maxNode != 5 {
			t.Fatalf("gid %x after %x", gid, last)
		}
		last = gid
	}
	if got := gidTime(gidAt(now)); !got.Equal(now) {
		t.Errorf("time %v of a gid of %v", got, now)
	}
}

// TestReopen goes on after a restart with the clock an hour back.
func TestReopen(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	db := openTest(t, Config{Dir: dir, Now: c.now})
	m := chat(1, 2, "first")
	m.Dedup = [16]byte{1}
	first := mustAppend(t, db, m)
	second := mustAppend(t, db, chat(1, 2, "second"))
	db.Delivered(first.Conversation, first.Seq, store.Delivery{GID: first.GID, Device: 9, Status: 200, At: first.At})
	db.Close()
	c.add(-time.Hour)

	db = openTest(t, Config{Dir: dir, Now: c.now})
	if got := fmt.Sprint(mustPending(t, db, 2, 9)); got != "[second]" {
		t.Errorf("pending after a restart: %s", got)
	}
	if again := mustAppend(t, db, m); !again.Duplicate || again.GID != first.GID || again.Seq != first.Seq {
		t.Errorf("a repetition after a restart: %+v, first %+v", again, first)
	}
	third := mustAppend(t, db, chat(2, 1, "third"))
	if third.Seq != second.Seq+1 || third.GID <= second.GID || third.At.Before(second.At) {
		t.Errorf("after a restart %+v, before %+v", third, second)
	}
	if got := fmt.Sprint(mustPending(t, db, 2, 9)); got != "[second third]" {
		t.Errorf("pending: %s", got)
	}
}

// makeGroup makes the group team.
func makeGroup(t testing.TB, db *DB, members ...store.UserID) store.Group {
	t.Helper()
	c := store.GroupChange{Group: store.Group{Name: "team", Domain: "d"}, Events: []store.GroupEvent{{Version: 1, Action: "create"}}}
	for _, u := range members {
		c.Set = append(c.Set, store.Member{User: u, Role: store.RoleMember})
	}
	added, _, err := db.AddGroup(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return added.Group
}

// TestReopenGroup: what a group owes is known after a restart, whether its end
// was saved or not, and so is what is replayed.
func TestReopenGroup(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, Config{Dir: dir})
	u, err := db.AddUser(t.Context(), store.User{Username: "a", Domain: "d"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := makeGroup(t, db, u.ID)
	speak := func(s string) store.Accepted {
		return mustAppend(t, db, &store.NewMessage{Kind: store.KindText, From: 9, Group: g.ID, Text: s, Body: []byte(s)})
	}
	speak("0")
	d, err := db.TouchDevice(t.Context(), store.Device{User: u.ID, Instance: "old"})
	if err != nil {
		t.Fatal(err)
	}
	first := speak("1")
	db.Delivered(first.Conversation, first.Seq, store.Delivery{GID: first.GID, Device: d.ID, Status: 200, At: first.At})
	second, err := db.TouchDevice(t.Context(), store.Device{User: u.ID, Instance: "new"})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.StartCursors(t.Context(), u.ID, second.ID, 1); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		db.Close()
		db = openTest(t, Config{Dir: dir})
		if a := speak(fmt.Sprint(2 + i)); a.Seq != int64(3+i) {
			t.Fatalf("seq %d after a restart", a.Seq)
		}
	}
	if got := fmt.Sprint(mustPending(t, db, u.ID, d.ID)); got != "[2 3 4]" {
		t.Errorf("pending for the old device: %s", got)
	}
	if got := fmt.Sprint(mustPending(t, db, u.ID, second.ID)); got != "[1 2 3 4]" {
		t.Errorf("pending for the new device: %s", got)
	}
	wantSound(t, db)
}

func TestKeep(t *testing.T) {
	c := newClock()
	db := openTest(t, Config{Now: c.now, Keep: 24 * time.Hour})
	mustAppend(t, db, chat(1, 2, "old"))
	c.add(20 * time.Hour)
	mustAppend(t, db, chat(1, 2, "newer"))
	if got := fmt.Sprint(mustPending(t, db, 2, 9)); got != "[old newer]" {
		t.Errorf("within the time: %s", got)
	}
	c.add(5 * time.Hour)
	if got := fmt.Sprint(mustPending(t, db, 2, 9)); got != "[newer]" {
		t.Errorf("after a day: %s", got)
	}
	if page, err := db.Page(t.Context(), 1, 2, 0, 10); err != nil || len(page) != 2 {
		t.Errorf("the archive keeps %d, %v", len(page), err)
	}
}

// TestLongTail has so much behind the cursor that the first one owed is found
// by bisection.
func TestLongTail(t *testing.T) {
	c := newClock()
	db := openTest(t, Config{Now: c.now, Keep: time.Hour})
	sendAll(t, db, make([]string, 5000))
	c.add(2 * time.Hour)
	texts := make([]string, 0, 21)
	for i := range 21 {
		texts = append(texts, fmt.Sprint(i))
	}
	sendAll(t, db, texts)
	if got := fmt.Sprint(mustPending(t, db, 2, 9)); got != "[0 7 14]" {
		t.Errorf("pending: %s", got)
	}
}

func TestDedupEndsAfterAWeek(t *testing.T) {
	for _, written := range []bool{false, true} {
		t.Run(fmt.Sprint("written ", written), func(t *testing.T) {
			c := newClock()
			db := openTest(t, Config{Now: c.now})
			if written {
				db.writer.dedup.ripeness = 1
			}
			m := chat(1, 2, "again and again")
			m.Dedup = [16]byte{1}
			first := mustAppend(t, db, m)
			mustAppend(t, db, chat(1, 2, "writes the keys"))
			c.add(dedupSpan - time.Minute)
			if a := mustAppend(t, db, m); !a.Duplicate || a.GID != first.GID {
				t.Errorf("within a week: %+v", a)
			}
			c.add(2 * time.Minute)
			second := mustAppend(t, db, m)
			if second.Duplicate {
				t.Errorf("after a week: %+v", second)
			}
			mustAppend(t, db, chat(1, 2, "writes the keys"))
			if err := db.tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			if a := mustAppend(t, db, m); !a.Duplicate || a.GID != second.GID {
				t.Errorf("the new first one: %+v", a)
			}
			wantSound(t, db)
		})
	}
}

func TestDedupIsPruned(t *testing.T) {
	c := newClock()
	db := openTest(t, Config{Now: c.now})
	db.writer.dedup.ripeness = 10
	for i := range 100 {
		m := chat(1, 2, "x")
		m.Dedup = [16]byte{byte(i), 7}
		mustAppend(t, db, m)
	}
	count := func() (n int) {
		if err := db.reader.QueryRow(`SELECT count(*) FROM dedup`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n < 80 {
		t.Errorf("%d keys written", n)
	}
	c.add(dedupSpan + time.Minute)
	if err := db.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(); n > 10 {
		t.Errorf("%d keys left", n)
	}
	wantSound(t, db)
}

// TestHeadsAreSaved makes the writer save and forget heads and activity all the
// time.
func TestHeadsAreSaved(t *testing.T) {
	db := openTest(t, Config{})
	for i := range 200 {
		release := block(db)
		db.writer.heads.saveNow = true
		if i%10 == 0 {
			db.writer.heads.byKey = make(map[convKey]*head)
			db.activity.entries = maxActivity
		}
		release()
		a := mustAppend(t, db, chat(store.UserID(2+i%3), 1, fmt.Sprint(i)))
		if got := fmt.Sprint(mustPending(t, db, 1, 9)); got != fmt.Sprintf("[%d]", i) {
			t.Fatalf("message %d: pending %s", i, got)
		}
		db.Delivered(a.Conversation, a.Seq, store.Delivery{GID: a.GID, Device: 9, Status: 200, At: a.At})
		if got := mustPending(t, db, 1, 9); len(got) != 0 {
			t.Fatalf("message %d is pending although it was delivered", i)
		}
	}
	wantSound(t, db)
}

func TestMigration(t *testing.T) {
	// A database as the first version made it.
	dir := t.TempDir()
	first, err := os.ReadFile("schema/0001_first.sql")
	if err != nil {
		t.Fatal(err)
	}
	old, err := sql.Open("sqlite3", filepath.Join(dir, "main.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		string(first),
		`CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied INTEGER NOT NULL); INSERT INTO schema_version VALUES (1, 0)`,
		`INSERT INTO users (username, domain, display_name, folded, picture, disabled, admin, created, version) VALUES ('alice', 'd', 'A', 'a', '', 0, 0, 0, 1);
		INSERT INTO address VALUES ('d', 'alice', 1, 0)`,
	} {
		if _, err := old.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	old.Close()
	if _, err := makeKeyFile(filepath.Join(dir, keyFileName)); err != nil {
		t.Fatal(err)
	}
	db := openTest(t, Config{Dir: dir})
	if u, err := db.UserByAddress(t.Context(), "alice", "d"); err != nil || u.DisplayName != "A" {
		t.Errorf("got %+v, %v", u, err)
	}
	err = db.write(context.Background(), func(t tx) error {
		_, err := t.exec(`INSERT INTO schema_version (version, applied) VALUES (1000, 0)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	if db, err := Open(Config{Dir: dir}); err == nil {
		db.Close()
		t.Error("a newer schema was opened")
	} else if !strings.Contains(err.Error(), "newer version") {
		t.Error(err)
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, Config{Dir: dir})
	u, err := db.AddUser(t.Context(), store.User{Username: "a", Domain: "d"}, &store.Credential{Username: "a", Realm: "r", MD5: make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	// The sealed value of one row says nothing in another.
	err = db.write(t.Context(), func(t tx) error {
		_, err := t.exec(`INSERT INTO credential SELECT realm, 'b', user_id, md5, sha256, disabled, version FROM credential WHERE user_id = $1`, int64(u.ID))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Credential(t.Context(), "b", "r"); err == nil {
		t.Error("a sealed value was moved to another row")
	}
	if problems, err := db.Verify(t.Context(), new(reportWriter)); err != nil || problems != 1 {
		t.Errorf("verify: %d problems, %v", problems, err)
	}
	db.Close()
	key := filepath.Join(dir, keyFileName)
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", info.Mode(), err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, "restore it")
	if _, err := makeKeyFile(key); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, "restore the key file")
}

func wantRefused(t *testing.T, dir, reason string) {
	t.Helper()
	db, err := Open(Config{Dir: dir})
	if err == nil {
		db.Close()
		t.Fatalf("opened, expected: %s", reason)
	}
	if !strings.Contains(err.Error(), reason) {
		t.Errorf("refused: %v; expected: %s", err, reason)
	}
}

func TestBackup(t *testing.T) {
	db := openTest(t, Config{})
	sendAll(t, db, make([]string, 500))
	secret := func(db *DB, name string) string {
		b, err := db.Secret(t.Context(), name, 32)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	nonce, sync := secret(db, "nonce"), secret(db, store.SyncSecret)
	dir := t.TempDir()
	path := filepath.Join(dir, "main.db")
	if err := db.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if err := db.Backup(t.Context(), path); err == nil {
		t.Error("a backup was overwritten")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy: %v, %v", info, err)
	}
	if err := os.Link(db.cfg.Key, filepath.Join(dir, keyFileName)); err != nil {
		t.Fatal(err)
	}
	restored := openTest(t, Config{Dir: dir})
	stats, err := restored.Stats(t.Context())
	if err != nil || stats.Messages != 500 {
		t.Errorf("restored %+v, %v", stats, err)
	}
	if secret(restored, "nonce") != nonce || secret(restored, store.SyncSecret) == sync || secret(db, store.SyncSecret) != sync {
		t.Error("of the secrets, the restored store must have all but that of sync")
	}
	wantSound(t, restored)
}

// TestVerifyFinds breaks each rule.
func TestVerifyFinds(t *testing.T) {
	for name, breakIt := range map[string]string{
		"gap":          `DELETE FROM message WHERE pos & 4294967295 = 3`,
		"beginning":    `DELETE FROM message WHERE pos & 4294967295 = 1`,
		"conversation": `DELETE FROM conversation`,
		"end":          `UPDATE conversation SET last_seq = 100`,
		"stranger":     `UPDATE message SET from_user = 77 WHERE pos & 4294967295 = 2`,
		"dedup":        `UPDATE dedup SET pos = pos + 1`,
		"cursor":       `INSERT INTO device_cursor VALUES (1, 1, 99)`,
		"member":       `DELETE FROM conv_member WHERE user_id = 1`,
		"address":      `INSERT INTO address VALUES ('d', 'x', 99, 0)`,
		"audit":        `UPDATE audit SET detail = 'changed' WHERE id = 2`,
		"audit gone":   `DELETE FROM audit WHERE id = 2`,
		"order":        `UPDATE message SET gid = gid - 1000000000 WHERE pos & 4294967295 = 4`,
		"group":        `INSERT INTO conversation VALUES (9, 3, 99, 0, 0, 0, 1)`,
		"room":         `UPDATE chat_group SET id = 5`,
		"group name":   `INSERT INTO hunt_group VALUES ('team', 1, '{}'); INSERT INTO hunt_address VALUES ('team', 'team')`,
		"blind member": `DELETE FROM group_window`,
		"spy":          `DELETE FROM group_member`,
		"windows":      `INSERT INTO group_window VALUES (1, 2, 3, 5, 1, 1)`,
		"events":       `INSERT INTO group_event VALUES (1, 9, 0, 0, '', 0, '')`,
		"record":       `UPDATE chat_group SET record = '{'`,
		"list":         `UPDATE conv_member SET last_gid = 7 WHERE user_id = 1`,
		"star":         `INSERT INTO star VALUES (1, 5, 0, '')`,
		"stamp":        `UPDATE group_window SET changed = 9000000000000000000`,
		"tree":         `INSERT INTO unit VALUES (1, 2, 'a', 0, 1), (2, 1, 'b', 0, 1)`,
		"unit":         `INSERT INTO unit_member VALUES (5, 1, '', 0)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openTest(t, Config{})
			db.writer.dedup.ripeness = 1
			u, err := db.AddUser(t.Context(), store.User{Username: "a", Domain: "d"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			mustAppend(t, db, chat(1, 2, "the first conversation"))
			makeGroup(t, db, u.ID)
			for i := range 5 {
				m := chat(1, 2, "x")
				m.Dedup = [16]byte{byte(i + 1)}
				mustAppend(t, db, m)
				if err := db.Record(t.Context(), store.AuditEntry{Action: "x"}); err != nil {
					t.Fatal(err)
				}
			}
			wantSound(t, db)
			err = db.write(t.Context(), func(t tx) error {
				_, err := t.exec(breakIt)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if problems, err := db.Verify(t.Context(), new(reportWriter)); err != nil || problems == 0 {
				t.Errorf("%d problems, %v", problems, err)
			}
		})
	}
}

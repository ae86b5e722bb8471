package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sparkleim/sparkle/store"
	"golang.org/x/sys/unix"
)

const (
	indexTick  = time.Second     // between looks at what is new
	indexIdle  = time.Second     // the writer is idle when it has done nothing for so long
	indexQuiet = 0.2             // and the whole program when it uses so little of one processor
	indexSlice = time.Second / 2 // of work between two looks whether it still is
	indexLate  = 5 * time.Minute // after so long, indexing goes on beside the writer
	indexBatch = 256             // messages of one transaction
	indexShare = 8               // batches a tick beside the writer: about a tenth of a core
)

// index keeps the full-text index in search.db. It can be deleted at any time
// and is built again.
type index struct {
	db      *DB
	writer  *sql.DB // nil without FTS5
	reader  *sql.DB
	indexed atomic.Int64 // gid up to which messages can be found in it
	late    time.Time    // since when there is something to index; zero when there is not
	rest    usage        // when the indexer last stopped working
}

const indexSchema = `
CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY, gid INTEGER NOT NULL, identity BLOB NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS message_text USING fts5(tokens, tokenize='ascii', content='', contentless_delete=1, detail=none);`

// openIndex opens search.db, and makes it again when it is damaged or belongs
// to another main.db.
func openIndex(db *DB) (*index, error) {
	x := &index{db: db}
	path := filepath.Join(db.cfg.Dir, "search.db")
	err := x.open(path)
	if err != nil && !noFTS(err) {
		db.log.Warn("the search index is made again", slog.String("file", path), slog.Any("reason", err))
		x.close()
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
		}
		err = x.open(path)
	}
	if noFTS(err) {
		db.log.Warn("search scans a limited number of messages: this program was built without -tags sqlite_fts5")
		return x, x.close()
	}
	return x, err
}

func noFTS(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no such module: fts5")
}

func (x *index) open(path string) error {
	var identity []byte
	if err := x.db.reader.QueryRow(`SELECT value FROM setting WHERE name = $1`, canary).Scan(&identity); err != nil {
		return err
	}
	var newest int64
	if err := x.db.reader.QueryRow(`SELECT coalesce(max(gid), 0) FROM message`).Scan(&newest); err != nil {
		return err
	}
	var err error
	if x.writer, err = sql.Open(x.db.dialect.driver, sqliteWriter(path, busyMillis)); err != nil {
		return err
	}
	x.writer.SetMaxOpenConns(1)
	if _, err := x.writer.Exec(x.db.dialect.relaxed); err != nil {
		return err
	}
	if _, err := x.writer.Exec(indexSchema); err != nil {
		return err
	}
	if err := x.progress(identity, newest); err != nil {
		return err
	}
	x.reader, err = sql.Open(x.db.dialect.driver, sqliteReader(path))
	return err
}

// progress reads how far the index is.
func (x *index) progress(identity []byte, newest int64) error {
	_, err := x.writer.Exec(`INSERT INTO progress (id, gid, identity) VALUES (1, 0, $1) ON CONFLICT DO NOTHING`, identity)
	if err != nil {
		return err
	}
	var gid int64
	var of []byte
	if err := x.writer.QueryRow(`SELECT gid, identity FROM progress`).Scan(&gid, &of); err != nil {
		return err
	}
	if gid > newest || string(of) != string(identity) {
		return errors.New("it is not the index of this database")
	}
	x.indexed.Store(gid)
	return nil
}

func (x *index) close() error {
	var errs []error
	for _, db := range []**sql.DB{&x.reader, &x.writer} { // the last one moves the WAL into the file
		if *db != nil {
			errs = append(errs, (*db).Close())
			*db = nil
		}
	}
	return errors.Join(errs...)
}

// run is the indexer's goroutine. It works when the program has little else to
// do, so that it costs nothing at peak, and a little at a time when it falls
// behind.
func (x *index) run(ctx context.Context) {
	if x.writer == nil {
		return
	}
	tick := time.NewTicker(indexTick)
	defer tick.Stop()
	x.rest = usageNow()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := x.work(ctx); err != nil && ctx.Err() == nil {
			x.db.log.Error("the search index stands still; search scans what is missing", slog.Any("error", err))
		}
	}
}

func (x *index) work(ctx context.Context) error {
	start := usageNow()
	quiet := start.since(x.rest) < indexQuiet
	defer func() { x.rest = usageNow() }()
	for share := 0; ctx.Err() == nil; share++ {
		if x.db.activity.newestGID() <= x.indexed.Load() {
			x.late = time.Time{}
			return nil
		}
		if x.late.IsZero() {
			x.late = time.Now()
		}
		late := time.Since(x.late) > indexLate && share < indexShare
		idle := quiet && time.Since(start.at) < indexSlice && x.db.writer.idle(indexIdle)
		if !late && !idle {
			return nil
		}
		if err := x.advance(ctx); err != nil {
			return err
		}
	}
	return nil
}

// usage is the processor time that this process had used at a moment.
type usage struct {
	at   time.Time
	used time.Duration
}

// usageNow is all zero use where the system does not tell it.
func usageNow() usage {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return usage{at: time.Now()}
	}
	return usage{time.Now(), time.Duration(r.Utime.Nano() + r.Stime.Nano())}
}

// since is how much of one processor was used since an earlier moment.
func (u usage) since(before usage) float64 {
	return float64(u.used-before.used) / float64(u.at.Sub(before.at))
}

// idle tells that nothing durable was written for d and nothing waits.
func (w *writer) idle(d time.Duration) bool {
	return w.queue.len() == 0 && time.Since(time.Unix(0, w.lastWrite.Load())) > d
}

// advance indexes one batch of messages.
func (x *index) advance(ctx context.Context) error {
	batch, err := x.db.messages(ctx, `SELECT `+messageColumns+` FROM message WHERE gid > $1 ORDER BY gid LIMIT $2`, x.indexed.Load(), indexBatch)
	if err != nil || len(batch) == 0 {
		return err
	}
	t, err := x.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback() // without effect after the commit
	insert, err := t.PrepareContext(ctx, `INSERT INTO message_text (rowid, tokens) VALUES ($1, $2)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := range batch {
		if _, err := insert.Exec(batch[i].GID, document(&batch[i])); err != nil {
			return fmt.Errorf("message %s: %w", store.GIDString(batch[i].GID), err)
		}
	}
	last := batch[len(batch)-1].GID
	if _, err := t.ExecContext(ctx, `UPDATE progress SET gid = $1`, last); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return err
	}
	x.indexed.Store(last)
	return nil
}

// find returns up to limit gids below before, newest first.
func (x *index) find(ctx context.Context, terms []string, after, before int64, limit int) ([]int64, error) {
	rows, err := x.reader.QueryContext(ctx, `SELECT rowid FROM message_text WHERE message_text MATCH $1 AND rowid > $2 AND rowid < $3
		ORDER BY rowid DESC LIMIT $4`, strings.Join(terms, " AND "), after, before, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var gids []int64
	for rows.Next() {
		var gid int64
		if err := rows.Scan(&gid); err != nil {
			return nil, err
		}
		gids = append(gids, gid)
	}
	return gids, rows.Err()
}

package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

// Config says where the store is and how it works. Only Dir is needed.
type Config struct {
	Dir        string        // made when missing
	Key        string        // path of the key file; "" means Dir/master.key
	Keep       time.Duration // how long a message waits for a device; 0 means 30 days. The archive keeps it longer
	Queue      int           // operations that may wait for the writer; 0 means 4096
	Gather     time.Duration // under load, commits begin at least so far apart; 0 means 1 ms, below 0 never wait
	Node       int           // 0 … 1023, part of each gid
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	defaultKeep  = 30 * 24 * time.Hour
	defaultQueue = 4096
	// defaultGather makes batches of 10 instead of 6 to 8 with 20 senders, and a
	// message a tenth cheaper. 3 ms make larger ones, but then everybody idles
	// between them, and waking up costs what the commits save.
	defaultGather = time.Millisecond
	busyMillis    = 2000 // the lock file keeps other servers out; only a person with a tool can hold the database
)

// DB is the store. Its methods may be called by any number of goroutines.
type DB struct {
	cfg      Config
	log      *slog.Logger
	dialect  dialect
	path     string // of main.db
	lock     *os.File
	sealer   *sealer
	reader   *sql.DB
	writerDB *sql.DB
	writer   *writer
	relaxed  *relaxed
	activity *activity
	watchers watchers
	viewing  chan struct{} // a place for each search of a viewer that may run
	index    *index
	callIDs  *callIDs

	background context.CancelFunc // ends the indexer and the housekeeper
	ended      sync.WaitGroup     // when both have
	closing    sync.Once
}

var _ store.Store = (*DB)(nil)

// Open opens the store of a directory, or makes it. It brings an older schema
// up to date and refuses a newer one, a directory that another process uses,
// and a file system that cannot keep the promises.
func Open(cfg Config) (*DB, error) {
	cfg.Key = cmp.Or(cfg.Key, filepath.Join(cfg.Dir, keyFileName))
	cfg.Keep = cmp.Or(cfg.Keep, defaultKeep)
	cfg.Queue = cmp.Or(cfg.Queue, defaultQueue)
	cfg.Gather = cmp.Or(cfg.Gather, defaultGather)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Node < 0 || cfg.Node > maxNode {
		return nil, fmt.Errorf("node %d: must be 0 to %d", cfg.Node, maxNode)
	}
	db := &DB{cfg: cfg, log: cfg.Logger, dialect: sqliteDialect(), path: filepath.Join(cfg.Dir, "main.db"), viewing: make(chan struct{}, maxViewing)}
	if err := db.open(); err != nil {
		db.release()
		return nil, fmt.Errorf("open store in %s: %w", cfg.Dir, err)
	}
	return db, nil
}

func (db *DB) open() error {
	ctx := context.Background()
	if err := os.MkdirAll(db.cfg.Dir, 0o700); err != nil {
		return err
	}
	if err := checkFileSystem(db.cfg.Dir); err != nil {
		return err
	}
	var err error
	if db.lock, err = lockDir(db.cfg.Dir); err != nil {
		return err
	}
	if err := db.loadKey(); err != nil {
		return err
	}
	conn, err := db.openWriter(ctx)
	if err != nil {
		return err
	}
	if err := db.checkKey(conn); err != nil {
		return err
	}
	newest, err := recoverHeads(ctx, conn)
	if err != nil {
		return err
	}
	db.reader, err = sql.Open(db.dialect.driver, sqliteReader(db.path))
	if err != nil {
		return err
	}
	db.reader.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	db.reader.SetMaxIdleConns(4)
	if db.index, err = openIndex(db); err != nil {
		return err
	}
	if db.callIDs, err = newCallIDs(ctx, conn, db.cfg.Node); err != nil {
		return err
	}
	db.activity = newActivity(newest)
	if err := db.activity.load(ctx, conn); err != nil {
		return err
	}
	db.relaxed = newRelaxed()
	db.writer, err = newWriter(db, conn)
	if err != nil {
		return err
	}
	db.registerMetrics()
	if err := db.writer.dedup.filter.loadEmpty(ctx, conn); err != nil {
		return err
	}
	db.writer.start()
	ctx, db.background = context.WithCancel(ctx)
	db.ended.Go(func() { db.loadKeys(ctx) })
	db.ended.Go(func() { db.index.run(ctx) })
	db.ended.Go(func() { db.keep(ctx) })
	return nil
}

// loadKeys fills the filter of the deduplication keys.
func (db *DB) loadKeys(ctx context.Context) {
	if err := db.writer.dedup.filter.load(ctx, db.reader); err != nil && ctx.Err() == nil {
		db.log.Warn("the deduplication keys cannot be read, accepting a message costs more until the next start", "err", err)
	}
}

// loadKey makes a key only together with a new database: a second key for an
// old one would hide that the right one is missing.
func (db *DB) loadKey() error {
	_, err := os.Stat(db.path)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err != nil && !isNew {
		return err
	}
	db.sealer, err = loadSealer(db.cfg.Key, isNew)
	return err
}

// openWriter opens the one connection that writes, and brings the schema up to
// date with it.
func (db *DB) openWriter(ctx context.Context) (*sql.Conn, error) {
	var err error
	db.writerDB, err = sql.Open(db.dialect.driver, sqliteWriter(db.path, busyMillis))
	if err != nil {
		return nil, err
	}
	db.writerDB.SetMaxOpenConns(1)
	if err := sqliteSetUp(db.writerDB, db.path); err != nil {
		return nil, err
	}
	if err := os.Chmod(db.path, 0o600); err != nil {
		return nil, err
	}
	// From here on the writer's connection is the only one of this pool: any
	// other use of writerDB would wait for ever.
	conn, err := db.writerDB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, conn, db.dialect, db.cfg.Now()); err != nil {
		return nil, err
	}
	return conn, nil
}

// Close answers what waits for the writer, writes what is relaxed and closes.
func (db *DB) Close() error {
	var err error
	db.closing.Do(func() {
		db.background()
		db.ended.Wait()
		err = errors.Join(db.writer.close(), db.release())
	})
	return err
}

// release closes whatever has been opened.
func (db *DB) release() error {
	var errs []error
	if db.index != nil {
		errs = append(errs, db.index.close())
	}
	if db.reader != nil {
		errs = append(errs, db.reader.Close())
	}
	if db.writerDB != nil {
		errs = append(errs, db.writerDB.Close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
	}
	return errors.Join(errs...)
}

// scanner is *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// notFound gives the missing of a row its name.
func notFound(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), store.ErrNotFound)
	}
	return err
}

// pointRead checks ctx once and returns one that cannot be cancelled: the
// driver starts a goroutine for each query that can be, which costs more than
// the look-up itself.
func pointRead(ctx context.Context) (context.Context, error) {
	return context.WithoutCancel(ctx), ctx.Err()
}

// Times are kept as milliseconds; nil and the zero time as NULL.
func millis(t *time.Time) any {
	if t == nil || t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func timeOrNil(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	t := timeOf(ms.Int64)
	return &t
}

func ignoreNoRows(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

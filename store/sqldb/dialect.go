package sqldb

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/mattn/go-sqlite3"
)

// dialect is what differs between database engines. The SQL of this package
// keeps to what SQLite and PostgreSQL share ($n placeholders, ON CONFLICT,
// RETURNING); only what they do not share stands here.
type dialect struct {
	driver  string
	begin   string // starts a transaction that will write
	durable string // from here on, a commit waits for the disk
	relaxed string // from here on, it does not
	fault   func(error) fault
	unique  func(error) bool // a unique key was violated
}

// fault says what an error of the database means for the operations of a batch.
type fault int

const (
	faultNone   fault = iota // the statement was wrong or broke a rule; the transaction can go on
	faultRetry               // nothing was written; it may work later (full, locked, read-only)
	faultUnsure              // the disk failed: if this was the commit, its outcome is unknown
)

func sqliteDialect() dialect {
	return dialect{
		driver:  "sqlite3",
		begin:   "BEGIN IMMEDIATE",
		durable: "PRAGMA synchronous=FULL",
		relaxed: "PRAGMA synchronous=NORMAL",
		fault:   sqliteFault,
		unique:  sqliteUnique,
	}
}

func sqliteFault(err error) fault {
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return faultNone
	}
	switch e.Code {
	case sqlite3.ErrFull, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrReadonly, sqlite3.ErrNomem, sqlite3.ErrCantOpen, sqlite3.ErrInterrupt:
		return faultRetry
	case sqlite3.ErrIoErr, sqlite3.ErrCorrupt, sqlite3.ErrNotADB, sqlite3.ErrProtocol, sqlite3.ErrInternal:
		return faultUnsure
	}
	return faultNone
}

func sqliteUnique(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	return ok && (e.ExtendedCode == sqlite3.ErrConstraintUnique || e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}

// sqliteWriter names the file for the connection that writes. busyMillis is how
// long it waits for a lock that another process holds.
func sqliteWriter(path string, busyMillis int) string {
	return sqliteURI(path, url.Values{
		"_journal_mode":    {"WAL"},
		"_synchronous":     {"FULL"},
		"_txlock":          {"immediate"},
		"_busy_timeout":    {strconv.Itoa(busyMillis)},
		"_cache_size":      {"-65536"},
		"_stmt_cache_size": {"128"},
	})
}

func sqliteReader(path string) string {
	return sqliteURI(path, url.Values{
		"mode":             {"ro"},
		"_query_only":      {"1"},
		"_busy_timeout":    {"5000"},
		"_cache_size":      {"-16384"},
		"_stmt_cache_size": {"64"},
	})
}

func sqliteURI(path string, options url.Values) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}
	return u.String()
}

// sqliteSetUp prepares a writing connection and refuses to go on where the
// promises of the store cannot be kept.
func sqliteSetUp(db *sql.DB, path string) error {
	for _, pragma := range []string{"PRAGMA wal_autocheckpoint=10000", "PRAGMA journal_size_limit=268435456"} {
		if _, err := db.Exec(pragma); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	var mode string
	var synchronous int
	if err := db.QueryRow("PRAGMA journal_mode").Scan(&mode); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := db.QueryRow("PRAGMA synchronous").Scan(&synchronous); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if mode != "wal" {
		return fmt.Errorf("%s: journal mode is %q instead of wal: the file system cannot share memory (a network file system?); keep the data directory on a local disk", path, mode)
	}
	if synchronous != 2 {
		return fmt.Errorf("%s: synchronous is %d instead of 2 (FULL): accepted messages could be lost in a power cut; use an SQLite library that honours it", path, synchronous)
	}
	return nil
}

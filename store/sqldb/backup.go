package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sparkleim/sparkle/store"
)

// Backup implements store.Maintenance: a compact copy of main.db, checked
// before it gets its name. Secrets in it stay sealed: keep a copy of the key
// file, in another place. The search index is not copied.
func (db *DB) Backup(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("backup: %s exists; name a new file", path)
	}
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("backup: %w", err)
	}
	err := db.copyTo(ctx, part)
	if err == nil {
		err = checkCopy(ctx, db.dialect, part)
	}
	if err == nil {
		err = settle(part, path)
	}
	if err != nil {
		os.Remove(part) // the first error is the one to tell
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// copyTo copies on a connection of its own: the reading ones may not attach the
// new file. The copy is of one moment; writers go on.
func (db *DB) copyTo(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // SQLite would let others read it
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	source, err := sql.Open(db.dialect.driver, sqliteURI(db.path, nil))
	if err != nil {
		return err
	}
	defer source.Close()
	if _, err := source.ExecContext(ctx, `VACUUM INTO $1`, path); err != nil {
		return err
	}
	return leaveOut(ctx, db.dialect, path, store.SyncSecret)
}

// leaveOut deletes a secret from a copy.
func leaveOut(ctx context.Context, d dialect, path, secret string) error {
	c, err := sql.Open(d.driver, sqliteURI(path, nil))
	if err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, `DELETE FROM setting WHERE name = $1`, secret)
	return errors.Join(err, c.Close())
}

func checkCopy(ctx context.Context, d dialect, path string) error {
	c, err := sql.Open(d.driver, sqliteReader(path))
	if err != nil {
		return err
	}
	defer c.Close()
	var verdict string
	if err := c.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("the copy is damaged (%s): run verify on the server, and check the disk", verdict)
	}
	return nil
}

// settle brings a finished file to the disk under its name.
func settle(part, path string) error {
	f, err := os.OpenFile(part, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

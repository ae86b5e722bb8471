package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// migrate brings the schema up to date. Each file of schema is one step,
// numbered from 1 in the order of the names, and one transaction; a file is
// never changed after its release.
func migrate(ctx context.Context, c *sql.Conn, d dialect, now time.Time) error {
	names, err := fs.Glob(schemaFiles, "schema/*.sql")
	if err != nil {
		return err
	}
	version, err := schemaVersion(ctx, c)
	if err != nil {
		return err
	}
	if version > len(names) {
		return fmt.Errorf("the database has schema version %d, this program knows up to %d: it was written by a newer version; run that one, or restore a backup", version, len(names))
	}
	for i := version; i < len(names); i++ {
		text, err := schemaFiles.ReadFile(names[i])
		if err != nil {
			return err
		}
		if err := migrateStep(ctx, c, d, string(text), i+1, now); err != nil {
			return fmt.Errorf("migration %s: %w", names[i], err)
		}
	}
	return nil
}

func schemaVersion(ctx context.Context, c *sql.Conn) (int, error) {
	const table = `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied INTEGER NOT NULL)`
	if _, err := c.ExecContext(ctx, table); err != nil {
		return 0, err
	}
	var version int
	err := c.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_version`).Scan(&version)
	return version, err
}

func migrateStep(ctx context.Context, c *sql.Conn, d dialect, text string, version int, now time.Time) (err error) {
	if _, err := c.ExecContext(ctx, d.begin); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.ExecContext(ctx, "ROLLBACK") // the first error is the one to tell
		}
	}()
	if _, err := c.ExecContext(ctx, text); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, `INSERT INTO schema_version (version, applied) VALUES ($1, $2)`, version, now.UnixMilli()); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, "COMMIT")
	return err
}

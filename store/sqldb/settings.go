package sqldb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sparkleim/sparkle/store"
)

// canary is the setting that tells whether the key file belongs to the
// database.
const canary = "store.canary"

// Secret implements store.Settings.
func (db *DB) Secret(ctx context.Context, name string, n int) ([]byte, error) {
	var sealed []byte
	err := db.reader.QueryRowContext(ctx, `SELECT value FROM setting WHERE name = $1`, name).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		err = db.write(ctx, func(t tx) (err error) {
			sealed, err = db.makeSecret(t, name, n)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	secret, err := db.sealer.open(sealed, "setting", name, "value")
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	if len(secret) != n {
		return nil, fmt.Errorf("secret %s: %w: it has %d bytes, not %d", name, store.ErrInvalid, len(secret), n)
	}
	return secret, nil
}

// makeSecret returns the sealed secret, the first one when two make it at once.
func (db *DB) makeSecret(t tx, name string, n int) ([]byte, error) {
	secret := make([]byte, n)
	rand.Read(secret)
	_, err := t.exec(`INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, db.sealer.seal(secret, "setting", name, "value"))
	if err != nil {
		return nil, err
	}
	var sealed []byte
	err = t.queryRow(`SELECT value FROM setting WHERE name = $1`, name).Scan(&sealed)
	return sealed, err
}

// checkKey makes sure, before anything else is sealed or asked, that the key
// file is the one of this database.
func (db *DB) checkKey(c *sql.Conn) error {
	sealed, err := db.makeSecret(tx{c}, canary, 16)
	if err != nil {
		return err
	}
	if _, err := db.sealer.open(sealed, "setting", canary, "value"); err != nil {
		return fmt.Errorf("%s: %w", db.cfg.Key, err)
	}
	return nil
}

package sqldb

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sparkleim/sparkle/store"
)

const tokenColumns = `id, name, user_id, hash, created, expires, last_used, revoked`

func scanToken(row scanner) (store.Token, error) {
	var t store.Token
	var created int64
	var expires, used, revoked sql.NullInt64
	err := row.Scan(&t.ID, &t.Name, &t.User, &t.Hash, &created, &expires, &used, &revoked)
	t.Created = timeOf(created)
	t.Expires, t.LastUsed, t.Revoked = timeOrNil(expires), timeOrNil(used), timeOrNil(revoked)
	return t, err
}

// AddToken implements store.Tokens.
func (db *DB) AddToken(ctx context.Context, token store.Token) (store.Token, error) {
	if len(token.Hash) != 32 {
		return store.Token{}, fmt.Errorf("add token %s: %w: its hash is not SHA-256", token.Name, store.ErrInvalid)
	}
	var added store.Token
	err := db.write(ctx, func(t tx) (err error) {
		if token.User != 0 {
			if err := userExists(t, token.User); err != nil {
				return err
			}
		}
		added, err = scanToken(t.queryRow(`INSERT INTO token (name, user_id, hash, created, expires) VALUES ($1, $2, $3, $4, $5) RETURNING `+tokenColumns,
			token.Name, int64(token.User), token.Hash, db.cfg.Now().UnixMilli(), millis(token.Expires)))
		if err != nil && db.dialect.unique(err) {
			return store.ErrConflict
		}
		return err
	})
	if err != nil {
		return store.Token{}, fmt.Errorf("add token %s: %w", token.Name, err)
	}
	return added, nil
}

// TokenByHash implements store.Tokens, and notes the use.
func (db *DB) TokenByHash(ctx context.Context, hash []byte) (store.Token, error) {
	now := db.cfg.Now()
	t, err := scanToken(db.reader.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM token
		WHERE hash = $1 AND revoked IS NULL AND (expires IS NULL OR expires > $2)
		AND (user_id = 0 OR EXISTS (SELECT 1 FROM users u WHERE u.id = user_id AND u.disabled = 0 AND u.removed = 0))`, hash, now.UnixMilli()))
	if err != nil {
		return store.Token{}, notFound(err, "token")
	}
	db.relax(func(s *relaxedSet) { s.tokens[t.ID] = now })
	return t, nil
}

// ListTokens implements store.Tokens.
func (db *DB) ListTokens(ctx context.Context) ([]store.Token, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT `+tokenColumns+` FROM token ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Token
	for rows.Next() {
		t, err := scanToken(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// RevokeToken implements store.Tokens.
func (db *DB) RevokeToken(ctx context.Context, id int64) error {
	err := db.write(ctx, func(t tx) error {
		n, err := t.exec(`UPDATE token SET revoked = coalesce(revoked, $1) WHERE id = $2`, db.cfg.Now().UnixMilli(), id)
		if err == nil && n == 0 {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke token %d: %w", id, err)
	}
	return nil
}

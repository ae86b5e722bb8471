package sqldb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/sparkleim/sparkle/store"
)

// Record implements store.Audit. At is set when it is zero. Each entry carries
// a hash over itself and the hash before it: one that was changed or removed
// later breaks the chain, and Verify tells.
func (db *DB) Record(ctx context.Context, e store.AuditEntry) error {
	if e.At.IsZero() {
		e.At = db.cfg.Now()
	}
	err := db.write(ctx, func(t tx) error {
		var prev []byte
		err := t.queryRow(`SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1`).Scan(&e.ID, &prev)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if prev == nil {
			prev = []byte{}
		}
		e.ID++
		_, err = t.exec(`INSERT INTO audit (id, at, actor, action, object, detail, prev_hash, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			e.ID, e.At.UnixMilli(), e.Actor, e.Action, e.Object, e.Detail, prev, auditHash(prev, e))
		return err
	})
	if err != nil {
		return fmt.Errorf("audit %s: %w", e.Action, err)
	}
	return nil
}

// auditHash is SHA-256 over the previous hash and the fields, each with its
// length before it.
func auditHash(prev []byte, e store.AuditEntry) []byte {
	var b bytes.Buffer
	b.Write(prev)
	for _, n := range []int64{e.ID, e.At.UnixMilli()} {
		b.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	for _, s := range []string{e.Actor, e.Action, e.Object, e.Detail} {
		b.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		b.WriteString(s)
	}
	sum := sha256.Sum256(b.Bytes())
	return sum[:]
}

// ListAudit implements store.Audit: newest first, with ID < before when before
// is not 0.
func (db *DB) ListAudit(ctx context.Context, before int64, limit int) ([]store.AuditEntry, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	rows, err := db.reader.QueryContext(ctx, `SELECT id, at, actor, action, object, detail FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2`, before, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.AuditEntry
	for rows.Next() {
		var e store.AuditEntry
		var at int64
		if err := rows.Scan(&e.ID, &at, &e.Actor, &e.Action, &e.Object, &e.Detail); err != nil {
			return nil, err
		}
		e.At = timeOf(at)
		out = append(out, e)
	}
	return out, rows.Err()
}

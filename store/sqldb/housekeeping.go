package sqldb

import (
	"context"
	"log/slog"
	"time"

	"github.com/sparkleim/sparkle/store"
)

const (
	housekeepingTick = time.Minute
	pruneChunk       = 500       // keys of one transaction
	bindingGrace     = time.Hour // an expired binding is kept so long, for its counters
)

// keep is the housekeeper's goroutine: it removes what no longer has a meaning.
func (db *DB) keep(ctx context.Context) {
	tick := time.NewTicker(housekeepingTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := db.tidy(ctx); err != nil && ctx.Err() == nil {
			db.log.Warn("housekeeping of the store is put off", slog.Any("error", err))
		}
	}
}

func (db *DB) tidy(ctx context.Context) error {
	err := db.write(ctx, func(t tx) error {
		_, err := t.exec(`DELETE FROM binding WHERE expires < $1`, db.cfg.Now().Add(-bindingGrace).UnixMilli())
		return err
	})
	for more := true; more && err == nil; {
		more, err = db.pruneDedup(ctx)
	}
	for more := true; more && err == nil; {
		more, err = db.indexCalls(ctx)
	}
	return err
}

// pruneDedup removes the deduplication keys of some messages that are older
// than dedupSpan, and tells whether there are more.
func (db *DB) pruneDedup(ctx context.Context) (more bool, err error) {
	old, mark, err := db.oldKeys(ctx)
	if err != nil || len(old) == 0 {
		return false, err
	}
	err = db.write(ctx, func(t tx) error {
		for _, k := range old {
			_, err := t.exec(`DELETE FROM dedup WHERE sender = $1 AND key = $2 AND pos = $3`, int64(k.sender), k.key, k.pos)
			if err != nil {
				return err
			}
		}
		_, err := t.exec(`UPDATE mark SET value = $1 WHERE name = 'pruned'`, mark)
		return err
	})
	return len(old) == pruneChunk, err
}

// dedupKey is a row of dedup.
type dedupKey struct {
	sender store.UserID
	key    []byte
	pos    int64
}

// oldKeys returns the next keys to remove and the gid of the last one's
// message.
func (db *DB) oldKeys(ctx context.Context) (old []dedupKey, mark int64, err error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT from_user, dedup, pos, gid FROM message
		WHERE gid > (SELECT value FROM mark WHERE name = 'pruned') AND gid <= (SELECT value FROM mark WHERE name = 'keys') AND gid < $1 ORDER BY gid LIMIT $2`,
		gidAt(db.cfg.Now().Add(-dedupSpan)), pruneChunk)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var k dedupKey
		if err := rows.Scan(&k.sender, &k.key, &k.pos, &mark); err != nil {
			return nil, 0, err
		}
		old = append(old, k)
	}
	return old, mark, rows.Err()
}

package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// callChunk is how many calls are indexed in one transaction. So many may be
// left over: queries look through them one by one.
const callChunk = 2000

// callsNotIndexed are those that are found neither by user nor by Call-ID: the
// newest, and those that go on.
const callsNotIndexed = `SELECT id FROM call_record WHERE id > (SELECT value FROM mark WHERE name = 'calls')
	UNION ALL SELECT id FROM call_record WHERE ended IS NULL`

// callIDs gives out IDs of call records, and knows how far they are indexed.
type callIDs struct {
	mu   sync.Mutex
	gids gidSource

	indexed int64 // the mark 'calls'; only the writer uses it
}

// newCallIDs goes on after the newest record.
func newCallIDs(ctx context.Context, conn *sql.Conn, node int) (*callIDs, error) {
	ids := &callIDs{gids: gidSource{node: int64(node)}}
	err := conn.QueryRowContext(ctx, `SELECT coalesce(max(id), 0), (SELECT value FROM mark WHERE name = 'calls') FROM call_record`).
		Scan(&ids.gids.last, &ids.indexed)
	return ids, err
}

// indexCalls indexes the next chunk of calls once there are so many, and tells
// whether there may be more. A page of the index is written once for all the
// keys of a chunk that are in it; with each call, it would be once a key.
func (db *DB) indexCalls(ctx context.Context) (more bool, err error) {
	var end int64
	err = db.reader.QueryRowContext(ctx, `SELECT id FROM call_record WHERE id > (SELECT value FROM mark WHERE name = 'calls')
		ORDER BY id LIMIT 1 OFFSET $1`, callChunk-1).Scan(&end)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("index calls: %w", err)
	}
	err = db.write(ctx, func(t tx) error {
		var after int64
		if err := t.queryRow(`SELECT value FROM mark WHERE name = 'calls'`).Scan(&after); err != nil {
			return err
		}
		if err := indexCalls(t, after, end); err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE mark SET value = $1 WHERE name = 'calls'`, end); err != nil {
			return err
		}
		// Even if the commit fails: calls up to here are then indexed twice, which does not hurt.
		db.callIDs.indexed = end
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("index calls: %w", err)
	}
	return true, nil
}

// indexCalls indexes the calls after one ID up to another that are over. Those
// that go on follow when they end.
func indexCalls(t tx, after, upTo int64) error {
	for _, query := range []string{
		`INSERT INTO call_user (user_id, record_id) SELECT caller_user, id FROM call_record
			WHERE id > $1 AND id <= $2 AND ended IS NOT NULL AND caller_user <> 0 ORDER BY caller_user ON CONFLICT DO NOTHING`,
		`INSERT INTO call_user (user_id, record_id) SELECT callee_user, id FROM call_record
			WHERE id > $1 AND id <= $2 AND ended IS NOT NULL AND callee_user <> 0 ORDER BY callee_user ON CONFLICT DO NOTHING`,
		`INSERT INTO call_name (call_id, record_id) SELECT call_id, id FROM call_record
			WHERE id > $1 AND id <= $2 AND ended IS NOT NULL ORDER BY call_id ON CONFLICT DO NOTHING`,
	} {
		if _, err := t.exec(query, after, upTo); err != nil {
			return err
		}
	}
	return nil
}

package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sparkleim/sparkle/store"
)

// StartCursors implements store.Archive. Its mark is one row: nothing at or
// below that gid is owed to the device. Conversations that go on after the mark
// although other devices have seen more get a cursor besides, and what is
// replayed is a row a conversation.
func (db *DB) StartCursors(ctx context.Context, u store.UserID, d store.DeviceID, replay int) error {
	settled, err := db.isSettled(ctx, d)
	if err != nil || settled {
		return err
	}
	var mark int64
	err = db.write(ctx, func(t tx) (err error) {
		if mark, err = db.startCursors(t, u, d); err != nil {
			return err
		}
		return db.settleReplay(t, u, d, replay)
	})
	if err != nil {
		return fmt.Errorf("start device %d: %w", d, err)
	}
	db.activity.raise(d, mark)
	return nil
}

// isSettled answers for the devices that are known, which are nearly all,
// without the writer.
func (db *DB) isSettled(ctx context.Context, d store.DeviceID) (settled bool, err error) {
	ctx, err = pointRead(ctx)
	if err != nil {
		return false, err
	}
	err = db.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM device_start WHERE device_id = $1 AND settled <> 0)`, int64(d)).Scan(&settled)
	if err != nil {
		return false, fmt.Errorf("start device %d: %w", d, err)
	}
	return settled, nil
}

// settleReplay owes the device the last n messages of each conversation, unless
// it has been decided before.
func (db *DB) settleReplay(t tx, u store.UserID, d store.DeviceID, n int) error {
	changed, err := t.exec(`UPDATE device_start SET settled = 1 WHERE device_id = $1 AND settled = 0`, int64(d))
	if err != nil || changed == 0 || n <= 0 {
		return err
	}
	ends, err := db.ends(t, u)
	if err != nil {
		return err
	}
	var replays []replay
	for _, end := range ends {
		if end.kind != convReceipts && !end.left {
			replays = append(replays, replay{d, end.conv, max(end.after, end.seq-int64(n)) + 1, end.seq})
		}
	}
	return db.addReplays(t, replays)
}

// addReplays is the last thing that an operation does: what it tells the readers
// is not taken back when the operation alone fails.
func (db *DB) addReplays(t tx, replays []replay) error {
	for _, r := range replays {
		if r.from > r.to {
			continue
		}
		_, err := t.exec(`INSERT INTO device_replay (device_id, conv_id, from_seq, to_seq) VALUES ($1, $2, $3, $4)
			ON CONFLICT (device_id, conv_id) DO UPDATE SET from_seq = min(from_seq, excluded.from_seq), to_seq = max(to_seq, excluded.to_seq)`,
			int64(r.device), int64(r.conv), r.from, r.to)
		if err != nil {
			return err
		}
		db.writer.heads.changed.replays = append(db.writer.heads.changed.replays, r)
	}
	return nil
}

// startCursors returns the device's mark.
func (db *DB) startCursors(t tx, u store.UserID, d store.DeviceID) (int64, error) {
	var mark int64
	err := t.queryRow(`SELECT gid FROM device_start WHERE device_id = $1`, int64(d)).Scan(&mark)
	if !errors.Is(err, sql.ErrNoRows) {
		return mark, err // it was started meanwhile
	}
	first, err := firstDevice(t, u, d)
	if err != nil {
		return 0, err
	}
	if first {
		return 0, saveStart(t, d, 0)
	}
	return db.startAtPresent(t, u, d)
}

// firstDevice tells whether the user has had no device before d.
func firstDevice(t tx, u store.UserID, d store.DeviceID) (bool, error) {
	var first bool
	err := t.queryRow(`SELECT NOT EXISTS (SELECT 1 FROM device WHERE user_id = $1 AND id <> $2)`, int64(u), int64(d)).Scan(&first)
	return first, err
}

// received is how far the other devices of a user are in a conversation.
type received struct {
	userEnd
	cursor int64 // the furthest one
	owed   place // the first message that none of them has; zero for none
}

func (db *DB) startAtPresent(t tx, u store.UserID, d store.DeviceID) (mark int64, err error) {
	mark = db.writer.gids.last
	convs, err := db.receivedByOthers(t, u, d)
	if err != nil {
		return 0, err
	}
	for _, c := range convs {
		if c.owed.gid > 0 {
			mark = min(mark, c.owed.gid-1)
		}
	}
	for conv, seq := range seenAfter(mark, convs) {
		if _, err := t.exec(upsertCursor, int64(d), int64(conv), seq); err != nil {
			return 0, err
		}
	}
	return mark, saveStart(t, d, mark)
}

// seenAfter tells how far conversations that go on after a mark have been
// received: up to the first message that is owed, or to the end. Who has been in
// a group twice sees two parts of its conversation.
func seenAfter(mark int64, convs []received) map[store.ConversationID]int64 {
	seen := make(map[store.ConversationID]int64)
	owing := make(map[store.ConversationID]bool)
	for _, c := range convs {
		if c.owed.gid > 0 && !owing[c.conv] {
			_, first := splitPosition(c.owed.pos)
			seen[c.conv], owing[c.conv] = first-1, true // the parts come in their order
		}
		if c.gid > mark && !owing[c.conv] {
			seen[c.conv] = c.seq
		}
	}
	return seen
}

// receivedByOthers looks at each conversation of the user. Cursors that still
// wait for the writer count.
func (db *DB) receivedByOthers(t tx, u store.UserID, d store.DeviceID) ([]received, error) {
	floor, devices, err := otherDevices(t, u, d)
	if err != nil {
		return nil, err
	}
	ends, err := db.ends(t, u)
	if err != nil {
		return nil, err
	}
	convs := make([]received, len(ends))
	for i := range convs {
		c := &convs[i]
		c.userEnd = ends[i]
		err := t.queryRow(`SELECT coalesce(max(k.seq), 0) FROM device_cursor k JOIN device v ON v.id = k.device_id
			WHERE v.user_id = $1 AND k.conv_id = $2 AND k.device_id <> $3`, int64(u), int64(c.conv), int64(d)).Scan(&c.cursor)
		if err != nil {
			return nil, err
		}
		c.cursor = max(c.cursor, c.after)
		for _, other := range devices {
			c.cursor = max(c.cursor, db.relaxed.cursor(cursorKey{other, c.conv}))
		}
		if c.cursor >= c.seq || c.gid <= floor {
			continue
		}
		if c.owed, err = firstUnreceived(t, u, *c, floor); err != nil {
			return nil, err
		}
	}
	return convs, nil
}

// otherDevices returns them and the highest of their marks.
func otherDevices(t tx, u store.UserID, d store.DeviceID) (floor int64, devices []store.DeviceID, err error) {
	rows, err := t.query(`SELECT v.id, coalesce(s.gid, 0) FROM device v LEFT JOIN device_start s ON s.device_id = v.id
		WHERE v.user_id = $1 AND v.id <> $2`, int64(u), int64(d))
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id store.DeviceID
		var gid int64
		if err := rows.Scan(&id, &gid); err != nil {
			return 0, nil, err
		}
		floor = max(floor, gid)
		devices = append(devices, id)
	}
	return floor, devices, rows.Err()
}

// userEnd is the end of a conversation as a user sees it.
type userEnd struct {
	convEnd
	kind convKind
	left bool // he is no longer in the group
}

// ends returns the user's conversations with their ends of this moment, which
// the table may not have yet. It runs in the writer, whose heads have them.
func (db *DB) ends(t tx, u store.UserID) ([]userEnd, error) {
	rows, err := t.query(`SELECT c.id, c.kind, 0, $1, 0, c.last_seq, c.last_gid FROM conv_member m JOIN conversation c ON c.id = m.conv_id WHERE m.user_id = $2
		UNION ALL SELECT c.id, c.kind, w.after_seq, w.to_seq, w.to_gid, c.last_seq, c.last_gid
		FROM group_window w JOIN conversation c ON c.id = w.conv_id WHERE w.user_id = $2 ORDER BY 1, 3`, int64(openEnd), int64(u))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	moved := db.writer.heads.movedOf(u)
	var out []userEnd
	for rows.Next() {
		var e userEnd
		var to, toGID int64
		if err := rows.Scan(&e.conv, &e.kind, &e.after, &to, &toGID, &e.seq, &e.gid); err != nil {
			return nil, err
		}
		if h := moved[e.conv]; h != nil {
			e.seq, e.gid = h.seq, h.gid
		}
		if e.left = to != openEnd; e.left {
			e.seq, e.gid = to, toGID
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// firstUnreceived finds the first message to the user that none of his devices
// has received or sent.
func firstUnreceived(t tx, u store.UserID, c received, floor int64) (place, error) {
	var p place
	err := t.queryRow(`SELECT pos, gid FROM message
		WHERE pos > $1 AND pos <= $2 AND gid > $3 AND (from_user <> $4 OR from_device = 0) AND (kind <> $5 OR to_user = $6)
		ORDER BY pos LIMIT 1`,
		position(c.conv, c.cursor), position(c.conv, c.seq), floor, int64(u), int64(store.KindReceipt), int64(u)).Scan(&p.pos, &p.gid)
	if errors.Is(err, sql.ErrNoRows) {
		return place{}, nil
	}
	return p, err
}

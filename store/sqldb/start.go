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
// although other devices have seen more get a cursor besides.
func (db *DB) StartCursors(ctx context.Context, u store.UserID, d store.DeviceID) error {
	started, err := db.isStarted(ctx, d)
	if err != nil || started {
		return err
	}
	var mark int64
	err = db.write(ctx, func(t tx) (err error) {
		mark, err = db.startCursors(t, u, d)
		return err
	})
	if err != nil {
		return fmt.Errorf("start device %d: %w", d, err)
	}
	db.activity.raise(d, mark)
	return nil
}

// isStarted answers for the devices that are known, which are nearly all,
// without the writer.
func (db *DB) isStarted(ctx context.Context, d store.DeviceID) (started bool, err error) {
	ctx, err = pointRead(ctx)
	if err != nil {
		return false, err
	}
	err = db.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM device_start WHERE device_id = $1)`, int64(d)).Scan(&started)
	if err != nil {
		return false, fmt.Errorf("start device %d: %w", d, err)
	}
	return started, nil
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
	conv   store.ConversationID
	end    convEnd
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
	for _, c := range convs {
		if c.end.gid <= mark {
			continue
		}
		seen := c.end.seq
		if c.owed.gid > 0 {
			_, first := splitPosition(c.owed.pos)
			seen = first - 1
		}
		if _, err := t.exec(upsertCursor, int64(d), int64(c.conv), seen); err != nil {
			return 0, err
		}
	}
	return mark, saveStart(t, d, mark)
}

// receivedByOthers looks at each conversation of the user. Cursors that still
// wait for the writer count.
func (db *DB) receivedByOthers(t tx, u store.UserID, d store.DeviceID) ([]received, error) {
	floor, devices, err := otherDevices(t, u, d)
	if err != nil {
		return nil, err
	}
	convs, err := db.ends(t, u)
	if err != nil {
		return nil, err
	}
	for i := range convs {
		c := &convs[i]
		err := t.queryRow(`SELECT coalesce(max(k.seq), 0) FROM device_cursor k JOIN device v ON v.id = k.device_id
			WHERE v.user_id = $1 AND k.conv_id = $2 AND k.device_id <> $3`, int64(u), int64(c.conv), int64(d)).Scan(&c.cursor)
		if err != nil {
			return nil, err
		}
		for _, other := range devices {
			c.cursor = max(c.cursor, db.relaxed.cursor(cursorKey{other, c.conv}))
		}
		if c.cursor >= c.end.seq || c.end.gid <= floor {
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

// ends returns the user's conversations with their ends of this moment, which
// the table may not have yet. It runs in the writer, whose heads have them.
func (db *DB) ends(t tx, u store.UserID) ([]received, error) {
	rows, err := t.query(`SELECT c.id, c.last_seq, c.last_gid FROM conv_member m JOIN conversation c ON c.id = m.conv_id WHERE m.user_id = $1`, int64(u))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	moved := db.writer.heads.movedOf(u)
	var out []received
	for rows.Next() {
		var c received
		if err := rows.Scan(&c.conv, &c.end.seq, &c.end.gid); err != nil {
			return nil, err
		}
		if h := moved[c.conv]; h != nil {
			c.end.seq, c.end.gid = h.seq, h.gid
		}
		out = append(out, c)
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
		position(c.conv, c.cursor), position(c.conv, c.end.seq), floor, int64(u), int64(store.KindReceipt), int64(u)).Scan(&p.pos, &p.gid)
	if errors.Is(err, sql.ErrNoRows) {
		return place{}, nil
	}
	return p, err
}

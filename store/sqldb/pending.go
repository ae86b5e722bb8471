package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// fewEnds is up to how many conversations the cursors are looked up one by one.
const fewEnds = 8

// longTail is the number of messages after a cursor from which the first one
// that is owed is found by bisection.
const longTail = 256

// saveMarkAfter is how far the mark of a device moves before it is saved. A
// saved mark only spares work after a restart.
const saveMarkAfter = int64(time.Hour/time.Millisecond) << gidShift

// Delivered implements store.Archive.
func (db *DB) Delivered(c store.ConversationID, seq int64, d store.Delivery) {
	first, kept := db.relaxed.deliver(cursorKey{d.Device, c}, seq, d)
	if !kept {
		db.writer.metrics.dropped.Inc()
	}
	if first {
		db.writer.signal()
	}
}

// Pending implements store.Archive.
func (db *DB) Pending(ctx context.Context, u store.UserID, d store.DeviceID, limit int) ([]store.Message, error) {
	ctx, err := pointRead(ctx)
	if err != nil {
		return nil, err
	}
	floor, err := db.owedAfter(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("pending of device %d: %w", d, err)
	}
	o, err := db.outlook(ctx, u, d, floor)
	if err != nil {
		return nil, fmt.Errorf("pending of device %d: %w", d, err)
	}
	if o.empty() {
		return nil, nil
	}
	due, err := db.pendingPositions(ctx, u, d, &o, limit)
	if err != nil {
		return nil, fmt.Errorf("pending of device %d: %w", d, err)
	}
	if len(due) == 0 {
		db.nothingOwed(d, o.newest)
		return nil, nil
	}
	db.activity.raise(d, due[0].gid-1)
	out := make([]store.Message, 0, len(due))
	for chunk := range slices.Chunk(due, placesAtOnce) {
		messages, err := db.at(ctx, chunk)
		if err != nil {
			return nil, fmt.Errorf("pending of device %d: %w", d, err)
		}
		out = append(out, messages...)
	}
	return out, nil
}

// placesAtOnce is the number of messages that one query of at reads.
const placesAtOnce = 16

// at reads the messages at up to placesAtOnce places, oldest first.
func (db *DB) at(ctx context.Context, places []place) ([]store.Message, error) {
	var positions [placesAtOnce]any
	for i := range positions {
		positions[i] = 0 // no message is there
	}
	for i, p := range places {
		positions[i] = p.pos
	}
	return db.messages(ctx, `SELECT `+messageColumns+` FROM message
		WHERE pos IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ORDER BY gid`, positions[:]...)
}

// owedAfter returns the gid at or below which nothing is owed to a device.
func (db *DB) owedAfter(ctx context.Context, d store.DeviceID) (int64, error) {
	expired := gidAt(db.cfg.Now().Add(-db.cfg.Keep)) - 1
	mark, ok := db.activity.mark(d)
	if !ok {
		err := db.reader.QueryRowContext(ctx, `SELECT gid FROM device_start WHERE device_id = $1`, int64(d)).Scan(&mark)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, err
		}
		db.activity.raise(d, mark)
	}
	return max(mark, expired), nil
}

// nothingOwed remembers that the device has everything up to newest.
func (db *DB) nothingOwed(d store.DeviceID, newest int64) {
	before, _ := db.activity.mark(d)
	db.activity.raise(d, newest)
	if newest-before > saveMarkAfter {
		db.relax(func(s *relaxedSet) { s.starts[d] = max(s.starts[d], newest) })
	}
}

func saveStart(t tx, d store.DeviceID, gid int64) error {
	_, err := t.exec(`INSERT INTO device_start (device_id, gid) VALUES ($1, $2)
		ON CONFLICT (device_id) DO UPDATE SET gid = excluded.gid WHERE excluded.gid > device_start.gid`, int64(d), gid)
	return err
}

// place is a message by both its keys.
type place struct{ pos, gid int64 }

// pendingPositions returns the places of what is pending, oldest first.
func (db *DB) pendingPositions(ctx context.Context, u store.UserID, d store.DeviceID, o *outlook, limit int) ([]place, error) {
	ends, err := db.unfinished(ctx, u, d, o)
	if err != nil {
		return nil, err
	}
	var due []place
	for _, end := range ends {
		found, err := db.pendingIn(ctx, u, d, end, o.floor, limit)
		if err != nil {
			return nil, err
		}
		due = append(due, found...)
	}
	for _, r := range o.replays {
		found, err := db.pendingIn(ctx, u, d, convEnd{conv: r.conv, after: r.from - 1, seq: r.to}, 0, limit)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			db.endReplay(r)
		}
		due = append(due, found...)
	}
	slices.SortFunc(due, func(a, b place) int { return cmp.Compare(a.gid, b.gid) })
	due = slices.Compact(due) // what is replayed may be owed anyway
	return due[:min(limit, len(due))], nil
}

// pendingIn returns what one conversation owes to a device.
func (db *DB) pendingIn(ctx context.Context, u store.UserID, d store.DeviceID, end convEnd, floor int64, limit int) ([]place, error) {
	cursor, err := db.cursor(ctx, d, end.conv)
	if cursor = max(cursor, end.after); err != nil || cursor >= end.seq {
		return nil, err
	}
	return db.owed(ctx, u, d, end, cursor, floor, limit)
}

// unfinished returns the conversations that may owe something to the device.
// Where they are many or not all known, those after whose end its cursor was
// saved are not among them.
func (db *DB) unfinished(ctx context.Context, u store.UserID, d store.DeviceID, o *outlook) ([]convEnd, error) {
	if o.complete && len(o.two)+len(o.groups) <= fewEnds {
		return append(o.two, o.groups...), nil
	}
	ends := o.two
	if !o.complete {
		var err error
		if ends, err = db.endsOfTwo(ctx, u, o); err != nil {
			return nil, err
		}
	}
	ends = append(ends, o.groups...)
	cursors, err := db.savedCursors(ctx, d)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(ends, func(end convEnd) bool { return cursors[end.conv] >= end.seq }), nil
}

// endsOfTwo returns all conversations of the user with others that go on after
// the floor. What was already known of them is newer than the table.
func (db *DB) endsOfTwo(ctx context.Context, u store.UserID, o *outlook) ([]convEnd, error) {
	known := make(map[store.ConversationID]convEnd, len(o.two))
	for _, end := range o.two {
		known[end.conv] = end
	}
	rows, err := db.reader.QueryContext(ctx, `SELECT c.id, c.last_seq, c.last_gid
		FROM conv_member m JOIN conversation c ON c.id = m.conv_id WHERE m.user_id = $1`, int64(u))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []convEnd
	for rows.Next() {
		var end convEnd
		if err := rows.Scan(&end.conv, &end.seq, &end.gid); err != nil {
			return nil, err
		}
		if newer, ok := known[end.conv]; ok {
			end = newer
		}
		if end.gid > o.floor {
			out = append(out, end)
		}
	}
	return out, rows.Err()
}

// savedCursors are those of a device that no longer wait for the writer.
func (db *DB) savedCursors(ctx context.Context, d store.DeviceID) (map[store.ConversationID]int64, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT conv_id, seq FROM device_cursor WHERE device_id = $1`, int64(d))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	cursors := make(map[store.ConversationID]int64)
	for rows.Next() {
		var conv store.ConversationID
		var seq int64
		if err := rows.Scan(&conv, &seq); err != nil {
			return nil, err
		}
		cursors[conv] = seq
	}
	return cursors, rows.Err()
}

// endReplay forgets a replay of which the device has everything.
func (db *DB) endReplay(r replay) {
	db.activity.dropReplay(r)
	db.relax(func(s *relaxedSet) { s.replays[r] = struct{}{} })
}

// cursor returns how far the device is. What waits for the writer is read
// first: a moment later it may be in the table instead.
func (db *DB) cursor(ctx context.Context, d store.DeviceID, c store.ConversationID) (int64, error) {
	waiting := db.relaxed.cursor(cursorKey{d, c})
	var seq int64
	err := db.reader.QueryRowContext(ctx, `SELECT seq FROM device_cursor WHERE device_id = $1 AND conv_id = $2`, int64(d), int64(c)).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return max(waiting, seq), err
}

// owed returns the places of what the conversation owes to the device after
// cursor: not what it sent itself, and of receipts only those to its user.
func (db *DB) owed(ctx context.Context, u store.UserID, d store.DeviceID, end convEnd, cursor, floor int64, limit int) ([]place, error) {
	if end.seq-cursor > longTail {
		var err error
		if cursor, err = db.lastBelow(ctx, end.conv, cursor, end.seq, floor); err != nil {
			return nil, err
		}
	}
	rows, err := db.reader.QueryContext(ctx, `SELECT pos, gid FROM message
		WHERE pos > $1 AND pos <= $2 AND gid > $3 AND (from_device <> $4 OR from_device = 0) AND (kind <> $5 OR to_user = $6)
		ORDER BY pos LIMIT $7`,
		position(end.conv, cursor), position(end.conv, end.seq), floor, int64(d), int64(store.KindReceipt), int64(u), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []place
	for rows.Next() {
		var p place
		if err := rows.Scan(&p.pos, &p.gid); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// lastBelow returns the last seq from cursor to end whose gid is not above
// floor; gids grow with seq.
func (db *DB) lastBelow(ctx context.Context, conv store.ConversationID, cursor, end, floor int64) (int64, error) {
	var failed error
	n := sort.Search(int(end-cursor), func(i int) bool {
		var gid int64
		err := db.reader.QueryRowContext(ctx, `SELECT gid FROM message WHERE pos > $1 ORDER BY pos LIMIT 1`,
			position(conv, cursor+int64(i))).Scan(&gid)
		failed = errors.Join(failed, err)
		return gid > floor
	})
	return cursor + int64(n), failed
}

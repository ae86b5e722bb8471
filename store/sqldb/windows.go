package sqldb

import (
	"context"
	"database/sql"

	"github.com/sparkleim/sparkle/store"
)

// openEnd is where the window of a member ends.
const openEnd = seqMask

// window is a part of a group's conversation that a user sees: messages after
// one seq up to another.
type window struct {
	conv      store.ConversationID
	after, to int64
	toGID     int64 // gid of the message at to; 0 while it is open
	changed   int64 // stamp of the last change
}

func (w *window) open() bool { return w.to == openEnd }

const selectWindows = `SELECT conv_id, after_seq, to_seq, to_gid, changed FROM group_window WHERE user_id = $1 ORDER BY conv_id, after_seq`

func scanWindows(rows *sql.Rows) ([]window, error) {
	defer rows.Close()
	var out []window
	for rows.Next() {
		var w window
		if err := rows.Scan(&w.conv, &w.after, &w.to, &w.toGID, &w.changed); err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, rows.Err()
}

// loadWindows reads the windows of a user into the activity.
func (db *DB) loadWindows(ctx context.Context, u store.UserID) error {
	_, known, joins := db.activity.windows(u)
	if known {
		return nil
	}
	rows, err := db.reader.QueryContext(ctx, selectWindows, int64(u))
	if err != nil {
		return err
	}
	ws, err := scanWindows(rows)
	if err != nil {
		return err
	}
	db.activity.putWindows(u, ws, joins)
	return nil
}

// outlook looks at what may be pending for a device. While groups change all the
// time, it reads the windows of the user again.
func (db *DB) outlook(ctx context.Context, u store.UserID, d store.DeviceID, floor int64) (outlook, error) {
	for {
		if o, known := db.activity.outlook(u, d, floor); known {
			return o, nil
		}
		if err := ctx.Err(); err != nil {
			return outlook{}, err
		}
		if err := db.loadWindows(ctx, u); err != nil {
			return outlook{}, err
		}
	}
}

// openWindow lets a user see what comes after a seq of the conversation. With
// windows from before that reach so far, it becomes one.
func openWindow(t tx, u store.UserID, conv store.ConversationID, after, stamp int64) error {
	var first sql.NullInt64
	err := t.queryRow(`SELECT min(after_seq) FROM group_window WHERE user_id = $1 AND conv_id = $2 AND to_seq >= $3`,
		int64(u), int64(conv), after).Scan(&first)
	if err != nil {
		return err
	}
	if first.Valid {
		_, err := t.exec(`DELETE FROM group_window WHERE user_id = $1 AND conv_id = $2 AND to_seq >= $3`, int64(u), int64(conv), after)
		if err != nil {
			return err
		}
		after = min(after, first.Int64)
	}
	_, err = t.exec(`INSERT INTO group_window (user_id, conv_id, after_seq, to_seq, to_gid, changed) VALUES ($1, $2, $3, $4, 0, $5)`,
		int64(u), int64(conv), after, int64(openEnd), stamp)
	return err
}

// closeWindow ends what a user sees at the end of the conversation.
func closeWindow(t tx, u store.UserID, end convEnd, stamp int64) error {
	_, err := t.exec(`UPDATE group_window SET to_seq = $1, to_gid = $2, changed = $3
		WHERE user_id = $4 AND conv_id = $5 AND to_seq = $6`, end.seq, end.gid, stamp, int64(u), int64(end.conv), int64(openEnd))
	return err
}

// load reads the ends of all groups, what devices are owed from before their
// time, and the last stamp.
func (a *activity) load(ctx context.Context, c *sql.Conn) error {
	var stamp int64
	if err := c.QueryRowContext(ctx, `SELECT value FROM mark WHERE name = 'stamps'`).Scan(&stamp); err != nil {
		return err
	}
	a.stamp = max(a.stamp, stamp)
	rows, err := c.QueryContext(ctx, `SELECT id, last_seq, last_gid FROM conversation WHERE kind = $1 AND last_seq > 0`, int64(convGroup))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var end convEnd
		if err := rows.Scan(&end.conv, &end.seq, &end.gid); err != nil {
			return err
		}
		a.groups[end.conv] = end
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return a.loadReplays(ctx, c)
}

func (a *activity) loadReplays(ctx context.Context, c *sql.Conn) error {
	rows, err := c.QueryContext(ctx, `SELECT device_id, conv_id, from_seq, to_seq FROM device_replay`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r replay
		if err := rows.Scan(&r.device, &r.conv, &r.from, &r.to); err != nil {
			return err
		}
		a.putReplay(r)
	}
	return rows.Err()
}

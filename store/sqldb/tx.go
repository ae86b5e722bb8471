package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// tx is the open transaction of the writer.
type tx struct{ conn *sql.Conn }

// exec returns the number of rows that changed.
func (t tx) exec(query string, args ...any) (int64, error) {
	r, err := t.conn.ExecContext(context.Background(), query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t tx) queryRow(query string, args ...any) *sql.Row {
	return t.conn.QueryRowContext(context.Background(), query, args...)
}

func (t tx) query(query string, args ...any) (*sql.Rows, error) {
	return t.conn.QueryContext(context.Background(), query, args...)
}

// statement is prepared on the connection of the writer and run without the
// bookkeeping of database/sql, which costs as much as a small insert. Arguments
// are int64, string, []byte or nil.
type statement struct {
	prepared driver.Stmt
	run      driver.StmtQueryContext
	args     []driver.NamedValue
}

// exec takes the way of a query also for what returns no rows: it hands all
// arguments over in one call, not in one each.
func (s *statement) exec(args ...driver.Value) error {
	rows, err := s.query(args)
	if err != nil {
		return err
	}
	return rows.Close()
}

// queryInt returns the first column of the first row, or false without a row.
func (s *statement) queryInt(args ...driver.Value) (n int64, ok bool, err error) {
	rows, err := s.query(args)
	if err != nil {
		return 0, false, err
	}
	defer rows.Close()
	var row [1]driver.Value
	if err := rows.Next(row[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return 0, false, nil
		}
		return 0, false, err
	}
	n, ok = row[0].(int64)
	return n, ok, nil
}

func (s *statement) query(args []driver.Value) (driver.Rows, error) {
	for i, a := range args {
		s.args[i].Value = a
	}
	return s.run.QueryContext(context.Background(), s.args)
}

// hotStatements are those that run for every batch, message or call.
type hotStatements struct {
	begin, commit, dedup, saveDedup, saveDedups, message, mention, head, newest, cursor, delivery, span, read, binding, unbind, call, callTrunk *statement
}

const (
	selectDedup   = `SELECT pos FROM dedup WHERE sender = $1 AND key = $2`
	insertMessage = `INSERT INTO message (pos, gid, kind, from_user, to_user, group_id, from_device, mentions, dedup,
		call_id, message_id, content_type, encoding, headers, text, trace_id, source, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`
	insertMention = `INSERT INTO mention (user_id, pos) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	updateHead    = `UPDATE conversation SET last_seq = $1, last_gid = $2 WHERE id = $3`
	updateNewest  = `UPDATE conv_member SET last_gid = $1 WHERE user_id = $2 AND conv_id = $3`
	upsertCursor  = `INSERT INTO device_cursor (device_id, conv_id, seq) VALUES ($1, $2, $3)
		ON CONFLICT (device_id, conv_id) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > device_cursor.seq`
	upsertDelivery = `INSERT INTO delivery (gid, device_id, status, rendering, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (gid, device_id) DO UPDATE SET status = excluded.status, rendering = excluded.rendering, at = excluded.at`
	upsertSpan = `INSERT INTO delivery_span (conv_id, from_seq, device_id, to_seq, status, rendering, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (conv_id, from_seq, device_id) DO UPDATE SET to_seq = excluded.to_seq, status = excluded.status,
		rendering = excluded.rendering, at = excluded.at`
	upsertRead = `INSERT INTO conv_state (conv_id, user_id, read_seq, cleared_seq, mute, unread, labels, changed) SELECT $1, $2, $3, 0, '', 0, '', $4
		WHERE EXISTS (SELECT 1 FROM message WHERE pos = $5) AND (EXISTS (SELECT 1 FROM conv_member WHERE user_id = $2 AND conv_id = $1)
			OR EXISTS (SELECT 1 FROM group_window WHERE user_id = $2 AND conv_id = $1))
		ON CONFLICT (conv_id, user_id) DO UPDATE SET read_seq = excluded.read_seq, unread = 0, changed = excluded.changed
		WHERE excluded.read_seq > conv_state.read_seq`
	upsertBinding = `INSERT INTO binding (user_id, instance, reg_id, contact_key, device_id, contact, params, path, q,
		call_id, cseq, expires, received, local, user_agent)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (user_id, instance, reg_id, contact_key) DO UPDATE SET
		device_id = excluded.device_id, contact = excluded.contact, params = excluded.params, path = excluded.path, q = excluded.q,
		call_id = excluded.call_id, cseq = excluded.cseq, expires = excluded.expires, received = excluded.received,
		local = excluded.local, user_agent = excluded.user_agent`
	upsertCall = `INSERT INTO call_record (id, call_id, trace_id, direction, started,
		caller_user, caller_address, caller_shown, caller_trunk, caller_device, dialled, number,
		callee_user, callee_address, callee_shown, callee_trunk, callee_device,
		ringing, answered, ended, status, reason, cause, ended_by, attempts, quality)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)
		ON CONFLICT (id) DO UPDATE SET call_id = excluded.call_id, trace_id = excluded.trace_id, direction = excluded.direction,
		started = excluded.started, caller_user = excluded.caller_user, caller_address = excluded.caller_address, caller_shown = excluded.caller_shown,
		caller_trunk = excluded.caller_trunk, caller_device = excluded.caller_device, dialled = excluded.dialled, number = excluded.number,
		callee_user = excluded.callee_user, callee_address = excluded.callee_address, callee_shown = excluded.callee_shown,
		callee_trunk = excluded.callee_trunk, callee_device = excluded.callee_device,
		ringing = excluded.ringing, answered = excluded.answered, ended = excluded.ended, status = excluded.status, reason = excluded.reason,
		cause = excluded.cause, ended_by = excluded.ended_by, attempts = excluded.attempts, quality = excluded.quality`
	insertCallTrunk = `INSERT INTO call_trunk (trunk, record_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	deleteBinding   = `DELETE FROM binding WHERE user_id = $1 AND instance = $2 AND reg_id = $3 AND contact_key = $4`
)

func prepareHot(conn *sql.Conn, d dialect) (*hotStatements, error) {
	h := new(hotStatements)
	// The statements outlive the call of Raw; that is sound because the
	// connection is never handed to anybody but the writer.
	err := conn.Raw(func(raw any) error {
		for _, s := range []struct {
			to    **statement
			query string
		}{
			{&h.begin, d.begin}, {&h.commit, "COMMIT"}, {&h.dedup, selectDedup},
			{&h.saveDedup, upsertDedups(1)}, {&h.saveDedups, upsertDedups(dedupRows)}, {&h.message, insertMessage}, {&h.mention, insertMention}, {&h.head, updateHead}, {&h.newest, updateNewest}, {&h.cursor, upsertCursor},
			{&h.delivery, upsertDelivery}, {&h.span, upsertSpan}, {&h.read, upsertRead}, {&h.binding, upsertBinding}, {&h.unbind, deleteBinding},
			{&h.call, upsertCall}, {&h.callTrunk, insertCallTrunk},
		} {
			var err error
			if *s.to, err = prepare(raw, s.query); err != nil {
				return err
			}
		}
		return nil
	})
	return h, err
}

func prepare(raw any, query string) (*statement, error) {
	conn, ok := raw.(driver.Conn)
	if !ok {
		return nil, fmt.Errorf("%T is not a connection", raw)
	}
	prepared, err := conn.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	run, ok := prepared.(driver.StmtQueryContext)
	if !ok {
		return nil, errors.New("the driver cannot run prepared statements with a context")
	}
	s := &statement{prepared: prepared, run: run, args: make([]driver.NamedValue, prepared.NumInput())}
	for i := range s.args {
		s.args[i].Ordinal = i + 1
	}
	return s, nil
}

func (h *hotStatements) close() {
	for _, s := range []*statement{h.begin, h.commit, h.dedup, h.saveDedup, h.saveDedups, h.message, h.mention, h.head, h.newest, h.cursor, h.delivery, h.span, h.read, h.binding, h.unbind, h.call, h.callTrunk} {
		s.prepared.Close()
	}
}

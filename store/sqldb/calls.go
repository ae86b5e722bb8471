package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// callClockSlack is how far the moment in a record's ID and its Started may lie
// apart: the clock may step, and an ID is taken a little later.
const callClockSlack = time.Hour

// listCallsTime bounds a list: for a part of an address, every record is looked
// at, about a million in a second.
const listCallsTime = 10 * time.Second

// NewCallID implements store.CallRecords.
func (db *DB) NewCallID() int64 {
	db.callIDs.mu.Lock()
	defer db.callIDs.mu.Unlock()
	return db.callIDs.gids.next(db.cfg.Now())
}

// SaveCall implements store.CallRecords.
func (db *DB) SaveCall(r *store.CallRecord) {
	first, kept := db.relaxed.save(r)
	if !kept {
		db.writer.metrics.dropped.Inc()
	}
	if first {
		db.writer.signal()
	}
}

// applyCalls writes records in the order of their IDs, so that those that are
// new go to the end of the table.
func (w *writer) applyCalls(calls map[int64]*store.CallRecord) error {
	for _, id := range slices.Sorted(maps.Keys(calls)) {
		if err := w.applyCall(calls[id]); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) applyCall(r *store.CallRecord) error {
	err := w.hot.call.exec(r.ID, r.CallID, r.TraceID, r.Direction, r.Started.UnixMilli(),
		int64(r.Caller.User), r.Caller.Address, r.Caller.Shown, r.Caller.Trunk, r.Caller.Device, r.Dialled, r.Number,
		int64(r.Callee.User), r.Callee.Address, r.Callee.Shown, r.Callee.Trunk, r.Callee.Device,
		millis(r.Ringing), millis(r.Answered), millis(r.Ended), int64(r.Status), r.Reason, int64(r.Cause), r.EndedBy,
		listText(w, r.Attempts), listText(w, finite(r.Quality)))
	if err != nil {
		return err
	}
	for _, trunk := range trunksOf(r) {
		if err := w.hot.callTrunk.exec(trunk, r.ID); err != nil {
			return err
		}
	}
	if r.ID <= w.db.callIDs.indexed && r.Ended != nil {
		return indexCalls(w.tx, r.ID-1, r.ID)
	}
	return nil
}

// listText is a list as JSON, "" when it is empty. A list that cannot be
// written (a time after the year 9999) must not hold up what waits beside it.
func listText[T any](w *writer, list []T) string {
	if len(list) == 0 {
		return ""
	}
	b, err := json.Marshal(list)
	if err != nil {
		w.db.log.Error("a part of a call record is lost", slog.Any("error", err))
	}
	return string(b)
}

// finite replaces what JSON cannot say, a division by zero packets, by 0.
func finite(quality []store.CallQuality) []store.CallQuality {
	isFinite := func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
	for i, q := range quality {
		if isFinite(q.JitterMS) && isFinite(q.RoundTripMS) && isFinite(q.MOS) {
			continue
		}
		quality = slices.Clone(quality) // live calls show the record, too
		for _, f := range []*float64{&quality[i].JitterMS, &quality[i].RoundTripMS, &quality[i].MOS} {
			if !isFinite(*f) {
				*f = 0
			}
		}
	}
	return quality
}

// trunksOf returns each trunk that had to do with the call, once.
func trunksOf(r *store.CallRecord) []string {
	var trunks []string
	add := func(name string) {
		if name != "" && !slices.Contains(trunks, name) {
			trunks = append(trunks, name)
		}
	}
	add(r.Caller.Trunk)
	for i := range r.Attempts {
		add(r.Attempts[i].Trunk)
	}
	add(r.Callee.Trunk)
	return trunks
}

const callColumns = `id, call_id, trace_id, direction, started, caller_user, caller_address, caller_shown, caller_trunk, caller_device,
	dialled, number, callee_user, callee_address, callee_shown, callee_trunk, callee_device,
	ringing, answered, ended, status, reason, cause, ended_by, attempts, quality`

func scanCall(row scanner) (store.CallRecord, error) {
	var r store.CallRecord
	var started int64
	var ringing, answered, ended sql.NullInt64
	var attempts, quality string
	err := row.Scan(&r.ID, &r.CallID, &r.TraceID, &r.Direction, &started,
		&r.Caller.User, &r.Caller.Address, &r.Caller.Shown, &r.Caller.Trunk, &r.Caller.Device, &r.Dialled, &r.Number,
		&r.Callee.User, &r.Callee.Address, &r.Callee.Shown, &r.Callee.Trunk, &r.Callee.Device,
		&ringing, &answered, &ended, &r.Status, &r.Reason, &r.Cause, &r.EndedBy, &attempts, &quality)
	if err != nil {
		return r, err
	}
	r.Started, r.Ringing, r.Answered, r.Ended = timeOf(started), timeOrNil(ringing), timeOrNil(answered), timeOrNil(ended)
	if err := readList(attempts, &r.Attempts); err != nil {
		return r, fmt.Errorf("attempts of call %s: %w", store.GIDString(r.ID), err)
	}
	if err := readList(quality, &r.Quality); err != nil {
		return r, fmt.Errorf("quality of call %s: %w", store.GIDString(r.ID), err)
	}
	return r, nil
}

// readList undoes listText.
func readList[T any](text string, list *[]T) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), list)
}

// calls runs a query over callColumns.
func (db *DB) calls(ctx context.Context, query string, args ...any) ([]store.CallRecord, error) {
	rows, err := db.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.CallRecord
	for rows.Next() {
		r, err := scanCall(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// settleCalls has the writer write the records that wait, so that a query sees
// them. While the disk fails, queries see what was written before.
func (db *DB) settleCalls(ctx context.Context) {
	for range db.relaxed.hurry() {
		if err := db.write(ctx, func(tx) error { return nil }); err != nil {
			return
		}
	}
}

// OpenCalls implements store.CallRecords.
func (db *DB) OpenCalls(ctx context.Context) ([]store.CallRecord, error) {
	db.settleCalls(ctx)
	open, err := db.calls(ctx, `SELECT `+callColumns+` FROM call_record WHERE ended IS NULL ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("open calls: %w", err)
	}
	return open, nil
}

// Call implements store.CallRecords.
func (db *DB) Call(ctx context.Context, id int64) (store.CallRecord, error) {
	db.settleCalls(ctx)
	r, err := scanCall(db.reader.QueryRowContext(ctx, `SELECT `+callColumns+` FROM call_record WHERE id = $1`, id))
	return r, notFound(err, "call %s", store.GIDString(id))
}

// ListCalls implements store.CallRecords.
func (db *DB) ListCalls(ctx context.Context, q store.CallQuery) ([]store.CallRecord, error) {
	if q.Limit <= 0 {
		q.Limit = defaultFound
	}
	db.settleCalls(ctx)
	f := newCallFilter(q)
	if q.Before > 0 {
		f.add(`id < ?`, q.Before)
	}
	query, args := f.query(`ORDER BY id DESC LIMIT ?`, min(q.Limit, maxFound))
	ctx, cancel := context.WithTimeout(ctx, listCallsTime)
	defer cancel()
	found, err := db.calls(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list calls: %w", cmp.Or(ctx.Err(), err))
	}
	return found, nil
}

// ExportCalls implements store.CallRecords. It reads page by page, so that a
// slow fn holds up nobody.
func (db *DB) ExportCalls(ctx context.Context, q store.CallQuery, fn func(*store.CallRecord) error) error {
	db.settleCalls(ctx)
	for after := int64(0); ; {
		f := newCallFilter(q)
		f.add(`id > ?`, after)
		query, args := f.query(`ORDER BY id LIMIT ?`, exportPage)
		page, err := db.calls(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("export calls: %w", err)
		}
		for i := range page {
			if err := fn(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < exportPage {
			return nil
		}
		after = page[len(page)-1].ID
	}
}

// callFilter is the conditions of a query for calls. Each ? in them stands for
// the next argument.
type callFilter struct {
	conditions []string
	args       []any
}

func (f *callFilter) add(condition string, args ...any) {
	f.conditions = append(f.conditions, condition)
	f.args = append(f.args, args...)
}

// newCallFilter takes everything of q but its Before and Limit.
func newCallFilter(q store.CallQuery) *callFilter {
	f := new(callFilter)
	if q.User != 0 {
		f.add(`(caller_user = ? OR callee_user = ?)`, int64(q.User), int64(q.User))
		f.add(`id IN (SELECT record_id FROM call_user WHERE user_id = ? UNION ALL `+callsNotIndexed+`)`, int64(q.User))
	}
	if q.Text != "" {
		f.add(`lower(caller_address || ' ' || caller_shown || ' ' || dialled || ' ' || number || ' ' || callee_address || ' ' || callee_shown)
			LIKE ? ESCAPE '\'`, "%"+escapeLike(strings.ToLower(q.Text))+"%")
	}
	if q.Trunk != "" {
		f.add(`id IN (SELECT record_id FROM call_trunk WHERE trunk = ?)`, q.Trunk)
	}
	if q.Direction != "" {
		f.add(`direction = ?`, q.Direction)
	}
	if !q.Since.IsZero() {
		f.add(`id >= ? AND started >= ?`, gidAt(q.Since.Add(-callClockSlack)), q.Since.UnixMilli())
	}
	if !q.Until.IsZero() {
		f.add(`id < ? AND started < ?`, gidAt(q.Until.Add(callClockSlack)), q.Until.UnixMilli())
	}
	if q.Failed {
		f.add(`ended IS NOT NULL AND answered IS NULL`)
	}
	if q.CallID != "" {
		f.add(`call_id = ?`, q.CallID)
		f.add(`id IN (SELECT record_id FROM call_name WHERE call_id = ? UNION ALL `+callsNotIndexed+`)`, q.CallID)
	}
	return f
}

// query gives the text of the query, with numbered placeholders, and its
// arguments.
func (f *callFilter) query(order string, limit int) (string, []any) {
	var text strings.Builder
	text.WriteString(`SELECT ` + callColumns + ` FROM call_record `)
	word := "WHERE "
	for _, c := range f.conditions {
		text.WriteString(word + c + "\n")
		word = "AND "
	}
	text.WriteString(order)
	var numbered strings.Builder
	for i, part := range strings.Split(text.String(), "?") {
		if i > 0 {
			numbered.WriteString("$" + strconv.Itoa(i))
		}
		numbered.WriteString(part)
	}
	return numbered.String(), append(f.args, limit)
}

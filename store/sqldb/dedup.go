package sqldb

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/store"
)

const (
	dedupSpan  = 7 * 24 * time.Hour // how long a repeated key means the same message
	maxYoung   = 1 << 16            // keys in memory before they are written
	dedupChunk = 512                // keys written in one transaction
	dedupRows  = 32                 // keys written by one statement
)

// dedupID is a deduplication key and whose it is.
type dedupID struct {
	sender store.UserID
	key    [16]byte
}

func compareDedup(a, b dedupID) int {
	return cmp.Or(cmp.Compare(a.sender, b.sender), bytes.Compare(a.key[:], b.key[:]))
}

// dedup knows the deduplication keys of the last days. Keys are random: written
// one by one, each would change another page of the table, which costs more
// than the message itself. So new ones are kept in memory and written in the
// order of the table, many to a page. Those that were not written yet are found
// again in the messages when the store opens. Only the writer uses it.
type dedup struct {
	young    map[dedupID]int64 // positions by key
	old      map[dedupID]int64 // being written
	unsaved  []dedupID         // of old, in the order of the table
	oldest   int64             // gid up to which keys are in old or in the table
	claimed  []dedupID         // in this batch
	saving   int               // of unsaved, in this batch
	ripeness int               // size of young at which it becomes old
	filter   keyFilter
}

func newDedup(young map[dedupID]int64) *dedup {
	d := &dedup{young: young, ripeness: maxYoung, filter: keyFilter{fresh: new(bloom)}}
	for id := range young {
		d.filter.add(id.key)
	}
	return d
}

// claim returns the first message with the key of m, or, with Seq 0, notes that
// it will be the one at pos.
func (d *dedup) claim(w *writer, m *store.NewMessage, pos int64) (store.Accepted, error) {
	id := dedupID{m.From, m.Dedup}
	first, known := d.young[id]
	if !known {
		first, known = d.old[id]
	}
	if !known && d.filter.mayHold(id.key) {
		var err error
		if first, known, err = w.hot.dedup.queryInt(int64(id.sender), id.key[:]); err != nil {
			return store.Accepted{}, err
		}
	}
	if known {
		a, err := d.accepted(w, first)
		if err != nil || a.Seq > 0 {
			return a, err
		}
	}
	d.young[id] = pos
	d.filter.add(id.key)
	d.claimed = append(d.claimed, id)
	return store.Accepted{}, nil
}

// accepted returns the place of a message, or Seq 0 when it is so old that the
// key may be used again.
func (d *dedup) accepted(w *writer, pos int64) (store.Accepted, error) {
	var gid int64
	err := w.tx.queryRow(`SELECT gid FROM message WHERE pos = $1`, pos).Scan(&gid)
	if err != nil || gid < gidAt(w.now.Add(-dedupSpan)) {
		return store.Accepted{}, ignoreNoRows(err)
	}
	conv, seq := splitPosition(pos)
	return store.Accepted{GID: gid, Conversation: conv, Seq: seq, At: gidTime(gid), Duplicate: true}, nil
}

// save writes the next of the old keys.
func (d *dedup) save(w *writer) error {
	d.saving = min(dedupChunk, len(d.unsaved))
	for rest := d.unsaved[:d.saving]; len(rest) > 0; {
		n, insert := dedupRows, w.hot.saveDedups
		if len(rest) < dedupRows {
			n, insert = 1, w.hot.saveDedup
		}
		if err := insert.exec(d.rows(rest[:n])...); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if d.saving == 0 || d.saving < len(d.unsaved) {
		return nil
	}
	_, err := w.tx.exec(`UPDATE mark SET value = $1 WHERE name = 'keys'`, d.oldest)
	return err
}

// rows are the arguments of upsertDedups.
func (d *dedup) rows(ids []dedupID) []driver.Value {
	args := make([]driver.Value, 0, 3*len(ids))
	for i := range ids {
		args = append(args, int64(ids[i].sender), ids[i].key[:], d.old[ids[i]])
	}
	return args
}

// upsertDedups writes n keys: most of the cost of a statement is its call.
func upsertDedups(n int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO dedup (sender, key, pos) VALUES ")
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "($%d, $%d, $%d)", 3*i+1, 3*i+2, 3*i+3)
	}
	b.WriteString(" ON CONFLICT (sender, key) DO UPDATE SET pos = excluded.pos")
	return b.String()
}

// committed ends a batch; newest is the gid of the last message in it.
func (d *dedup) committed(newest int64) {
	d.claimed = d.claimed[:0]
	if d.saving > 0 {
		d.unsaved = d.unsaved[d.saving:]
		d.saving = 0
		if len(d.unsaved) == 0 {
			d.old = nil
		}
	}
	if len(d.young) < d.ripeness || len(d.unsaved) > 0 {
		return
	}
	d.old, d.young = d.young, make(map[dedupID]int64, d.ripeness)
	d.oldest = newest
	d.unsaved = make([]dedupID, 0, len(d.old))
	for id := range d.old {
		d.unsaved = append(d.unsaved, id)
	}
	slices.SortFunc(d.unsaved, compareDedup)
}

// rollback forgets the batch.
func (d *dedup) rollback() {
	for _, id := range d.claimed {
		delete(d.young, id)
	}
	d.claimed = d.claimed[:0]
	d.saving = 0
}

// recoverDedup reads the keys of the messages after the last that were written.
func recoverDedup(ctx context.Context, c *sql.Conn) (map[dedupID]int64, error) {
	rows, err := c.QueryContext(ctx, `SELECT from_user, dedup, pos FROM message
		WHERE gid > (SELECT value FROM mark WHERE name = 'keys') AND dedup IS NOT NULL ORDER BY gid`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	young := make(map[dedupID]int64)
	for rows.Next() {
		var id dedupID
		var key []byte
		var pos int64
		if err := rows.Scan(&id.sender, &key, &pos); err != nil {
			return nil, err
		}
		if len(key) != len(id.key) {
			return nil, errors.New("a deduplication key in the archive is cut short: run verify, and restore a backup")
		}
		copy(id.key[:], key)
		young[id] = pos
	}
	return young, rows.Err()
}

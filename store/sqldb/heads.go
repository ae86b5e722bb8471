package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sparkleim/sparkle/store"
)

const (
	seqBits     = 32
	seqMask     = 1<<seqBits - 1
	maxConv     = 1<<31 - 1
	maxDirty    = 1 << 14 // heads that differ from the database before they are saved
	maxHeads    = 1 << 16 // heads in memory
	headsMark   = "heads" // the mark up to whose gid conversation rows are right
	noteOfHeads = `UPDATE mark SET value = $1 WHERE name = 'heads'`
)

// position is the row key of a message.
func position(conv store.ConversationID, seq int64) int64 { return int64(conv)<<seqBits | seq }

func splitPosition(pos int64) (store.ConversationID, int64) {
	return store.ConversationID(pos >> seqBits), pos & seqMask
}

// pairKey names a conversation of two; a is the smaller one.
type pairKey struct {
	kind store.Kind
	a, b store.UserID
}

func pairOf(kind store.Kind, x, y store.UserID) pairKey {
	return pairKey{kind, min(x, y), max(x, y)}
}

// head is the end of a conversation.
type head struct {
	conv  store.ConversationID
	pair  pairKey
	seq   int64
	gid   int64
	dirty bool // the database has an older seq

	// What rollback returns to, and whom the batch touched.
	touched    bool
	seq0, gid0 int64
	receivers  [2]store.UserID // whose devices may have something pending; 0 for none
}

// heads are the ends of the conversations that have seen traffic. Only the
// writer uses them.
type heads struct {
	activity *activity
	byPair   map[pairKey]*head
	fresh    []pairKey // loaded or made in this batch
	touched  []*head   // moved in this batch
	dirty    []*head
	saved    bool // this batch writes them
	saveNow  bool
	savedAt  time.Time
	newest   int64 // gid of the last message
}

func newHeads(a *activity, now time.Time) *heads {
	return &heads{activity: a, byPair: make(map[pairKey]*head), savedAt: now, newest: a.newestGID()}
}

// of returns the head of a conversation, made when it is new.
func (hs *heads) of(t tx, key pairKey) (*head, error) {
	if h := hs.byPair[key]; h != nil {
		return h, nil
	}
	h := &head{pair: key}
	err := t.queryRow(`SELECT id, last_seq, last_gid FROM conversation WHERE kind = $1 AND user_a = $2 AND user_b = $3`,
		int64(key.kind), int64(key.a), int64(key.b)).Scan(&h.conv, &h.seq, &h.gid)
	if errors.Is(err, sql.ErrNoRows) {
		err = makeConversation(t, h)
	}
	if err != nil {
		return nil, err
	}
	hs.byPair[key] = h
	hs.fresh = append(hs.fresh, key)
	return h, nil
}

func makeConversation(t tx, h *head) error {
	err := t.queryRow(`INSERT INTO conversation (id, kind, user_a, user_b, last_seq, last_gid)
		SELECT coalesce(max(id), 0) + 1, $1, $2, $3, 0, 0 FROM conversation RETURNING id`,
		int64(h.pair.kind), int64(h.pair.a), int64(h.pair.b)).Scan(&h.conv)
	if err != nil {
		return err
	}
	if h.conv > maxConv {
		return fmt.Errorf("conversation %d: the store holds no more than %d conversations", h.conv, maxConv)
	}
	_, err = t.exec(`INSERT INTO conv_member (user_id, conv_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, int64(h.pair.a), int64(h.conv))
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO conv_member (user_id, conv_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, int64(h.pair.b), int64(h.conv))
	return err
}

// advance gives the head its next message.
func (hs *heads) advance(h *head, gid int64, to store.UserID) {
	if !h.touched {
		h.touched, h.seq0, h.gid0 = true, h.seq, h.gid
		h.receivers = [2]store.UserID{}
		hs.touched = append(hs.touched, h)
	}
	h.seq++
	h.gid = gid
	if h.pair.kind == store.KindReceipt {
		h.addReceiver(to)
	} else {
		h.addReceiver(h.pair.a)
		h.addReceiver(h.pair.b)
	}
}

func (h *head) addReceiver(u store.UserID) {
	switch {
	case h.receivers[0] == u || h.receivers[1] == u:
	case h.receivers[0] == 0:
		h.receivers[0] = u
	default:
		h.receivers[1] = u
	}
}

// save writes the heads that have moved, when it is time: there are many, or
// the last save is a while ago. Between saves they follow from the messages.
func (hs *heads) save(t tx, now time.Time) error {
	if !hs.saveNow && len(hs.dirty) < maxDirty && len(hs.byPair) < maxHeads && !hs.activity.full() &&
		(len(hs.dirty)+len(hs.touched) == 0 || now.Sub(hs.savedAt) < headsInterval) {
		return nil
	}
	newest := hs.newest
	for _, list := range [][]*head{hs.dirty, hs.touched} {
		for _, h := range list {
			newest = max(newest, h.gid)
			_, err := t.exec(`UPDATE conversation SET last_seq = $1, last_gid = $2 WHERE id = $3`, h.seq, h.gid, int64(h.conv))
			if err != nil {
				return err
			}
		}
	}
	if _, err := t.exec(noteOfHeads, newest); err != nil {
		return err
	}
	hs.saved, hs.savedAt = true, now
	return nil
}

// movedOf returns the heads of a user's conversations that the table does not
// have yet.
func (hs *heads) movedOf(u store.UserID) map[store.ConversationID]*head {
	moved := make(map[store.ConversationID]*head)
	for _, list := range [][]*head{hs.dirty, hs.touched} {
		for _, h := range list {
			if h.pair.a == u || h.pair.b == u {
				moved[h.conv] = h
			}
		}
	}
	return moved
}

// committed makes what the batch did known to readers.
func (hs *heads) committed() {
	for _, h := range hs.touched {
		h.touched = false
		if !h.dirty {
			h.dirty = true
			hs.dirty = append(hs.dirty, h)
		}
		hs.newest = max(hs.newest, h.gid)
	}
	hs.activity.publish(hs.touched, hs.newest)
	hs.endBatch()
	if !hs.saved {
		return
	}
	hs.saved, hs.saveNow = false, false
	for _, h := range hs.dirty {
		h.dirty = false
	}
	clear(hs.dirty)
	hs.dirty = hs.dirty[:0]
	if len(hs.byPair) >= maxHeads {
		clear(hs.byPair)
	}
	if hs.activity.full() {
		hs.activity.reset()
	}
}

// rollback forgets the batch.
func (hs *heads) rollback() {
	for _, h := range hs.touched {
		h.touched, h.seq, h.gid = false, h.seq0, h.gid0
	}
	for _, key := range hs.fresh {
		delete(hs.byPair, key) // its row may not exist
	}
	hs.saved = false
	hs.endBatch()
}

func (hs *heads) endBatch() {
	clear(hs.touched)
	hs.touched = hs.touched[:0]
	hs.fresh = hs.fresh[:0]
}

// recoverHeads brings the conversation rows up to date with the messages that
// were committed after their last save, and returns the newest gid.
func recoverHeads(ctx context.Context, c *sql.Conn) (newest int64, err error) {
	t := tx{c}
	var mark int64
	if err := t.queryRow(`SELECT value FROM mark WHERE name = $1`, headsMark).Scan(&mark); err != nil {
		return 0, err
	}
	moved := make(map[store.ConversationID][2]int64) // last seq and gid
	rows, err := t.query(`SELECT pos, gid FROM message WHERE gid > $1 ORDER BY gid`, mark)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	newest = mark
	for rows.Next() {
		var pos int64
		if err := rows.Scan(&pos, &newest); err != nil {
			return 0, err
		}
		conv, seq := splitPosition(pos)
		moved[conv] = [2]int64{seq, newest}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(moved) == 0 {
		return newest, err
	}
	return newest, saveRecovered(ctx, c, moved, newest)
}

func saveRecovered(ctx context.Context, c *sql.Conn, moved map[store.ConversationID][2]int64, newest int64) error {
	transaction, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer transaction.Rollback() // without effect after the commit
	for conv, end := range moved {
		if _, err := transaction.ExecContext(ctx, `UPDATE conversation SET last_seq = $1, last_gid = $2 WHERE id = $3`, end[0], end[1], int64(conv)); err != nil {
			return err
		}
	}
	if _, err := transaction.ExecContext(ctx, noteOfHeads, newest); err != nil {
		return err
	}
	return transaction.Commit()
}

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

// convKind says whose a conversation is.
type convKind int8

const (
	convTwo      convKind = 1 // messages of two users
	convReceipts convKind = 2 // receipts between them
	convGroup    convKind = 3
)

// convKey names a conversation: of two users, a being the smaller number, or of
// the group a.
type convKey struct {
	kind convKind
	a, b int64
}

func keyOfTwo(kind convKind, x, y store.UserID) convKey {
	return convKey{kind, int64(min(x, y)), int64(max(x, y))}
}

func keyOfGroup(g store.GroupID) convKey { return convKey{kind: convGroup, a: int64(g)} }

// keyOfMessage names the conversation that a message belongs to. A receipt about
// a message of a group is between two.
func keyOfMessage(m *store.NewMessage) convKey {
	switch {
	case m.Kind == store.KindReceipt:
		return keyOfTwo(convReceipts, m.From, m.To)
	case m.Group != 0:
		return keyOfGroup(m.Group)
	}
	return keyOfTwo(convTwo, m.From, m.To)
}

// head is the end of a conversation.
type head struct {
	conv  store.ConversationID
	key   convKey
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
	watchers *watchers
	byKey    map[convKey]*head
	fresh    []convKey // loaded or made in this batch
	touched  []*head   // moved in this batch
	changed  changes   // of this batch
	dirty    []*head
	saved    bool // this batch writes them
	saveNow  bool
	savedAt  time.Time
	newest   int64 // gid of the last message
}

func newHeads(a *activity, w *watchers, now time.Time) *heads {
	return &heads{activity: a, watchers: w, byKey: make(map[convKey]*head), savedAt: now, newest: a.newestGID()}
}

// of returns the head of a conversation, made when it is new.
func (hs *heads) of(t tx, key convKey) (*head, error) {
	if h := hs.byKey[key]; h != nil {
		return h, nil
	}
	h := &head{key: key}
	err := t.queryRow(`SELECT id, last_seq, last_gid FROM conversation WHERE kind = $1 AND user_a = $2 AND user_b = $3`,
		int64(key.kind), key.a, key.b).Scan(&h.conv, &h.seq, &h.gid)
	if errors.Is(err, sql.ErrNoRows) {
		h.conv, err = makeConversation(t, key)
	}
	if err != nil {
		return nil, err
	}
	hs.byKey[key] = h
	hs.fresh = append(hs.fresh, key)
	return h, nil
}

// makeConversation makes one of two users; those of groups are made with them.
func makeConversation(t tx, key convKey) (store.ConversationID, error) {
	if key.kind == convGroup {
		return 0, fmt.Errorf("%w: there is no group %d", store.ErrInvalid, key.a)
	}
	conv, err := insertConversation(t, key)
	if err != nil {
		return 0, err
	}
	for _, user := range []int64{key.a, key.b} {
		if _, err := t.exec(`INSERT INTO conv_member (user_id, conv_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, user, int64(conv)); err != nil {
			return 0, err
		}
	}
	return conv, nil
}

func insertConversation(t tx, key convKey) (store.ConversationID, error) {
	var conv store.ConversationID
	err := t.queryRow(`INSERT INTO conversation (id, kind, user_a, user_b, last_seq, last_gid)
		SELECT coalesce(max(id), 0) + 1, $1, $2, $3, 0, 0 FROM conversation RETURNING id`,
		int64(key.kind), key.a, key.b).Scan(&conv)
	if err == nil && conv > maxConv {
		err = fmt.Errorf("conversation %d: the store holds no more than %d conversations", conv, maxConv)
	}
	return conv, err
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
	switch h.key.kind {
	case convTwo:
		h.addReceiver(store.UserID(h.key.a))
		h.addReceiver(store.UserID(h.key.b))
	case convReceipts:
		h.addReceiver(to)
	case convGroup: // its members look at its end
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
func (hs *heads) save(w *writer) error {
	if !hs.saveNow && len(hs.dirty) < maxDirty && len(hs.byKey) < maxHeads && !hs.activity.full() &&
		(len(hs.dirty)+len(hs.touched) == 0 || w.now.Sub(hs.savedAt) < headsInterval) {
		return nil
	}
	newest := hs.newest
	for _, list := range [][]*head{hs.dirty, hs.touched} {
		for _, h := range list {
			newest = max(newest, h.gid)
			if err := h.save(w.hot); err != nil {
				return err
			}
		}
	}
	if _, err := w.tx.exec(noteOfHeads, newest); err != nil {
		return err
	}
	hs.saved, hs.savedAt = true, w.now
	return nil
}

// save writes the end of the conversation, and for the lists of its two users
// also with each of them.
func (h *head) save(hot *hotStatements) error {
	if err := hot.head.exec(h.seq, h.gid, int64(h.conv)); err != nil || h.key.kind != convTwo {
		return err
	}
	if err := hot.newest.exec(h.gid, h.key.a, int64(h.conv)); err != nil || h.key.a == h.key.b {
		return err
	}
	return hot.newest.exec(h.gid, h.key.b, int64(h.conv))
}

// movedOf returns the heads of a user's conversations, and of all groups, that
// the table does not have yet.
func (hs *heads) movedOf(u store.UserID) map[store.ConversationID]*head {
	moved := make(map[store.ConversationID]*head)
	for _, list := range [][]*head{hs.dirty, hs.touched} {
		for _, h := range list {
			if h.key.kind == convGroup || h.key.a == int64(u) || h.key.b == int64(u) {
				moved[h.conv] = h
			}
		}
	}
	return moved
}

// committed makes what the batch did known to readers; stamp is the last gid
// that was given out.
func (hs *heads) committed(stamp int64) {
	for _, h := range hs.touched {
		h.touched = false
		if !h.dirty {
			h.dirty = true
			hs.dirty = append(hs.dirty, h)
		}
		hs.newest = max(hs.newest, h.gid)
	}
	hs.activity.publish(hs.touched, hs.changed, hs.newest, stamp)
	hs.watchers.tell(hs.touched, &hs.changed)
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
	if len(hs.byKey) >= maxHeads {
		clear(hs.byKey)
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
	hs.forget(0)
	hs.saved = false
	hs.endBatch()
}

// forget drops the heads that came into memory in this batch after the first
// known ones: the rows of their conversations may not exist.
func (hs *heads) forget(known int) {
	for _, key := range hs.fresh[known:] {
		delete(hs.byKey, key)
	}
	hs.fresh = hs.fresh[:known]
}

func (hs *heads) endBatch() {
	hs.changed = changes{}
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
	moved := make(map[store.ConversationID]convEnd)
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
		moved[conv] = convEnd{conv: conv, seq: seq, gid: newest}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(moved) == 0 {
		return newest, err
	}
	return newest, saveRecovered(t, moved, newest)
}

func saveRecovered(t tx, moved map[store.ConversationID]convEnd, newest int64) error {
	transaction, err := t.conn.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer transaction.Rollback() // without effect after the commit
	for _, end := range moved {
		if _, err := t.exec(updateHead, end.seq, end.gid, int64(end.conv)); err != nil {
			return err
		}
		_, err := t.exec(`UPDATE conv_member SET last_gid = $1 WHERE conv_id = $2
			AND user_id IN (SELECT user_a FROM conversation WHERE id = $2 AND kind = $3 UNION SELECT user_b FROM conversation WHERE id = $2 AND kind = $3)`,
			end.gid, int64(end.conv), int64(convTwo))
		if err != nil {
			return err
		}
	}
	if _, err := t.exec(noteOfHeads, newest); err != nil {
		return err
	}
	return transaction.Commit()
}

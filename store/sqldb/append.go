package sqldb

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// Append implements store.Archive. When the queue is full, done is called by
// Append itself.
func (db *DB) Append(m *store.NewMessage, done func(store.Accepted, error)) {
	op := &appendOp{msg: m, done: done}
	if err := db.writer.submit(op); err != nil {
		done(store.Accepted{}, err)
	}
}

// appendOp accepts one message.
type appendOp struct {
	msg      *store.NewMessage
	done     func(store.Accepted, error)
	accepted store.Accepted
}

// isolated is false: all that can fail after the first write is a fault of the
// database, and then the whole batch is undone.
func (op *appendOp) isolated() bool { return false }

func (op *appendOp) finish(err error) {
	if err != nil {
		op.done(store.Accepted{}, err)
		return
	}
	op.done(op.accepted, nil)
}

func (op *appendOp) apply(w *writer) (err error) {
	if err := checkMessage(op.msg); err != nil {
		return err
	}
	op.accepted, err = w.append(op.msg)
	return err
}

// append gives a message its place, or finds the one that it has. It costs the
// same in a group of any size.
func (w *writer) append(m *store.NewMessage) (store.Accepted, error) {
	h, err := w.heads.of(w.tx, keyOfMessage(m))
	if err != nil {
		return store.Accepted{}, err
	}
	pos := position(h.conv, h.seq+1)
	if m.Dedup != ([16]byte{}) {
		first, err := w.dedup.claim(w, m, pos)
		if err != nil || first.Seq > 0 {
			return first, err
		}
	}
	gid := w.gids.next(w.now)
	if err := w.insert(m, pos, gid); err != nil {
		return store.Accepted{}, err
	}
	for _, u := range m.Mentions {
		if err := w.hot.mention.exec(int64(u), pos); err != nil {
			return store.Accepted{}, err
		}
	}
	w.heads.advance(h, gid, m.To)
	return store.Accepted{GID: gid, Conversation: h.conv, Seq: h.seq, At: gidTime(gid)}, nil
}

func checkMessage(m *store.NewMessage) error {
	valid := false
	switch m.Kind {
	case store.KindText:
		valid = m.From > 0 && (m.To > 0) != (m.Group > 0)
	case store.KindReceipt:
		valid = m.From > 0 && m.To > 0
	case store.KindNotice: // from nobody, when it is the organisation that says it
		valid = m.From >= 0 && m.To == 0 && m.Group > 0
	}
	if !valid || m.Group < 0 {
		return fmt.Errorf("%w: message of kind %d from user %d to user %d, group %d", store.ErrInvalid, m.Kind, m.From, m.To, m.Group)
	}
	return nil
}

func (w *writer) insert(m *store.NewMessage, pos, gid int64) error {
	var dedup, text, mentions any
	if m.Dedup != ([16]byte{}) {
		dedup = m.Dedup[:]
	}
	if m.Text != string(m.Body) {
		text = m.Text
	}
	if len(m.Mentions) > 0 {
		mentions = joinIDs(m.Mentions)
	}
	body := m.Body
	if body == nil {
		body = []byte{}
	}
	return w.hot.message.exec(pos, gid, int64(m.Kind), int64(m.From), int64(m.To), int64(m.Group), int64(m.FromDevice), mentions, dedup,
		m.CallID, m.MessageID, m.ContentType, m.Encoding, m.Headers, text, m.TraceID, m.Source, body)
}

// joinIDs writes numbers of users one after the other, separated by commas.
func joinIDs(ids []store.UserID) string {
	var b []byte
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(id), 10)
	}
	return string(b)
}

// splitIDs undoes joinIDs.
func splitIDs(s string) ([]store.UserID, error) {
	if s == "" {
		return nil, nil
	}
	var ids []store.UserID
	for field := range strings.SplitSeq(s, ",") {
		id, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return nil, err
		}
		ids = append(ids, store.UserID(id))
	}
	return ids, nil
}

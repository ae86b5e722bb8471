package sqldb

import (
	"fmt"

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

func (op *appendOp) apply(w *writer) error {
	m := op.msg
	if err := checkMessage(m); err != nil {
		return err
	}
	h, err := w.heads.of(w.tx, pairOf(m.Kind, m.From, m.To))
	if err != nil {
		return err
	}
	pos := position(h.conv, h.seq+1)
	if m.Dedup != ([16]byte{}) {
		first, err := w.dedup.claim(w, m, pos)
		if err != nil || first.Seq > 0 {
			op.accepted = first
			return err
		}
	}
	gid := w.gids.next(w.now)
	if err := w.insert(m, pos, gid); err != nil {
		return err
	}
	w.heads.advance(h, gid, m.To)
	op.accepted = store.Accepted{GID: gid, Conversation: h.conv, Seq: h.seq, At: gidTime(gid)}
	return nil
}

func checkMessage(m *store.NewMessage) error {
	switch {
	case m.Kind != store.KindText && m.Kind != store.KindReceipt:
		return fmt.Errorf("%w: message of kind %d", store.ErrInvalid, m.Kind)
	case m.From <= 0 || m.To <= 0:
		return fmt.Errorf("%w: message from user %d to user %d", store.ErrInvalid, m.From, m.To)
	}
	return nil
}

func (w *writer) insert(m *store.NewMessage, pos, gid int64) error {
	var dedup, text any
	if m.Dedup != ([16]byte{}) {
		dedup = m.Dedup[:]
	}
	if m.Text != string(m.Body) {
		text = m.Text
	}
	body := m.Body
	if body == nil {
		body = []byte{}
	}
	return w.hot.message.exec(pos, gid, int64(m.Kind), int64(m.From), int64(m.To), int64(m.FromDevice), dedup, m.CallID,
		m.MessageID, m.ContentType, m.Encoding, m.Headers, text, m.TraceID, m.Source, body)
}

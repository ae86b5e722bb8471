package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sparkleim/sparkle/store"
)

const messageColumns = `pos, gid, kind, from_user, to_user, group_id, from_device, mentions, dedup, call_id, message_id, content_type, encoding, headers, text, trace_id, source, body`

func scanMessage(row scanner) (store.Message, error) {
	var (
		m              store.Message
		pos            int64
		dedup          []byte
		text, mentions sql.NullString
	)
	err := row.Scan(&pos, &m.GID, &m.Kind, &m.From, &m.To, &m.Group, &m.FromDevice, &mentions, &dedup, &m.CallID, &m.MessageID, &m.ContentType,
		&m.Encoding, &m.Headers, &text, &m.TraceID, &m.Source, &m.Body)
	if err != nil {
		return m, err
	}
	if m.Mentions, err = splitIDs(mentions.String); err != nil {
		return m, fmt.Errorf("message %s: the mentions are garbled: %w", store.GIDString(m.GID), err)
	}
	m.Conversation, m.Seq = splitPosition(pos)
	m.At = gidTime(m.GID)
	copy(m.NewMessage.Dedup[:], dedup)
	m.Text = text.String
	if !text.Valid {
		m.Text = string(m.Body)
	}
	return m, nil
}

// messages runs a query over messageColumns.
func (db *DB) messages(ctx context.Context, query string, args ...any) ([]store.Message, error) {
	rows, err := db.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Message
	for rows.Next() {
		m, err := scanMessage(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, rows.Err()
}

// Message implements store.Archive.
func (db *DB) Message(ctx context.Context, gid int64) (store.Message, error) {
	m, err := scanMessage(db.reader.QueryRowContext(ctx, `SELECT `+messageColumns+` FROM message WHERE gid = $1`, gid))
	return m, notFound(err, "message %s", store.GIDString(gid))
}

// Page implements store.Archive.
func (db *DB) Page(ctx context.Context, a, b store.UserID, before int64, limit int) ([]store.Message, error) {
	conv, err := db.conversation(ctx, keyOfTwo(convTwo, a, b))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return db.ConversationPage(ctx, conv, before, limit)
}

// ConversationPage implements store.Archive.
func (db *DB) ConversationPage(ctx context.Context, c store.ConversationID, before int64, limit int) ([]store.Message, error) {
	if before <= 0 || before > seqMask {
		before = seqMask
	}
	return db.messages(ctx, `SELECT `+messageColumns+` FROM message WHERE pos > $1 AND pos < $2 ORDER BY pos DESC LIMIT $3`,
		position(c, 0), position(c, before), limit)
}

// Named implements store.Archive.
func (db *DB) Named(ctx context.Context, c store.ConversationID, messageID string) (store.Message, error) {
	ctx, err := pointRead(ctx)
	if err != nil {
		return store.Message{}, err
	}
	m, err := scanMessage(db.reader.QueryRowContext(ctx, `SELECT `+messageColumns+` FROM message
		WHERE pos > (SELECT max(pos) FROM message WHERE pos > $1 AND pos <= $2) - $3 AND pos > $1 AND pos <= $2 AND message_id = $4
		ORDER BY pos LIMIT 1`, position(c, 0), position(c, seqMask), store.NamedWithin, messageID))
	return m, notFound(err, "message %q in conversation %d", messageID, c)
}

// conversation finds a conversation; sql.ErrNoRows when there is none.
func (db *DB) conversation(ctx context.Context, key convKey) (store.ConversationID, error) {
	var conv store.ConversationID
	err := db.reader.QueryRowContext(ctx, `SELECT id FROM conversation WHERE kind = $1 AND user_a = $2 AND user_b = $3`,
		int64(key.kind), key.a, key.b).Scan(&conv)
	return conv, err
}

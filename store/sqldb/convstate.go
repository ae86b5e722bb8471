package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// savedState is a row of conv_state; its zero value is that of a user who has
// decided nothing.
type savedState struct {
	read, cleared     int64
	hidden            sql.NullInt64 // the end of the conversation when it was hidden
	pinned, muteUntil sql.NullInt64
	mute, labels      string
	unread            bool
	changed           int64
}

const stateColumns = `coalesce(s.read_seq, 0), coalesce(s.cleared_seq, 0), s.hidden_seq, s.pinned, coalesce(s.mute, ''), s.mute_until,
	coalesce(s.unread, 0), coalesce(s.labels, ''), coalesce(s.changed, 0)`

func scanState(row scanner, before ...any) (savedState, error) {
	var s savedState
	err := row.Scan(append(before, &s.read, &s.cleared, &s.hidden, &s.pinned, &s.mute, &s.muteUntil, &s.unread, &s.labels, &s.changed)...)
	return s, err
}

// state is what it means at a moment, for a conversation that ends at head.
func (s *savedState) state(now time.Time, head int64) store.ConversationState {
	st := store.ConversationState{
		ReadSeq: min(s.read, head), ClearedSeq: min(s.cleared, head), Hidden: s.hidden.Valid && s.hidden.Int64 >= head, Pinned: timeOrNil(s.pinned),
		Mute: store.MuteMode(s.mute), MuteUntil: timeOrNil(s.muteUntil), Unread: s.unread, Labels: lines(s.labels),
	}
	if st.MuteUntil != nil && !st.MuteUntil.After(now) {
		st.Mute, st.MuteUntil = store.MuteNone, nil
	}
	return st
}

// alter does what a change says, for a conversation that ends at head. It tells
// whether anything is different then.
func (s *savedState) alter(c *store.StateChange, now time.Time, head int64) bool {
	old := *s
	if c.ReadSeq != nil {
		s.read = max(s.read, min(*c.ReadSeq, head))
		s.unread = false
	}
	if c.ClearedSeq != nil {
		s.cleared = max(s.cleared, min(*c.ClearedSeq, head))
	}
	if c.Hidden != nil {
		s.hidden = sql.NullInt64{Int64: head, Valid: *c.Hidden}
	}
	if c.Pinned != nil && *c.Pinned != s.pinned.Valid {
		s.pinned = sql.NullInt64{Int64: now.UnixMilli(), Valid: *c.Pinned}
	}
	if c.Mute != nil {
		s.mute, s.muteUntil = string(*c.Mute), sql.NullInt64{}
	}
	if c.MuteUntil != nil {
		s.muteUntil = sql.NullInt64{Int64: c.MuteUntil.UnixMilli(), Valid: true}
	}
	if c.Unread != nil {
		s.unread = *c.Unread
	}
	if c.Labels != nil {
		s.labels = strings.Join(c.Labels, "\n")
	}
	return *s != old
}

// ChangeConversation implements store.Conversations.
func (db *DB) ChangeConversation(ctx context.Context, u store.UserID, c store.ConversationID, change store.StateChange) (store.ConversationRow, error) {
	if err := checkStateChange(&change); err != nil {
		return store.ConversationRow{}, err
	}
	v, err := db.view(ctx, u, c)
	if err != nil {
		return store.ConversationRow{}, err
	}
	err = db.write(ctx, func(t tx) error {
		s, err := scanState(t.queryRow(`SELECT `+stateColumns+` FROM conv_state s WHERE s.conv_id = $1 AND s.user_id = $2`, int64(c), int64(u)))
		if err := ignoreNoRows(err); err != nil {
			return err
		}
		if !s.alter(&change, db.cfg.Now(), v.head()) {
			return nil
		}
		if s.changed, err = db.takeStamp(t); err != nil {
			return err
		}
		return db.saveState(t, u, c, &s)
	})
	if err != nil {
		return store.ConversationRow{}, fmt.Errorf("change conversation %d: %w", c, err)
	}
	return db.ConversationOf(ctx, u, c)
}

func checkStateChange(c *store.StateChange) error {
	if c.Mute != nil {
		switch *c.Mute {
		case store.MuteNone, store.MuteMentions, store.MuteAll:
		default:
			return fmt.Errorf("%w: mute %q: it is %q or %q, or nothing", store.ErrInvalid, *c.Mute, store.MuteMentions, store.MuteAll)
		}
	}
	for _, l := range c.Labels {
		if l == "" || strings.ContainsAny(l, "\r\n\x00") {
			return fmt.Errorf("%w: %q as a label", store.ErrInvalid, l)
		}
	}
	return nil
}

func (db *DB) saveState(t tx, u store.UserID, c store.ConversationID, s *savedState) error {
	db.writer.heads.decided(u)
	_, err := t.exec(`INSERT INTO conv_state (conv_id, user_id, read_seq, cleared_seq, hidden_seq, pinned, mute, mute_until, unread, labels, changed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (conv_id, user_id) DO UPDATE SET
		read_seq = excluded.read_seq, cleared_seq = excluded.cleared_seq, hidden_seq = excluded.hidden_seq, pinned = excluded.pinned,
		mute = excluded.mute, mute_until = excluded.mute_until, unread = excluded.unread, labels = excluded.labels, changed = excluded.changed`,
		int64(c), int64(u), s.read, s.cleared, s.hidden, s.pinned, s.mute, s.muteUntil, s.unread, s.labels, s.changed)
	return err
}

// readKey is whose read position waits to be written.
type readKey struct {
	user store.UserID
	conv store.ConversationID
}

// ReadUpTo implements store.Conversations. One position waits a user and
// conversation, and none is dropped.
func (db *DB) ReadUpTo(u store.UserID, c store.ConversationID, seq int64) {
	db.relax(func(s *relaxedSet) { s.reads[readKey{u, c}] = max(s.reads[readKey{u, c}], seq) })
}

// applyReads writes read positions, all with one stamp.
func (w *writer) applyReads(reads map[readKey]int64) error {
	if len(reads) == 0 {
		return nil
	}
	stamp, err := w.db.takeStamp(w.tx)
	if err != nil {
		return err
	}
	for k, seq := range reads {
		if err := w.hot.read.exec(int64(k.conv), int64(k.user), seq, stamp, position(k.conv, seq)); err != nil {
			return err
		}
		w.heads.decided(k.user)
	}
	return nil
}

// HideMessage implements store.Conversations.
func (db *DB) HideMessage(ctx context.Context, u store.UserID, gid int64) error {
	conv, pos, err := db.visible(ctx, u, gid)
	if err != nil {
		return err
	}
	err = db.write(ctx, func(t tx) error {
		n, err := t.exec(`INSERT INTO message_hidden (user_id, pos) VALUES ($1, $2) ON CONFLICT DO NOTHING`, int64(u), pos)
		if err != nil || n == 0 {
			return err
		}
		s, err := scanState(t.queryRow(`SELECT `+stateColumns+` FROM conv_state s WHERE s.conv_id = $1 AND s.user_id = $2`, int64(conv), int64(u)))
		if err := ignoreNoRows(err); err != nil {
			return err
		}
		if s.changed, err = db.takeStamp(t); err != nil {
			return err
		}
		return db.saveState(t, u, conv, &s)
	})
	if err != nil {
		return fmt.Errorf("hide message %s: %w", store.GIDString(gid), err)
	}
	return nil
}

// SetStar implements store.Conversations.
func (db *DB) SetStar(ctx context.Context, u store.UserID, s store.Star, on bool) error {
	if _, _, err := db.visible(ctx, u, s.GID); err != nil {
		return err
	}
	err := db.write(ctx, func(t tx) error {
		if !on {
			_, err := t.exec(`DELETE FROM star WHERE user_id = $1 AND gid = $2`, int64(u), s.GID)
			return err
		}
		_, err := t.exec(`INSERT INTO star (user_id, gid, at, note) VALUES ($1, $2, $3, $4)
			ON CONFLICT (user_id, gid) DO UPDATE SET at = excluded.at, note = excluded.note`, int64(u), s.GID, s.At.UnixMilli(), s.Note)
		return err
	})
	if err != nil {
		return fmt.Errorf("star message %s: %w", store.GIDString(s.GID), err)
	}
	return nil
}

// Stars implements store.Conversations.
func (db *DB) Stars(ctx context.Context, u store.UserID, before int64, limit int) ([]store.Star, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT gid, at, note FROM star WHERE user_id = $1 AND (gid < $2 OR $2 <= 0) ORDER BY gid DESC LIMIT $3`,
		int64(u), before, limit)
	if err != nil {
		return nil, fmt.Errorf("stars: %w", err)
	}
	defer rows.Close()
	var out []store.Star
	for rows.Next() {
		var s store.Star
		var at int64
		if err := rows.Scan(&s.GID, &at, &s.Note); err != nil {
			return nil, fmt.Errorf("stars: %w", err)
		}
		s.At = timeOf(at)
		out = append(out, s)
	}
	return out, rows.Err()
}

// ReadBy implements store.Conversations.
func (db *DB) ReadBy(ctx context.Context, c store.ConversationID) (map[store.UserID]int64, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT user_id, read_seq FROM conv_state WHERE conv_id = $1 AND read_seq > 0`, int64(c))
	if err != nil {
		return nil, fmt.Errorf("readers of conversation %d: %w", c, err)
	}
	defer rows.Close()
	out := make(map[store.UserID]int64)
	for rows.Next() {
		var u store.UserID
		var seq int64
		if err := rows.Scan(&u, &seq); err != nil {
			return nil, fmt.Errorf("readers of conversation %d: %w", c, err)
		}
		out[u] = seq
	}
	return out, rows.Err()
}

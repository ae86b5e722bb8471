package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/sparkleim/sparkle/store"
)

// part is what a user sees of a conversation: what comes after one seq up to
// another.
type part struct{ after, to int64 }

// view is a conversation as one user sees it.
type view struct {
	conv   store.ConversationID
	kind   convKind
	parts  []part // in their order; one, unless he has been in a group more than once
	newest int64  // gid of the newest message, or the stamp of his coming or going
	left   bool   // he is no longer in the group
	group  store.GroupID
	peer   store.UserID
	state  savedState
}

func viewOfTwo(end convEnd) view {
	return view{conv: end.conv, kind: convTwo, parts: []part{{0, end.seq}}, newest: end.gid}
}

// head is the seq of the last message that he sees, or would see.
func (v *view) head() int64 {
	if len(v.parts) == 0 {
		return 0
	}
	return v.parts[len(v.parts)-1].to
}

// sees tells whether a message is in the view.
func (v *view) sees(seq int64) bool {
	return slices.ContainsFunc(v.parts, func(p part) bool { return seq > p.after && seq <= p.to })
}

// between returns the parts after one seq and before another.
func (v *view) between(after, before int64) []part {
	var out []part
	for _, p := range v.parts {
		p.after, p.to = max(p.after, after), min(p.to, before-1)
		if p.to > p.after {
			out = append(out, p)
		}
	}
	return out
}

// view returns a conversation as a user sees it, ErrNotFound when he does not.
func (db *DB) view(ctx context.Context, u store.UserID, c store.ConversationID) (view, error) {
	v, err := db.findView(ctx, u, c)
	return v, notFound(err, "conversation %d", c)
}

func (db *DB) findView(ctx context.Context, u store.UserID, c store.ConversationID) (view, error) {
	key := convKey{}
	end := convEnd{conv: c}
	state, err := scanState(db.reader.QueryRowContext(ctx, `SELECT c.kind, c.user_a, c.user_b, c.last_seq, c.last_gid, `+stateColumns+`
		FROM conversation c LEFT JOIN conv_state s ON s.conv_id = c.id AND s.user_id = $1 WHERE c.id = $2`, int64(u), int64(c)),
		&key.kind, &key.a, &key.b, &end.seq, &end.gid)
	if err != nil {
		return view{}, err
	}
	switch {
	case key.kind == convGroup:
		v, err := db.viewOfGroup(ctx, u, c)
		if err != nil {
			return view{}, err
		}
		v.group, v.state = store.GroupID(key.a), state
		return v, nil
	case key.kind != convTwo || key.a != int64(u) && key.b != int64(u):
		return view{}, sql.ErrNoRows
	}
	if newer, ok := db.activity.endOf(u, c); ok && newer.gid > end.gid {
		end = newer
	}
	v := viewOfTwo(end)
	v.peer, v.state = store.UserID(key.a+key.b-int64(u)), state
	return v, nil
}

func (db *DB) viewOfGroup(ctx context.Context, u store.UserID, c store.ConversationID) (view, error) {
	for {
		v, seen, known := db.activity.viewOf(u, c)
		if known && !seen {
			return v, sql.ErrNoRows
		}
		if known {
			return v, nil
		}
		if err := errors.Join(ctx.Err(), db.loadWindows(ctx, u)); err != nil {
			return v, err
		}
	}
}

// visible returns the place of a message that a user sees.
func (db *DB) visible(ctx context.Context, u store.UserID, gid int64) (conv store.ConversationID, pos int64, err error) {
	err = db.reader.QueryRowContext(ctx, `SELECT pos FROM message WHERE gid = $1`, gid).Scan(&pos)
	if err != nil {
		return 0, 0, notFound(err, "message %s", store.GIDString(gid))
	}
	conv, seq := splitPosition(pos)
	v, err := db.findView(ctx, u, conv)
	if err == nil && !v.sees(seq) {
		err = sql.ErrNoRows
	}
	return conv, pos, notFound(err, "message %s", store.GIDString(gid))
}

// MessagesBefore implements store.Conversations.
func (db *DB) MessagesBefore(ctx context.Context, u store.UserID, c store.ConversationID, seq int64, limit int) ([]store.Message, error) {
	if seq <= 0 || seq > seqMask {
		seq = seqMask
	}
	v, err := db.view(ctx, u, c)
	if err != nil {
		return nil, err
	}
	var out []store.Message
	for _, p := range slices.Backward(v.between(v.state.cleared, seq)) {
		page, err := db.shown(ctx, u, c, p, `DESC`, limit-len(out))
		if err != nil {
			return nil, err
		}
		if out = append(out, page...); len(out) == limit {
			break
		}
	}
	return out, nil
}

// MessagesAfter implements store.Conversations.
func (db *DB) MessagesAfter(ctx context.Context, u store.UserID, c store.ConversationID, seq int64, limit int) ([]store.Message, error) {
	v, err := db.view(ctx, u, c)
	if err != nil {
		return nil, err
	}
	var out []store.Message
	for _, p := range v.between(max(v.state.cleared, seq), seqMask+1) {
		page, err := db.shown(ctx, u, c, p, `ASC`, limit-len(out))
		if err != nil {
			return nil, err
		}
		if out = append(out, page...); len(out) == limit {
			break
		}
	}
	return out, nil
}

// shown returns messages of a part that the user has not hidden.
func (db *DB) shown(ctx context.Context, u store.UserID, c store.ConversationID, p part, order string, limit int) ([]store.Message, error) {
	return db.messages(ctx, `SELECT `+messageColumns+` FROM message m WHERE pos > $1 AND pos <= $2
		AND NOT EXISTS (SELECT 1 FROM message_hidden h WHERE h.user_id = $3 AND h.pos = m.pos) ORDER BY pos `+order+` LIMIT $4`,
		position(c, p.after), position(c, p.to), int64(u), limit)
}

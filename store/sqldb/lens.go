package sqldb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sparkleim/sparkle/store"
)

// lens is the archive as one user sees it. It remembers his conversations while
// one question is answered.
type lens struct {
	db    *DB
	user  store.UserID
	views map[store.ConversationID]view // without parts: he does not see it
}

func (db *DB) lensOf(u store.UserID) *lens {
	return &lens{db: db, user: u, views: make(map[store.ConversationID]view)}
}

// view returns a conversation, without parts when the user does not see it.
func (l *lens) view(ctx context.Context, c store.ConversationID) (view, error) {
	if v, known := l.views[c]; known {
		return v, nil
	}
	v, err := l.db.findView(ctx, l.user, c)
	if err := ignoreNoRows(err); err != nil {
		return v, err
	}
	l.views[c] = v
	return v, nil
}

// shows tells whether the user sees a message and has neither cleared nor hidden
// it.
func (l *lens) shows(ctx context.Context, m *store.Message) (bool, error) {
	v, err := l.view(ctx, m.Conversation)
	if err != nil || m.Seq <= v.state.cleared || !v.sees(m.Seq) {
		return false, err
	}
	var hidden bool
	err = l.db.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM message_hidden WHERE user_id = $1 AND pos = $2)`,
		int64(l.user), position(m.Conversation, m.Seq)).Scan(&hidden)
	return !hidden, err
}

// term is the clause of the index that all messages have that the user may see:
// he wrote them, got them, or they are in a group that he is or was in.
func (l *lens) term(ctx context.Context) (string, error) {
	if err := l.db.loadWindows(ctx, l.user); err != nil {
		return "", err
	}
	windows, _, _ := l.db.activity.windows(l.user)
	clause := []byte("(" + quoteTerm(numberToken(tokenUser, int64(l.user))))
	for i := range windows {
		if i > 0 && windows[i-1].conv == windows[i].conv {
			continue
		}
		clause = append(clause, " OR "+quoteTerm(numberToken(tokenConversation, int64(windows[i].conv)))...)
	}
	return string(append(clause, ')')), nil
}

// scan looks at the user's messages above tail, one by one and conversation by
// conversation, those with the newest messages first.
func (l *lens) scan(ctx context.Context, f *filter, tail int64, r *store.SearchResult) error {
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	views, _, err := l.db.changedViews(ctx, l.user, tail)
	if err != nil {
		return f.cutShort(ctx, err, r)
	}
	list := make([]placed, 0, len(views))
	for conv, v := range views {
		list = append(list, placed{conv: conv, gid: v.newest})
	}
	slices.SortFunc(list, comparePlaces)
	budget := maxScan
	for _, p := range list {
		if p.gid <= f.floor(tail, r) || budget <= 0 {
			break
		}
		if err := l.scanOne(ctx, f, p.conv, tail, &budget, r); err != nil {
			return f.cutShort(ctx, err, r)
		}
	}
	r.Partial = r.Partial || budget <= 0
	return nil
}

// scanOne looks at one conversation, newest first.
func (l *lens) scanOne(ctx context.Context, f *filter, conv store.ConversationID, tail int64, budget *int, r *store.SearchResult) error {
	v, err := l.view(ctx, conv)
	if err != nil || f.Group != 0 && v.group != f.Group {
		return err
	}
	for _, p := range slices.Backward(v.between(v.state.cleared, seqMask+1)) {
		more, err := l.scanPart(ctx, f, conv, p, tail, budget, r)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// scanPart tells whether there may be more in the parts before.
func (l *lens) scanPart(ctx context.Context, f *filter, conv store.ConversationID, p part, tail int64, budget *int, r *store.SearchResult) (more bool, err error) {
	rows, err := l.db.reader.QueryContext(ctx, `SELECT `+messageColumns+` FROM message m WHERE pos > $1 AND pos <= $2 AND gid < $3
		AND NOT EXISTS (SELECT 1 FROM message_hidden h WHERE h.user_id = $4 AND h.pos = m.pos) ORDER BY pos DESC`,
		position(conv, p.after), position(conv, p.to), f.before, int64(l.user))
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		m, err := scanMessage(rows)
		if err != nil {
			return false, err
		}
		if *budget--; m.GID <= f.floor(tail, r) || *budget <= 0 {
			return false, nil
		}
		if f.match(&m) {
			f.insert(m, r)
		}
	}
	return true, rows.Err()
}

// floor is the gid below which nothing that a scan finds has a place in the
// result any more.
func (f *filter) floor(tail int64, r *store.SearchResult) int64 {
	if len(r.Messages) < f.Limit {
		return tail
	}
	return max(tail, r.Messages[f.Limit-1].GID)
}

// insert keeps the newest messages, in their order.
func (f *filter) insert(m store.Message, r *store.SearchResult) {
	i, _ := slices.BinarySearchFunc(r.Messages, m.GID, func(x store.Message, gid int64) int {
		switch {
		case x.GID > gid:
			return -1
		case x.GID < gid:
			return 1
		}
		return 0
	})
	r.Messages = slices.Insert(r.Messages, i, m)
	r.Messages = r.Messages[:min(len(r.Messages), f.Limit)]
}

// MessagesOf implements store.Conversations.
func (db *DB) MessagesOf(ctx context.Context, u store.UserID, gids []int64) ([]store.Message, error) {
	ctx, err := pointRead(ctx)
	if err != nil {
		return nil, err
	}
	l := db.lensOf(u)
	var out []store.Message
	for _, gid := range gids {
		m, err := db.Message(ctx, gid)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		shown := false
		if err == nil {
			shown, err = l.shows(ctx, &m)
		}
		if err != nil {
			return nil, fmt.Errorf("messages of user %d: %w", u, err)
		}
		if shown {
			out = append(out, m)
		}
	}
	return out, nil
}

package sqldb

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sparkleim/sparkle/store"
)

// SyncStamp implements store.Conversations.
func (db *DB) SyncStamp() int64 { return db.activity.stamped() }

// changedViews returns the user's conversations with messages, comings or goings
// after a stamp, and the stamp up to which that is all. Those that are not in
// memory have no parts.
func (db *DB) changedViews(ctx context.Context, u store.UserID, since int64) (map[store.ConversationID]view, int64, error) {
	views, stamp, known := db.activity.views(u, since)
	for !known {
		if err := db.loadWindows(ctx, u); err != nil {
			return nil, 0, err
		}
		views, stamp, known = db.activity.views(u, since)
	}
	rows, err := db.reader.QueryContext(ctx, `SELECT conv_id, last_gid FROM conv_member WHERE user_id = $1 AND last_gid > $2 AND last_gid > 0`, int64(u), since)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	all := make(map[store.ConversationID]view, len(views))
	for rows.Next() {
		v := view{kind: convTwo}
		if err := rows.Scan(&v.conv, &v.newest); err != nil {
			return nil, 0, err
		}
		all[v.conv] = v
	}
	for _, v := range views {
		all[v.conv] = v
	}
	return all, stamp, rows.Err()
}

// placed is a conversation's place in a list.
type placed struct {
	conv   store.ConversationID
	pinned bool
	gid    int64
}

// comparePlaces orders a list: what is pinned, then the newest.
func comparePlaces(a, b placed) int {
	if a.pinned != b.pinned {
		if a.pinned {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.gid, a.gid), cmp.Compare(b.conv, a.conv))
}

// ListConversations implements store.Conversations.
func (db *DB) ListConversations(ctx context.Context, u store.UserID, before *store.ConversationRow, limit int) ([]store.ConversationRow, error) {
	ctx, err := pointRead(ctx)
	if err != nil {
		return nil, err
	}
	list, err := db.places(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("conversations of user %d: %w", u, err)
	}
	if before != nil {
		last := placed{before.Conversation, before.State.Pinned != nil, before.Newest}
		list = slices.DeleteFunc(list, func(p placed) bool { return comparePlaces(p, last) <= 0 })
	}
	slices.SortFunc(list, comparePlaces)
	out := make([]store.ConversationRow, 0, min(limit, len(list)))
	for _, p := range list[:min(limit, len(list))] {
		row, err := db.row(ctx, u, p.conv)
		if err != nil {
			return nil, fmt.Errorf("conversations of user %d: %w", u, err)
		}
		out = append(out, row)
	}
	return out, nil
}

// places returns the conversations of a user's list, in no order.
func (db *DB) places(ctx context.Context, u store.UserID) ([]placed, error) {
	views, _, err := db.changedViews(ctx, u, 0)
	if err != nil {
		return nil, err
	}
	rows, err := db.reader.QueryContext(ctx, `SELECT s.conv_id, s.pinned IS NOT NULL, coalesce(s.hidden_seq, -1), c.last_seq
		FROM conv_state s JOIN conversation c ON c.id = s.conv_id
		WHERE s.user_id = $1 AND (s.pinned IS NOT NULL OR s.hidden_seq IS NOT NULL)`, int64(u))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	pinned := make(map[store.ConversationID]bool)
	for rows.Next() {
		var conv store.ConversationID
		var isPinned bool
		var hidden, head int64
		if err := rows.Scan(&conv, &isPinned, &hidden, &head); err != nil {
			return nil, err
		}
		v, ok := views[conv]
		if ok && len(v.parts) > 0 {
			head = v.head()
		}
		if head <= hidden {
			delete(views, conv)
		}
		pinned[conv] = isPinned
	}
	list := make([]placed, 0, len(views))
	for conv, v := range views {
		list = append(list, placed{conv, pinned[conv], v.newest})
	}
	return list, rows.Err()
}

// SyncConversations implements store.Conversations.
func (db *DB) SyncConversations(ctx context.Context, u store.UserID, since int64, limit int) (store.SyncPage, error) {
	ctx, err := pointRead(ctx)
	if err != nil {
		return store.SyncPage{}, err
	}
	page, err := db.syncConversations(ctx, u, since, limit)
	if err != nil {
		return store.SyncPage{}, fmt.Errorf("changes for user %d: %w", u, err)
	}
	return page, nil
}

// change is the stamp of a conversation's last change.
type change struct {
	conv  store.ConversationID
	stamp int64
}

func (db *DB) syncConversations(ctx context.Context, u store.UserID, since int64, limit int) (store.SyncPage, error) {
	changes, stamp, err := db.changesAfter(ctx, u, since)
	if err != nil {
		return store.SyncPage{}, err
	}
	page := store.SyncPage{Next: max(since, stamp)}
	if len(changes) > limit {
		changes = changes[:limit]
		page.Next, page.More = changes[limit-1].stamp, true
	}
	for _, c := range changes {
		row, err := db.row(ctx, u, c.conv)
		if err != nil {
			return store.SyncPage{}, err
		}
		page.Rows = append(page.Rows, row)
	}
	return page, nil
}

// changesAfter returns what changed after one stamp, oldest first, and up to
// which stamp that is all. What a commit changes while it reads is left for the
// next time.
func (db *DB) changesAfter(ctx context.Context, u store.UserID, since int64) ([]change, int64, error) {
	views, stamp, err := db.changedViews(ctx, u, since)
	if err != nil {
		return nil, 0, err
	}
	stamps := make(map[store.ConversationID]int64, len(views))
	for conv, v := range views {
		stamps[conv] = v.newest
	}
	rows, err := db.reader.QueryContext(ctx, `SELECT conv_id, changed FROM conv_state WHERE user_id = $1 AND changed > $2`, int64(u), since)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var c change
		if err := rows.Scan(&c.conv, &c.stamp); err != nil {
			return nil, 0, err
		}
		stamps[c.conv] = max(stamps[c.conv], c.stamp)
	}
	var changes []change
	for conv, s := range stamps {
		if s <= stamp {
			changes = append(changes, change{conv, s})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(cmp.Compare(a.stamp, b.stamp), cmp.Compare(a.conv, b.conv)) })
	return changes, stamp, rows.Err()
}

// ConversationOf implements store.Conversations.
func (db *DB) ConversationOf(ctx context.Context, u store.UserID, c store.ConversationID) (store.ConversationRow, error) {
	ctx, err := pointRead(ctx)
	if err != nil {
		return store.ConversationRow{}, err
	}
	row, err := db.row(ctx, u, c)
	return row, notFound(err, "conversation %d", c)
}

// ConversationWith implements store.Conversations.
func (db *DB) ConversationWith(ctx context.Context, u, peer store.UserID) (store.ConversationID, error) {
	conv, err := db.conversation(ctx, keyOfTwo(convTwo, u, peer))
	return conv, notFound(err, "conversation with user %d", peer)
}

// row reads a line of a list; sql.ErrNoRows when the user does not see it.
func (db *DB) row(ctx context.Context, u store.UserID, c store.ConversationID) (store.ConversationRow, error) {
	v, err := db.findView(ctx, u, c)
	if err != nil {
		return store.ConversationRow{}, err
	}
	row := store.ConversationRow{
		Conversation: c, Group: v.group, Peer: v.peer, Left: v.left, HeadSeq: v.head(),
		State: v.state.state(db.cfg.Now(), v.head()), Newest: v.newest, Changed: max(v.newest, v.state.changed),
	}
	if row.Last, err = db.lastShown(ctx, u, &v); err != nil {
		return row, err
	}
	unreadAfter := max(v.state.read, v.state.cleared)
	if row.Last == nil || row.Last.Seq <= unreadAfter || row.Last.From == u {
		return row, nil
	}
	for _, p := range slices.Backward(v.between(unreadAfter, seqMask+1)) {
		more, err := db.countUnread(ctx, u, c, p, &row)
		if err != nil || !more {
			return row, err
		}
	}
	return row, nil
}

// hasText tells what a list shows and counts from what it does not: a reaction is
// kept with an empty text. NULL is the text that is the body.
const hasText = `(m.text IS NULL OR m.text <> '')`

func (db *DB) lastShown(ctx context.Context, u store.UserID, v *view) (*store.Message, error) {
	for _, p := range slices.Backward(v.between(v.state.cleared, seqMask+1)) {
		last, err := db.messages(ctx, `SELECT `+messageColumns+` FROM message m WHERE pos > $1 AND pos <= $2 AND `+hasText+`
			AND NOT EXISTS (SELECT 1 FROM message_hidden h WHERE h.user_id = $3 AND h.pos = m.pos) ORDER BY pos DESC LIMIT 1`,
			position(v.conv, p.after), position(v.conv, p.to), int64(u))
		if err != nil {
			return nil, err
		}
		if len(last) > 0 {
			return &last[0], nil
		}
	}
	return nil, nil
}

// countUnread adds what is unread in a part; false when parts before it have
// nothing to add, because the user has written in this one. A range of positions
// bounds it: a LIMIT costs four times as much.
func (db *DB) countUnread(ctx context.Context, u store.UserID, c store.ConversationID, p part, row *store.ConversationRow) (more bool, err error) {
	low, high := position(c, max(p.after, p.to-store.MaxUnread)), position(c, p.to)
	var own int64 // where he wrote last
	err = db.reader.QueryRowContext(ctx, `SELECT coalesce(max(pos), $1) FROM message WHERE pos > $1 AND pos <= $2 AND from_user = $3`,
		low, high, int64(u)).Scan(&own)
	if err != nil {
		return false, err
	}
	var unread, hidden, mentions int64
	err = db.reader.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM message m WHERE pos > $1 AND pos <= $2 AND from_user <> $3 AND kind = $4 AND `+hasText+`),
		(SELECT count(*) FROM message_hidden h JOIN message m ON m.pos = h.pos
			WHERE h.user_id = $3 AND h.pos > $1 AND h.pos <= $2 AND m.from_user <> $3 AND m.kind = $4 AND `+hasText+`),
		(SELECT count(*) FROM mention x JOIN message m ON m.pos = x.pos
			WHERE x.user_id IN (0, $3) AND x.pos > $1 AND x.pos <= $2 AND m.from_user <> $3
			AND (x.user_id <> 0 OR NOT EXISTS (SELECT 1 FROM mention y WHERE y.user_id = $3 AND y.pos = x.pos))
			AND NOT EXISTS (SELECT 1 FROM message_hidden h WHERE h.user_id = $3 AND h.pos = x.pos))`,
		own, high, int64(u), int64(store.KindText)).Scan(&unread, &hidden, &mentions)
	if err != nil {
		return false, err
	}
	row.UnreadCount = min(store.MaxUnread, row.UnreadCount+unread-hidden)
	row.Mentions = min(store.MaxUnread, row.Mentions+mentions)
	return own == low, nil
}

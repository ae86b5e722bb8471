package sqldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// scanGroup reads version and record; the column knows better than the record.
func scanGroup(row scanner) (store.Group, error) {
	var g store.Group
	var version int64
	var record []byte
	if err := row.Scan(&version, &record); err != nil {
		return g, err
	}
	err := json.Unmarshal(record, &g)
	g.Version = version
	return g, err
}

const memberColumns = `user_id, role, nickname, joined, joined_seq, muted_until`

func scanMember(row scanner, before ...any) (store.Member, error) {
	var m store.Member
	var joined int64
	var muted sql.NullInt64
	err := row.Scan(append(before, &m.User, &m.Role, &m.Nickname, &joined, &m.JoinedSeq, &muted)...)
	m.Joined = timeOf(joined)
	if muted.Valid {
		m.MutedUntil = timeOf(muted.Int64)
	}
	return m, err
}

// Group implements store.Groups.
func (db *DB) Group(ctx context.Context, id store.GroupID) (store.Group, []store.Member, error) {
	groups, members, err := db.readGroups(ctx, `id = $1`, `group_id = $1`, int64(id))
	if err == nil && len(groups) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Group{}, nil, fmt.Errorf("group %d: %w", id, err)
	}
	return groups[0], members[id], nil
}

// AllGroups implements store.Groups.
func (db *DB) AllGroups(ctx context.Context, fn func(store.Group, []store.Member) error) error {
	groups, members, err := db.readGroups(ctx, `dissolved IS NULL`, `true`)
	if err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	for _, g := range groups {
		if err := fn(g, members[g.ID]); err != nil {
			return err
		}
	}
	return nil
}

// readGroups reads some groups and members of the same moment.
func (db *DB) readGroups(ctx context.Context, which, whose string, args ...any) ([]store.Group, map[store.GroupID][]store.Member, error) {
	t, err := db.reader.BeginTx(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	defer t.Rollback() // it has read only
	groups, err := selectGroups(ctx, t, which, args...)
	if err != nil {
		return nil, nil, err
	}
	members, err := selectMembers(ctx, t, whose, args...)
	return groups, members, err
}

func selectGroups(ctx context.Context, t *sql.Tx, which string, args ...any) ([]store.Group, error) {
	rows, err := t.QueryContext(ctx, `SELECT version, record FROM chat_group WHERE `+which+` ORDER BY id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Group
	for rows.Next() {
		g, err := scanGroup(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

func selectMembers(ctx context.Context, t *sql.Tx, whose string, args ...any) (map[store.GroupID][]store.Member, error) {
	rows, err := t.QueryContext(ctx, `SELECT group_id, `+memberColumns+` FROM group_member WHERE `+whose+` ORDER BY group_id, joined, user_id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[store.GroupID][]store.Member)
	for rows.Next() {
		var id store.GroupID
		m, err := scanMember(rows, &id)
		if err != nil {
			return nil, err
		}
		out[id] = append(out[id], m)
	}
	return out, rows.Err()
}

// GroupEvents implements store.Groups.
func (db *DB) GroupEvents(ctx context.Context, id store.GroupID, after int64, limit int) ([]store.GroupEvent, error) {
	return db.groupEvents(ctx, `group_id = $1 AND version > $2 ORDER BY version LIMIT $3`, int64(id), after, limit)
}

// LastOfEach implements store.Groups.
func (db *DB) LastOfEach(ctx context.Context, id store.GroupID, action string) ([]store.GroupEvent, error) {
	return db.groupEvents(ctx, `group_id = $1 AND version IN (SELECT max(version) FROM group_event WHERE group_id = $1 AND action = $2 GROUP BY user_id)
		ORDER BY version`, int64(id), action)
}

// groupEvents reads those events that a condition names; its first arg is the group.
func (db *DB) groupEvents(ctx context.Context, which string, args ...any) ([]store.GroupEvent, error) {
	out, err := db.selectEvents(ctx, which, args...)
	if err != nil {
		return nil, fmt.Errorf("events of group %d: %w", args[0], err)
	}
	return out, nil
}

func (db *DB) selectEvents(ctx context.Context, which string, args ...any) ([]store.GroupEvent, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT version, at, by_user, action, user_id, detail FROM group_event WHERE `+which, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.GroupEvent
	for rows.Next() {
		e, err := scanGroupEvent(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

func scanGroupEvent(row scanner) (store.GroupEvent, error) {
	var e store.GroupEvent
	var at int64
	err := row.Scan(&e.Version, &at, &e.By, &e.Action, &e.User, &e.Detail)
	e.At = timeOf(at)
	return e, err
}

// LastGroupEvent implements store.Groups. It goes back from the end.
func (db *DB) LastGroupEvent(ctx context.Context, id store.GroupID, upTo int64, u store.UserID, actions ...string) (store.GroupEvent, error) {
	if upTo == 0 {
		upTo = math.MaxInt64
	}
	wanted := strings.Join(actions, "\n")
	e, err := scanGroupEvent(db.reader.QueryRowContext(ctx, `SELECT version, at, by_user, action, user_id, detail FROM group_event
		WHERE group_id = $1 AND version <= $2 AND (user_id = $3 OR $3 = 0) AND instr(char(10) || $4 || char(10), char(10) || action || char(10)) > 0
		ORDER BY version DESC LIMIT 1`, int64(id), upTo, int64(u), wanted))
	return e, notFound(err, "event of group %d", id)
}

package sqldb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// AddGroup implements store.Groups.
func (db *DB) AddGroup(ctx context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	g := &c.Group
	g.Name, g.Domain = strings.ToLower(g.Name), strings.ToLower(g.Domain)
	if g.Name == "" || g.Domain == "" || strings.ContainsAny(g.Name+g.Domain, "\r\n\x00") {
		return store.GroupChange{}, nil, fmt.Errorf("%w: %q as the address of a group", store.ErrInvalid, g.AOR())
	}
	var added store.GroupChange
	var notices []store.Accepted
	err := db.write(ctx, func(t tx) (err error) {
		added = c
		if err := addGroup(t, &added.Group); err != nil {
			return err
		}
		notices, err = db.commitGroup(t, &added)
		return err
	})
	if err != nil {
		return store.GroupChange{}, nil, fmt.Errorf("add group %s: %w", g.AOR(), err)
	}
	return added, notices, nil
}

// addGroup gives a group its number and its conversation.
func addGroup(t tx, g *store.Group) error {
	if err := groupNameIsFree(t, g); err != nil {
		return err
	}
	err := t.queryRow(`INSERT INTO chat_group (domain, name, version, record) VALUES ($1, $2, $3, '') RETURNING id`, g.Domain, g.Name, g.Version).Scan(&g.ID)
	if err != nil {
		return err
	}
	g.Conversation, err = insertConversation(t, keyOfGroup(g.ID))
	return err
}

// groupNameIsFree tells whose the name is: groups share the names of users and
// of hunt groups, and a group keeps its own for ever.
func groupNameIsFree(t tx, g *store.Group) error {
	if err := notOfHuntGroup(t, g.Name); err != nil {
		return err
	}
	var owner string
	err := t.queryRow(`SELECT u.username || '@' || u.domain FROM address a JOIN users u ON u.id = a.user_id
		WHERE a.domain = $1 AND a.name = $2`, g.Domain, g.Name).Scan(&owner)
	if err == nil {
		return conflictf("%s is taken by %s", g.Name, owner)
	}
	if err := ignoreNoRows(err); err != nil {
		return err
	}
	return notOfGroup(t, g.Domain, g.Name)
}

// notOfGroup tells whether a group has or had the name in the domain; "" is any
// domain.
func notOfGroup(t tx, domain, name string) error {
	var taken bool
	err := t.queryRow(`SELECT EXISTS (SELECT 1 FROM chat_group WHERE name = $1 AND (domain = $2 OR $2 = ''))`, name, domain).Scan(&taken)
	if err == nil && taken {
		return conflictf("%s is the name of a group, or was", name)
	}
	return err
}

// saveGroup writes the row of a group.
func saveGroup(t tx, g store.Group) error {
	record, err := json.Marshal(g)
	if err != nil {
		return err
	}
	_, err = t.exec(`UPDATE chat_group SET version = $1, dissolved = $2, record = $3 WHERE id = $4`,
		g.Version, millis(g.Dissolved), string(record), int64(g.ID))
	return err
}

// insertEvents keeps the events of a change, which have the versions after one.
func insertEvents(t tx, id store.GroupID, version int64, events []store.GroupEvent) error {
	if len(events) == 0 {
		return fmt.Errorf("%w: a change of a group without events", store.ErrInvalid)
	}
	for i, e := range events {
		if e.Version != version+int64(i)+1 {
			return fmt.Errorf("%w: event %d of a change from version %d has version %d", store.ErrInvalid, i+1, version, e.Version)
		}
		_, err := t.exec(`INSERT INTO group_event (group_id, version, at, by_user, action, user_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			int64(id), e.Version, e.At.UnixMilli(), int64(e.By), e.Action, int64(e.User), e.Detail)
		if err != nil {
			return err
		}
	}
	return nil
}

// ChangeGroup implements store.Groups.
func (db *DB) ChangeGroup(ctx context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	var changed store.GroupChange
	var notices []store.Accepted
	err := db.write(ctx, func(t tx) (err error) {
		changed = c
		if err := mergeGroup(t, &changed.Group); err != nil {
			return err
		}
		notices, err = db.commitGroup(t, &changed)
		return err
	})
	if err != nil {
		return store.GroupChange{}, nil, fmt.Errorf("change group %d: %w", c.Group.ID, err)
	}
	return changed, notices, nil
}

// mergeGroup checks a new record against the stored one and fills in what stays.
func mergeGroup(t tx, g *store.Group) error {
	old, err := scanGroup(t.queryRow(`SELECT version, record FROM chat_group WHERE id = $1 AND dissolved IS NULL`, int64(g.ID)))
	if err != nil {
		return notFound(err, "group %d", g.ID)
	}
	if old.Version != g.Version {
		return conflictf("group %s was changed meanwhile (it has version %d, not %d): read it again and repeat the change", old.Name, old.Version, g.Version)
	}
	g.Name, g.Domain, g.Conversation, g.Created = old.Name, old.Domain, old.Conversation, old.Created
	return nil
}

// commitGroup does what a change says and makes it what became of it. All that
// may be wrong with it comes out before the first notice.
func (db *DB) commitGroup(t tx, c *store.GroupChange) ([]store.Accepted, error) {
	h, err := db.writer.heads.of(t, keyOfGroup(c.Group.ID))
	if err != nil {
		return nil, err
	}
	if err := insertEvents(t, c.Group.ID, c.Group.Version, c.Events); err != nil {
		return nil, err
	}
	c.Group.Version += int64(len(c.Events))
	if err := saveGroup(t, c.Group); err != nil {
		return nil, err
	}
	if c.Notices, err = readyNotices(c); err != nil {
		return nil, err
	}
	m := &membership{db: db, t: t, group: &c.Group, end: convEnd{conv: h.conv, seq: h.seq, gid: h.gid}}
	leaving, err := m.part(c.Remove, c.Set)
	if err != nil {
		return nil, err
	}
	if c.Set, err = m.set(c.Set, c.Backlog); err != nil {
		return nil, err
	}
	// From here on only faults of the database can happen: they undo the whole
	// batch, and with it what is known of the conversation in memory.
	var accepted []store.Accepted
	for i := range c.Notices {
		a, err := db.writer.append(&c.Notices[i])
		if err != nil {
			return nil, err
		}
		accepted = append(accepted, a)
	}
	m.end.seq, m.end.gid = h.seq, h.gid
	if err := m.leave(leaving); err != nil {
		return nil, err
	}
	if c.Group.Dissolved != nil {
		err = m.endAll()
	}
	return accepted, err
}

// readyNotices completes the notices of a change.
func readyNotices(c *store.GroupChange) ([]store.NewMessage, error) {
	notices := slices.Clone(c.Notices)
	for i := range notices {
		n := &notices[i]
		n.Group = c.Group.ID
		if n.Kind != store.KindNotice {
			return nil, fmt.Errorf("%w: a message of kind %d as a notice", store.ErrInvalid, n.Kind)
		}
		if err := checkMessage(n); err != nil {
			return nil, err
		}
	}
	return notices, nil
}

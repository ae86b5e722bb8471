package sqldb

import (
	"fmt"
	"slices"

	"github.com/sparkleim/sparkle/store"
)

// membership changes who is in a group.
type membership struct {
	db    *DB
	t     tx
	group *store.Group
	end   convEnd // of its conversation, at this point of the change
	stamp int64   // 0: not taken yet
}

// stamped takes a stamp for the lists of those who come and go.
func (m *membership) stamped() (int64, error) {
	var err error
	if m.stamp == 0 {
		m.stamp, err = m.db.takeStamp(m.t)
	}
	return m.stamp, err
}

// takeStamp gives a number to a change of state, in the order of the messages.
func (db *DB) takeStamp(t tx) (int64, error) {
	stamp := db.writer.gids.next(db.writer.now)
	_, err := t.exec(`UPDATE mark SET value = $1 WHERE name = 'stamps'`, stamp)
	return stamp, err
}

// part checks who is to be removed, and lets go at once those who are set
// afterwards: they come anew. It returns the others.
func (m *membership) part(remove []store.UserID, set []store.Member) (leaving []store.UserID, err error) {
	var anew []store.UserID
	for _, u := range slices.Compact(slices.Sorted(slices.Values(remove))) {
		if err := m.check(u); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(set, func(s store.Member) bool { return s.User == u }) {
			anew = append(anew, u)
		} else {
			leaving = append(leaving, u)
		}
	}
	return leaving, m.leave(anew)
}

// check makes sure that somebody is a member and sees the conversation.
func (m *membership) check(u store.UserID) error {
	var is bool
	err := m.t.queryRow(`SELECT EXISTS (SELECT 1 FROM group_member WHERE group_id = $1 AND user_id = $2)
		AND EXISTS (SELECT 1 FROM group_window WHERE user_id = $2 AND conv_id = $3 AND to_seq = $4)`,
		int64(m.group.ID), int64(u), int64(m.end.conv), int64(openEnd)).Scan(&is)
	if err == nil && !is {
		err = fmt.Errorf("%w: user %d is not in group %s", store.ErrInvalid, u, m.group.Name)
	}
	return err
}

// set adds members, who see so many messages from before, or changes them. It
// returns them as they are then.
func (m *membership) set(members []store.Member, backlog int64) ([]store.Member, error) {
	members = slices.Clone(members)
	joinedSeq := max(0, m.end.seq-max(0, backlog))
	var came []store.UserID
	for i := range members {
		s := &members[i]
		if s.User <= 0 || s.Role < store.RoleMember || s.Role > store.RoleOwner {
			return nil, fmt.Errorf("%w: user %d with role %d", store.ErrInvalid, s.User, s.Role)
		}
		n, err := m.t.exec(`UPDATE group_member SET role = $1, nickname = $2, muted_until = $3 WHERE group_id = $4 AND user_id = $5`,
			int64(s.Role), s.Nickname, millis(&s.MutedUntil), int64(m.group.ID), int64(s.User))
		if err != nil {
			return nil, err
		}
		if n > 0 {
			continue
		}
		s.JoinedSeq = joinedSeq
		if err := m.join(s); err != nil {
			return nil, err
		}
		came = append(came, s.User)
	}
	if joinedSeq == m.end.seq {
		return members, nil
	}
	return members, m.replay(came, joinedSeq)
}

func (m *membership) join(s *store.Member) error {
	if err := userExists(m.t, s.User); err != nil {
		return err
	}
	stamp, err := m.stamped()
	if err != nil {
		return err
	}
	_, err = m.t.exec(`INSERT INTO group_member (group_id, user_id, role, nickname, joined, joined_seq, muted_until) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		int64(m.group.ID), int64(s.User), int64(s.Role), s.Nickname, s.Joined.UnixMilli(), s.JoinedSeq, millis(&s.MutedUntil))
	if err != nil {
		return err
	}
	m.changed(s.User)
	return openWindow(m.t, s.User, m.end.conv, s.JoinedSeq, stamp)
}

// changed tells the readers that somebody sees another part of the conversation.
func (m *membership) changed(u store.UserID) {
	ch := &m.db.writer.heads.changed
	ch.members = append(ch.members, u)
}

// replay owes the messages after a seq to the devices of users.
func (m *membership) replay(users []store.UserID, after int64) error {
	var replays []replay
	for _, u := range users {
		devices, err := devicesOf(m.t, u)
		if err != nil {
			return err
		}
		for _, d := range devices {
			replays = append(replays, replay{d, m.end.conv, after + 1, m.end.seq})
		}
	}
	return m.db.addReplays(m.t, replays)
}

func devicesOf(t tx, u store.UserID) ([]store.DeviceID, error) {
	rows, err := t.query(`SELECT id FROM device WHERE user_id = $1 AND revoked IS NULL`, int64(u))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.DeviceID
	for rows.Next() {
		var d store.DeviceID
		if err := rows.Scan(&d); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// leave removes members; what they see ends here.
func (m *membership) leave(users []store.UserID) error {
	for _, u := range users {
		_, err := m.t.exec(`DELETE FROM group_member WHERE group_id = $1 AND user_id = $2`, int64(m.group.ID), int64(u))
		if err != nil {
			return err
		}
		if err := m.stopSeeing(u); err != nil {
			return err
		}
	}
	return nil
}

// endAll ends here what all members see; they stay on record.
func (m *membership) endAll() error {
	rows, err := m.t.query(`SELECT user_id FROM group_member WHERE group_id = $1`, int64(m.group.ID))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var u store.UserID
		if err := rows.Scan(&u); err != nil {
			return err
		}
		if err := m.stopSeeing(u); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (m *membership) stopSeeing(u store.UserID) error {
	stamp, err := m.stamped()
	if err != nil {
		return err
	}
	m.changed(u)
	return closeWindow(m.t, u, m.end, stamp)
}

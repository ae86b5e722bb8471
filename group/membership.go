package group

import (
	"cmp"
	"fmt"
	"time"

	"github.com/sparkleim/sparkle/store"
)

func (c Add) apply(d *draft) error {
	if err := d.may(actInvite); err != nil {
		return err
	}
	role := cmp.Or(c.Role, store.RoleMember)
	switch role {
	case store.RoleMember:
	case store.RoleAdministrator:
		if err := d.may(actPromote); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%w: nobody joins as %s", store.ErrInvalid, role)
	}
	for _, u := range c.Users {
		if _, is := d.member(u); !is {
			d.join(u, role)
		}
	}
	return d.room()
}

func (c Remove) apply(d *draft) error {
	for _, u := range c.Users {
		m, is := d.member(u)
		if !is {
			// Only members learn who is none.
			if err := d.may(actRemove); err != nil {
				return err
			}
			continue
		}
		if err := d.remove(m); err != nil || d.group.Dissolved != nil {
			return err
		}
	}
	return nil
}

// remove lets a member leave, or takes him out.
func (d *draft) remove(m store.Member) error {
	if m.User == d.by.User {
		switch d.group.Kind {
		case store.GroupFixed:
			return deny(d.words.noLeaving)
		case store.GroupPair:
			d.dissolve()
		default:
			d.drop(m.User, ActionLeave)
		}
		return nil
	}
	if err := d.may(actRemove); err != nil {
		return err
	}
	if err := d.above(m); err != nil {
		return err
	}
	if d.group.Kind == store.GroupPair {
		d.dissolve()
		return nil
	}
	d.drop(m.User, ActionKick)
	return nil
}

func (c SetRole) apply(d *draft) error {
	if c.Role < store.RoleMember || c.Role > store.RoleOwner {
		return fmt.Errorf("%w: a member cannot be %s", store.ErrInvalid, c.Role)
	}
	handing := c.Role == store.RoleOwner
	m, is := d.member(c.User)
	if stepsDown := is && c.User == d.by.User && c.Role < m.Role && d.group.Kind != store.GroupPair; !stepsDown {
		a := actPromote
		if handing {
			a = actHandOver
		}
		if err := d.may(a); err != nil {
			return err
		}
	}
	m, err := d.theMember(c.User)
	switch {
	case err != nil:
		return err
	case m.Role == c.Role:
		return nil
	case m.Role == store.RoleOwner && d.group.Kind != store.GroupFixed:
		return deny(d.words.ownerStays)
	case c.Role < m.Role && c.User != d.by.User:
		if err := d.above(m); err != nil {
			return err
		}
	}
	if former, ok := d.member(d.owner); handing && ok {
		former.Role = store.RoleAdministrator
		d.put(former)
		d.record(ActionRole, former.User, former.Role.String())
	}
	m.Role = c.Role
	d.put(m)
	d.record(ActionRole, m.User, m.Role.String())
	return nil
}

func (c SetNickname) apply(d *draft) error {
	if c.User != d.by.User {
		if err := d.may(actNickname); err != nil {
			return err
		}
	}
	m, is := d.member(c.User)
	switch {
	case !is && c.User == d.by.User:
		return fmt.Errorf("group %d: %w", d.group.ID, store.ErrNotFound)
	case !is:
		return fmt.Errorf("%w: user %d is not in the group", store.ErrInvalid, c.User)
	case c.User != d.by.User:
		if err := d.above(m); err != nil {
			return err
		}
	}
	nickname, err := d.words.clean(c.Nickname, maxSubject, false)
	if err != nil || nickname == m.Nickname {
		return err
	}
	m.Nickname = nickname
	d.put(m)
	d.record(ActionNickname, m.User, nickname)
	return nil
}

func (c Mute) apply(d *draft) error {
	if err := d.may(actMute); err != nil {
		return err
	}
	m, err := d.theMember(c.User)
	if err != nil {
		return err
	}
	if err := d.above(m); err != nil {
		return err
	}
	until, detail := c.Until.Truncate(time.Second), ""
	if until.After(d.now) {
		detail = until.UTC().Format(time.RFC3339)
	} else {
		until = time.Time{}
	}
	if until.Equal(m.MutedUntil) || until.IsZero() && !m.MutedUntil.After(d.now) {
		return nil
	}
	m.MutedUntil = until
	d.put(m)
	d.record(ActionMute, m.User, detail)
	return nil
}

func (c follow) apply(d *draft) error {
	if d.group.Kind != store.GroupFixed {
		return nil // converted in the meantime
	}
	for _, u := range c.leave {
		if _, is := d.member(u); is {
			d.drop(u, ActionLeave)
		}
	}
	for _, u := range c.join {
		if _, is := d.member(u); !is {
			d.join(u, store.RoleMember)
		}
	}
	return d.room()
}

func (c depart) apply(d *draft) error {
	switch _, is := d.member(c.user); {
	case !is:
	case d.group.Kind == store.GroupPair:
		d.dissolve()
	default:
		d.drop(c.user, ActionLeave)
	}
	return nil
}

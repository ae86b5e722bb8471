package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// AllUnits implements store.Units.
func (db *DB) AllUnits(ctx context.Context) ([]store.Unit, error) {
	below, err := db.unitsBelow(ctx)
	if err != nil {
		return nil, fmt.Errorf("units: %w", err)
	}
	var out []store.Unit
	var walk func(parent store.UnitID)
	walk = func(parent store.UnitID) {
		for _, u := range below[parent] {
			out = append(out, u)
			walk(u.ID)
		}
	}
	walk(0)
	return out, nil
}

// unitsBelow returns the children of each unit, in their order.
func (db *DB) unitsBelow(ctx context.Context) (map[store.UnitID][]store.Unit, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT id, parent, name, ordinal, version FROM unit`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	below := make(map[store.UnitID][]store.Unit)
	for rows.Next() {
		var u store.Unit
		if err := rows.Scan(&u.ID, &u.Parent, &u.Name, &u.Order, &u.Version); err != nil {
			return nil, err
		}
		below[u.Parent] = append(below[u.Parent], u)
	}
	for _, siblings := range below {
		slices.SortFunc(siblings, func(a, b store.Unit) int {
			return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name, b.Name))
		})
	}
	return below, rows.Err()
}

// UnitMembers implements store.Units.
func (db *DB) UnitMembers(ctx context.Context) ([]store.UnitMember, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT unit_id, user_id, title, hidden FROM unit_member ORDER BY unit_id, user_id`)
	if err != nil {
		return nil, fmt.Errorf("members of units: %w", err)
	}
	defer rows.Close()
	var out []store.UnitMember
	for rows.Next() {
		var m store.UnitMember
		if err := rows.Scan(&m.Unit, &m.User, &m.Title, &m.Hidden); err != nil {
			return nil, fmt.Errorf("members of units: %w", err)
		}
		out = append(out, m)
	}
	return out, rows.Err()
}

// SetUnit implements store.Units.
func (db *DB) SetUnit(ctx context.Context, u store.Unit) (store.Unit, error) {
	if u.Name == "" || strings.ContainsAny(u.Name, "\r\n\x00") {
		return store.Unit{}, fmt.Errorf("%w: %q as name of a unit", store.ErrInvalid, u.Name)
	}
	err := db.write(ctx, func(t tx) error {
		if err := checkVersion(t, "unit "+u.Name, u.Version, `SELECT version FROM unit WHERE id = $1`, int64(u.ID)); err != nil {
			return err
		}
		if err := checkParent(t, u); err != nil {
			return err
		}
		if err := checkSiblings(t, u); err != nil {
			return err
		}
		u.Version++
		if u.ID == 0 {
			return t.queryRow(`INSERT INTO unit (parent, name, ordinal, version) VALUES ($1, $2, $3, $4) RETURNING id`,
				int64(u.Parent), u.Name, u.Order, u.Version).Scan(&u.ID)
		}
		_, err := t.exec(`UPDATE unit SET parent = $1, name = $2, ordinal = $3, version = $4 WHERE id = $5`,
			int64(u.Parent), u.Name, u.Order, u.Version, int64(u.ID))
		return err
	})
	if err != nil {
		return store.Unit{}, err
	}
	return u, nil
}

// checkParent walks up from the parent of a unit: it ends above the roots, and
// does not meet the unit itself.
func checkParent(t tx, u store.Unit) error {
	for at := u.Parent; at != 0; {
		if at == u.ID {
			return fmt.Errorf("%w: unit %s cannot be below itself", store.ErrInvalid, u.Name)
		}
		var above store.UnitID
		if err := t.queryRow(`SELECT parent FROM unit WHERE id = $1`, int64(at)).Scan(&above); err != nil {
			return notFound(err, "unit %d", at)
		}
		at = above
	}
	return nil
}

func checkSiblings(t tx, u store.Unit) error {
	var taken bool
	err := t.queryRow(`SELECT EXISTS (SELECT 1 FROM unit WHERE parent = $1 AND name = $2 AND id <> $3)`, int64(u.Parent), u.Name, int64(u.ID)).Scan(&taken)
	if err == nil && taken {
		return conflictf("there is a unit %s in the same place already", u.Name)
	}
	return err
}

// RemoveUnit implements store.Units.
func (db *DB) RemoveUnit(ctx context.Context, id store.UnitID) error {
	return db.write(ctx, func(t tx) error {
		var children int
		if err := t.queryRow(`SELECT count(*) FROM unit WHERE parent = $1`, int64(id)).Scan(&children); err != nil {
			return err
		}
		if children > 0 {
			return fmt.Errorf("%w: unit %d has %d units below it: move or remove them first", store.ErrInvalid, id, children)
		}
		n, err := t.exec(`DELETE FROM unit WHERE id = $1`, int64(id))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("unit %d: %w", id, store.ErrNotFound)
		}
		_, err = t.exec(`DELETE FROM unit_member WHERE unit_id = $1`, int64(id))
		return err
	})
}

// SetUnitMember implements store.Units.
func (db *DB) SetUnitMember(ctx context.Context, m store.UnitMember) error {
	_, _, _, err := db.SetUnitMembers(ctx, []store.UnitMember{m}, nil)
	return err
}

// SetUnitMembers implements store.Units.
func (db *DB) SetUnitMembers(ctx context.Context, members []store.UnitMember, whole []store.UnitID) (added, updated, removed int, err error) {
	err = db.write(ctx, func(t tx) error {
		added, updated, removed = 0, 0, 0
		for _, unit := range append(unitsOf(members), whole...) {
			var exists store.UnitID
			if err := t.queryRow(`SELECT id FROM unit WHERE id = $1`, int64(unit)).Scan(&exists); err != nil {
				return notFound(err, "unit %d", unit)
			}
		}
		stay := make(map[store.UnitMember]bool, len(members)) // by Unit and User alone
		for _, m := range members {
			isNew, changed, err := setUnitMember(t, m)
			if err != nil {
				return err
			}
			switch {
			case isNew:
				added++
			case changed:
				updated++
			}
			stay[store.UnitMember{Unit: m.Unit, User: m.User}] = true
		}
		removed, err = removeOthers(t, stay, whole)
		return err
	})
	if err != nil {
		return 0, 0, 0, err
	}
	return added, updated, removed, nil
}

func unitsOf(members []store.UnitMember) []store.UnitID {
	units := make([]store.UnitID, 0, len(members))
	for _, m := range members {
		units = append(units, m.Unit)
	}
	slices.Sort(units)
	return slices.Compact(units)
}

// setUnitMember writes only what is not so already.
func setUnitMember(t tx, m store.UnitMember) (isNew, changed bool, err error) {
	was := store.UnitMember{Unit: m.Unit, User: m.User}
	err = t.queryRow(`SELECT title, hidden FROM unit_member WHERE unit_id = $1 AND user_id = $2`, int64(m.Unit), int64(m.User)).Scan(&was.Title, &was.Hidden)
	isNew = errors.Is(err, sql.ErrNoRows)
	switch {
	case isNew:
		err = userExists(t, m.User)
	case err == nil && was == m:
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	_, err = t.exec(`INSERT INTO unit_member (unit_id, user_id, title, hidden) VALUES ($1, $2, $3, $4)
		ON CONFLICT (unit_id, user_id) DO UPDATE SET title = excluded.title, hidden = excluded.hidden`,
		int64(m.Unit), int64(m.User), m.Title, m.Hidden)
	return isNew, !isNew, err
}

// removeOthers takes everybody out of units who is not to stay.
func removeOthers(t tx, stay map[store.UnitMember]bool, units []store.UnitID) (removed int, err error) {
	for _, unit := range units {
		people, err := peopleIn(t, unit)
		if err != nil {
			return removed, err
		}
		for _, m := range people {
			if stay[m] {
				continue
			}
			if _, err := t.exec(`DELETE FROM unit_member WHERE unit_id = $1 AND user_id = $2`, int64(m.Unit), int64(m.User)); err != nil {
				return removed, err
			}
			removed++
		}
	}
	return removed, nil
}

// peopleIn returns who is in a unit, without what is told of them.
func peopleIn(t tx, unit store.UnitID) ([]store.UnitMember, error) {
	rows, err := t.query(`SELECT user_id FROM unit_member WHERE unit_id = $1`, int64(unit))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.UnitMember
	for rows.Next() {
		m := store.UnitMember{Unit: unit}
		if err := rows.Scan(&m.User); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, rows.Err()
}

// RemoveUnitMember implements store.Units.
func (db *DB) RemoveUnitMember(ctx context.Context, unit store.UnitID, user store.UserID) error {
	return db.write(ctx, func(t tx) error {
		n, err := t.exec(`DELETE FROM unit_member WHERE unit_id = $1 AND user_id = $2`, int64(unit), int64(user))
		if err == nil && n == 0 {
			err = fmt.Errorf("user %d in unit %d: %w", user, unit, store.ErrNotFound)
		}
		return err
	})
}

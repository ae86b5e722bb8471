package sqldb

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// defaultClass holds for users without another, whether it is stored or not.
const defaultClass = "default"

// conflict is a store.ErrConflict whose text says all.
type conflict string

func conflictf(format string, args ...any) error { return conflict(fmt.Sprintf(format, args...)) }

func (c conflict) Error() string { return string(c) }
func (c conflict) Unwrap() error { return store.ErrConflict }

// checkVersion compares the version that a change began with to the one that
// the query finds for key.
func checkVersion(t tx, what string, given int64, query string, key any) error {
	var has int64
	if err := ignoreNoRows(t.queryRow(query, key).Scan(&has)); err != nil {
		return err
	}
	switch {
	case has == given:
		return nil
	case has == 0:
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	case given == 0:
		return conflictf("%s exists already", what)
	}
	return conflictf("%s was changed meanwhile (it has version %d, not %d): read it again and repeat the change", what, has, given)
}

// setup reads records that are kept as JSON: the query gives them with their
// versions.
func setup[T any](ctx context.Context, db *DB, query string, finish func(r *T, version int64)) ([]T, error) {
	rows, err := db.reader.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var r T
		var version int64
		var text []byte
		if err := rows.Scan(&version, &text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, err
		}
		finish(&r, version)
		out = append(out, r)
	}
	return out, rows.Err()
}

// AllCallSettings implements store.CallSetup.
func (db *DB) AllCallSettings(ctx context.Context) ([]store.CallSettings, error) {
	all, err := setup(ctx, db, `SELECT version, record FROM call_setting ORDER BY user_id`,
		func(s *store.CallSettings, version int64) { s.Version = version })
	if err != nil {
		return nil, fmt.Errorf("call settings: %w", err)
	}
	return all, nil
}

// SetCallSettings implements store.CallSetup.
func (db *DB) SetCallSettings(ctx context.Context, s store.CallSettings) (store.CallSettings, error) {
	err := db.write(ctx, func(t tx) error {
		if err := userExists(t, s.User); err != nil {
			return err
		}
		if err := classExists(t, s.Class); err != nil {
			return err
		}
		const query = `SELECT version FROM call_setting WHERE user_id = $1`
		if err := checkVersion(t, "call settings of the user", s.Version, query, int64(s.User)); err != nil {
			return err
		}
		s.Version++
		record, err := json.Marshal(s)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO call_setting (user_id, class, version, record) VALUES ($1, $2, $3, $4)
			ON CONFLICT (user_id) DO UPDATE SET class = excluded.class, version = excluded.version, record = excluded.record`,
			int64(s.User), s.Class, s.Version, string(record))
		return err
	})
	if err != nil {
		return store.CallSettings{}, err
	}
	return s, nil
}

func classExists(t tx, name string) error {
	if name == "" || name == defaultClass {
		return nil
	}
	var exists bool
	if err := t.queryRow(`SELECT EXISTS (SELECT 1 FROM class_of_service WHERE name = $1)`, name).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		return fmt.Errorf("%w: there is no class of service %q: make it first", store.ErrInvalid, name)
	}
	return nil
}

// Classes implements store.CallSetup.
func (db *DB) Classes(ctx context.Context) ([]store.ClassOfService, error) {
	all, err := setup(ctx, db, `SELECT version, record FROM class_of_service ORDER BY name`,
		func(c *store.ClassOfService, version int64) { c.Version = version })
	if err != nil {
		return nil, fmt.Errorf("classes of service: %w", err)
	}
	return all, nil
}

// SetClass implements store.CallSetup.
func (db *DB) SetClass(ctx context.Context, c store.ClassOfService) (store.ClassOfService, error) {
	if c.Name == "" {
		return store.ClassOfService{}, fmt.Errorf("%w: a class of service needs a name", store.ErrInvalid)
	}
	err := db.write(ctx, func(t tx) error {
		if err := checkVersion(t, "class "+c.Name, c.Version, `SELECT version FROM class_of_service WHERE name = $1`, c.Name); err != nil {
			return err
		}
		c.Version++
		record, err := json.Marshal(c)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO class_of_service (name, version, record) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET version = excluded.version, record = excluded.record`, c.Name, c.Version, string(record))
		return err
	})
	if err != nil {
		return store.ClassOfService{}, err
	}
	return c, nil
}

// RemoveClass implements store.CallSetup.
func (db *DB) RemoveClass(ctx context.Context, name string) error {
	return db.write(ctx, func(t tx) error {
		var users int
		if err := t.queryRow(`SELECT count(*) FROM call_setting WHERE class = $1`, name).Scan(&users); err != nil {
			return err
		}
		if users > 0 {
			return conflictf("class %s still has users (%d): give them another one first", name, users)
		}
		n, err := t.exec(`DELETE FROM class_of_service WHERE name = $1`, name)
		if err == nil && n == 0 {
			err = fmt.Errorf("class %s: %w", name, store.ErrNotFound)
		}
		return err
	})
}

// HuntGroups implements store.CallSetup.
func (db *DB) HuntGroups(ctx context.Context) ([]store.HuntGroup, error) {
	all, err := setup(ctx, db, `SELECT version, record FROM hunt_group ORDER BY name`,
		func(g *store.HuntGroup, version int64) { g.Version = version })
	if err != nil {
		return nil, fmt.Errorf("hunt groups: %w", err)
	}
	return all, nil
}

// SetHuntGroup implements store.CallSetup.
func (db *DB) SetHuntGroup(ctx context.Context, g store.HuntGroup) (store.HuntGroup, error) {
	g.Name = strings.ToLower(g.Name)
	if g.Name == "" {
		return store.HuntGroup{}, fmt.Errorf("%w: a hunt group needs a name", store.ErrInvalid)
	}
	err := db.write(ctx, func(t tx) error {
		if err := checkVersion(t, "hunt group "+g.Name, g.Version, `SELECT version FROM hunt_group WHERE name = $1`, g.Name); err != nil {
			return err
		}
		if err := claimHuntAddresses(t, g); err != nil {
			return err
		}
		g.Version++
		record, err := json.Marshal(g)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO hunt_group (name, version, record) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET version = excluded.version, record = excluded.record`, g.Name, g.Version, string(record))
		return err
	})
	if err != nil {
		return store.HuntGroup{}, err
	}
	return g, nil
}

// claimHuntAddresses takes the name and the numbers of a group, or tells whose
// they are.
func claimHuntAddresses(t tx, g store.HuntGroup) error {
	if _, err := t.exec(`DELETE FROM hunt_address WHERE hunt_group = $1`, g.Name); err != nil {
		return err
	}
	for _, name := range append([]string{g.Name}, g.Numbers...) {
		name = strings.ToLower(name)
		if name == "" || strings.ContainsAny(name, "\r\n\x00") {
			return fmt.Errorf("%w: %q as name or number", store.ErrInvalid, name)
		}
		if err := notOfUser(t, name); err != nil {
			return err
		}
		if err := notOfHuntGroup(t, name); err != nil {
			return err
		}
		if err := notOfGroup(t, "", name); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO hunt_address (name, hunt_group) VALUES ($1, $2)`, name, g.Name); err != nil {
			return err
		}
	}
	return nil
}

// notOfUser tells whose name or number it is, in whatever domain: hunt groups
// are in all of them.
func notOfUser(t tx, name string) error {
	var owner string
	err := t.queryRow(`SELECT u.username || '@' || u.domain FROM address a JOIN users u ON u.id = a.user_id WHERE a.name = $1 LIMIT 1`, name).Scan(&owner)
	if err == nil {
		return conflictf("%s is taken by %s", name, owner)
	}
	return ignoreNoRows(err)
}

// notOfHuntGroup tells which hunt group has a name or number.
func notOfHuntGroup(t tx, name string) error {
	var owner string
	err := t.queryRow(`SELECT hunt_group FROM hunt_address WHERE name = $1`, name).Scan(&owner)
	if err == nil {
		return conflictf("%s is taken by hunt group %s", name, owner)
	}
	return ignoreNoRows(err)
}

// RemoveHuntGroup implements store.CallSetup.
func (db *DB) RemoveHuntGroup(ctx context.Context, name string) error {
	name = strings.ToLower(name)
	return db.write(ctx, func(t tx) error {
		if _, err := t.exec(`DELETE FROM hunt_address WHERE hunt_group = $1`, name); err != nil {
			return err
		}
		n, err := t.exec(`DELETE FROM hunt_group WHERE name = $1`, name)
		if err == nil && n == 0 {
			err = fmt.Errorf("hunt group %s: %w", name, store.ErrNotFound)
		}
		return err
	})
}

// Trunks implements store.CallSetup.
func (db *DB) Trunks(ctx context.Context) ([]store.Trunk, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT id, name, password, version, record FROM trunk ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("trunks: %w", err)
	}
	defer rows.Close()
	var out []store.Trunk
	for rows.Next() {
		t, err := db.scanTrunk(rows)
		if err != nil {
			return nil, fmt.Errorf("trunks: %w", err)
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

func (db *DB) scanTrunk(row scanner) (store.Trunk, error) {
	var k, t store.Trunk // the key columns, and what the record says
	var sealed, record []byte
	if err := row.Scan(&k.ID, &k.Name, &sealed, &k.Version, &record); err != nil {
		return t, err
	}
	if err := json.Unmarshal(record, &t); err != nil {
		return t, err
	}
	password, err := db.sealer.open(sealed, "trunk", strconv.FormatInt(k.ID, 10), "password")
	t.ID, t.Name, t.Version, t.Password = k.ID, k.Name, k.Version, string(password)
	return t, err
}

// SetTrunk implements store.CallSetup.
func (db *DB) SetTrunk(ctx context.Context, tr store.Trunk) (store.Trunk, error) {
	if tr.Name == "" {
		return store.Trunk{}, fmt.Errorf("%w: a trunk needs a name", store.ErrInvalid)
	}
	var set store.Trunk
	err := db.write(ctx, func(t tx) (err error) {
		set, err = db.setTrunk(t, tr)
		return err
	})
	return set, err
}

func (db *DB) setTrunk(t tx, tr store.Trunk) (store.Trunk, error) {
	if err := checkVersion(t, "trunk "+tr.Name, tr.Version, `SELECT version FROM trunk WHERE id = $1`, tr.ID); err != nil {
		return store.Trunk{}, err
	}
	var other bool
	if err := t.queryRow(`SELECT EXISTS (SELECT 1 FROM trunk WHERE name = $1 AND id <> $2)`, tr.Name, tr.ID).Scan(&other); err != nil {
		return store.Trunk{}, err
	}
	if other {
		return store.Trunk{}, conflictf("trunk %s exists already", tr.Name)
	}
	tr.Version++
	if tr.ID == 0 {
		err := t.queryRow(`INSERT INTO trunk (name, version, record) VALUES ($1, 0, '') RETURNING id`, tr.Name).Scan(&tr.ID)
		if err != nil {
			return store.Trunk{}, err
		}
	}
	return tr, db.writeTrunk(t, &tr)
}

// writeTrunk fills the row of a trunk, and in the password that stays.
func (db *DB) writeTrunk(t tx, tr *store.Trunk) error {
	key := strconv.FormatInt(tr.ID, 10)
	var sealed []byte
	switch {
	case tr.Username == "":
		tr.Password = ""
	case tr.Password != "":
		sealed = db.sealer.seal([]byte(tr.Password), "trunk", key, "password")
	default:
		if err := t.queryRow(`SELECT password FROM trunk WHERE id = $1`, tr.ID).Scan(&sealed); err != nil {
			return err
		}
		password, err := db.sealer.open(sealed, "trunk", key, "password")
		if err != nil {
			return err
		}
		tr.Password = string(password)
	}
	record, err := json.Marshal(tr) // without the password
	if err != nil {
		return err
	}
	_, err = t.exec(`UPDATE trunk SET name = $1, password = $2, version = $3, record = $4 WHERE id = $5`, tr.Name, sealed, tr.Version, string(record), tr.ID)
	return err
}

// RemoveTrunk implements store.CallSetup.
func (db *DB) RemoveTrunk(ctx context.Context, id int64) error {
	return db.write(ctx, func(t tx) error {
		n, err := t.exec(`DELETE FROM trunk WHERE id = $1`, id)
		if err == nil && n == 0 {
			err = fmt.Errorf("trunk %d: %w", id, store.ErrNotFound)
		}
		return err
	})
}

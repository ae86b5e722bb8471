package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

const userColumns = `u.id, u.username, u.domain, u.display_name, u.picture, u.disabled, u.admin, u.created, u.version,
	coalesce((SELECT group_concat(a.name, char(10) ORDER BY a.ordinal) FROM address a WHERE a.user_id = u.id AND a.ordinal > 0), '')`

const selectPeople = `SELECT ` + userColumns + ` FROM users u WHERE u.id IN (
	$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
	$17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32,
	$33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48,
	$49, $50, $51, $52, $53, $54, $55, $56, $57, $58, $59, $60, $61, $62, $63, $64)`

func scanUser(row scanner) (store.User, error) {
	var u store.User
	var created int64
	var numbers string
	err := row.Scan(&u.ID, &u.Username, &u.Domain, &u.DisplayName, &u.Picture, &u.Disabled, &u.Admin, &created, &u.Version, &numbers)
	u.Created = timeOf(created)
	u.Numbers = lines(numbers)
	return u, err
}

// lines splits what was joined by newlines; "" is no line.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// AddUser implements store.Users.
func (db *DB) AddUser(ctx context.Context, u store.User, c *store.Credential) (store.User, error) {
	var added store.User
	err := db.write(ctx, func(t tx) (err error) {
		added, err = db.addUser(t, u, c)
		return err
	})
	if err != nil {
		return store.User{}, fmt.Errorf("add user %s: %w", u.AOR(), err)
	}
	return added, nil
}

func (db *DB) addUser(t tx, u store.User, c *store.Credential) (store.User, error) {
	u = canonical(u)
	if err := checkUser(u); err != nil {
		return u, err
	}
	u.Created, u.Version = timeOf(db.cfg.Now().UnixMilli()), 1
	err := t.queryRow(`INSERT INTO users (username, domain, display_name, folded, picture, disabled, admin, created, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1) RETURNING id`,
		u.Username, u.Domain, u.DisplayName, foldUser(u), u.Picture, u.Disabled, u.Admin, u.Created.UnixMilli()).Scan(&u.ID)
	if err != nil {
		return u, err
	}
	if err := claimAddresses(t, u); err != nil {
		return u, err
	}
	if c == nil {
		return u, nil
	}
	own := *c
	own.User = u.ID
	return u, db.setCredential(t, own)
}

func canonical(u store.User) store.User {
	u.Username, u.Domain = strings.ToLower(u.Username), strings.ToLower(u.Domain)
	return u
}

func checkUser(u store.User) error {
	if u.Username == "" || u.Domain == "" {
		return fmt.Errorf("%w: a user needs a name and a domain", store.ErrInvalid)
	}
	for _, name := range append([]string{u.Username, u.Domain}, u.Numbers...) {
		if name == "" || strings.ContainsAny(name, "\r\n\x00") {
			return fmt.Errorf("%w: %q as name or number", store.ErrInvalid, name)
		}
	}
	return nil
}

// foldUser is what ListUsers looks through.
func foldUser(u store.User) string {
	return fold(strings.Join(append([]string{u.Username, u.DisplayName}, u.Numbers...), "\n"))
}

// claimAddresses takes the user name and the numbers of u, or tells whose they
// are.
func claimAddresses(t tx, u store.User) error {
	for i, name := range append([]string{u.Username}, u.Numbers...) {
		if err := notOfHuntGroup(t, strings.ToLower(name)); err != nil {
			return err
		}
		if err := notOfGroup(t, u.Domain, strings.ToLower(name)); err != nil {
			return err
		}
		n, err := t.exec(`INSERT INTO address (domain, name, user_id, ordinal) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			u.Domain, strings.ToLower(name), int64(u.ID), i)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		var owner string
		err = t.queryRow(`SELECT u.username FROM address a JOIN users u ON u.id = a.user_id WHERE a.domain = $1 AND a.name = $2`,
			u.Domain, strings.ToLower(name)).Scan(&owner)
		if err != nil {
			return err
		}
		return fmt.Errorf("%s is taken by %s@%s: %w", name, owner, u.Domain, store.ErrConflict)
	}
	return nil
}

// UpdateUser implements store.Users.
func (db *DB) UpdateUser(ctx context.Context, u store.User) (store.User, error) {
	var updated store.User
	err := db.write(ctx, func(t tx) (err error) {
		updated, err = db.updateUser(t, u)
		return err
	})
	if err != nil {
		return store.User{}, fmt.Errorf("update user %d: %w", u.ID, err)
	}
	return updated, nil
}

func (db *DB) updateUser(t tx, u store.User) (store.User, error) {
	old, err := scanUser(t.queryRow(`SELECT `+userColumns+` FROM users u WHERE u.id = $1 AND u.removed = 0`, int64(u.ID)))
	if err != nil {
		return u, notFound(err, "user %d", u.ID)
	}
	u.Username, u.Domain, u.Created, u.Version = old.Username, old.Domain, old.Created, old.Version+1
	if err := checkUser(u); err != nil {
		return u, err
	}
	_, err = t.exec(`UPDATE users SET display_name = $1, folded = $2, picture = $3, disabled = $4, admin = $5, version = $6 WHERE id = $7`,
		u.DisplayName, foldUser(u), u.Picture, u.Disabled, u.Admin, u.Version, int64(u.ID))
	if err != nil {
		return u, err
	}
	if _, err := t.exec(`DELETE FROM address WHERE user_id = $1`, int64(u.ID)); err != nil {
		return u, err
	}
	return u, claimAddresses(t, u)
}

// RemoveUser implements store.Users. The row stays, marked, for its name.
func (db *DB) RemoveUser(ctx context.Context, id store.UserID) error {
	err := db.write(ctx, func(t tx) error {
		n, err := t.exec(`UPDATE users SET removed = $1, version = version + 1 WHERE id = $2 AND removed = 0`, db.cfg.Now().UnixMilli(), int64(id))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		for _, query := range []string{
			`DELETE FROM address WHERE user_id = $1`,
			`DELETE FROM credential WHERE user_id = $1`,
			`DELETE FROM binding WHERE user_id = $1`,
			`DELETE FROM call_setting WHERE user_id = $1`,
			`DELETE FROM token WHERE user_id = $1`,
			`DELETE FROM device_cursor WHERE device_id IN (SELECT id FROM device WHERE user_id = $1)`,
			`DELETE FROM device_start WHERE device_id IN (SELECT id FROM device WHERE user_id = $1)`,
			`DELETE FROM device_replay WHERE device_id IN (SELECT id FROM device WHERE user_id = $1)`,
			`DELETE FROM conv_state WHERE user_id = $1`,
			`DELETE FROM message_hidden WHERE user_id = $1`,
			`DELETE FROM star WHERE user_id = $1`,
			`DELETE FROM room_device WHERE user_id = $1`,
			`DELETE FROM subscription WHERE user_id = $1`,
			`DELETE FROM unit_member WHERE user_id = $1`,
			`DELETE FROM device WHERE user_id = $1`,
		} {
			if _, err := t.exec(query, int64(id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove user %d: %w", id, err)
	}
	return nil
}

// User implements store.Users.
func (db *DB) User(ctx context.Context, id store.UserID) (store.User, error) {
	ctx, err := pointRead(ctx)
	if err != nil {
		return store.User{}, err
	}
	u, err := scanUser(db.reader.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users u WHERE u.id = $1 AND u.removed = 0`, int64(id)))
	return u, notFound(err, "user %d", id)
}

// userExists returns ErrNotFound for a user who does not exist.
func userExists(t tx, id store.UserID) error {
	var exists bool
	if err := t.queryRow(`SELECT EXISTS (SELECT 1 FROM users WHERE id = $1 AND removed = 0)`, int64(id)).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		return fmt.Errorf("user %d: %w", id, store.ErrNotFound)
	}
	return nil
}

// AddressOf implements store.Users.
func (db *DB) AddressOf(ctx context.Context, id store.UserID) (string, error) {
	var u store.User
	err := db.reader.QueryRowContext(ctx, `SELECT username, domain FROM users WHERE id = $1`, int64(id)).Scan(&u.Username, &u.Domain)
	if err != nil {
		return "", notFound(err, "user %d", id)
	}
	return u.AOR(), nil
}

// peopleChunk is how many users one statement reads; a shorter list is filled up
// with nobody, so that there is one statement to prepare.
const peopleChunk = 64

// People implements store.Users.
func (db *DB) People(ctx context.Context, ids []store.UserID) (map[store.UserID]store.User, error) {
	ctx, err := pointRead(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[store.UserID]store.User, len(ids))
	for chunk := range slices.Chunk(ids, peopleChunk) {
		if err := db.people(ctx, chunk, out); err != nil {
			return nil, fmt.Errorf("people: %w", err)
		}
	}
	return out, nil
}

func (db *DB) people(ctx context.Context, ids []store.UserID, out map[store.UserID]store.User) error {
	args := make([]any, peopleChunk)
	for i := range args {
		args[i] = int64(0)
		if i < len(ids) {
			args[i] = int64(ids[i])
		}
	}
	rows, err := db.reader.QueryContext(ctx, selectPeople, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return err
		}
		out[u.ID] = u
	}
	return rows.Err()
}

// UserByAddress implements store.Users.
func (db *DB) UserByAddress(ctx context.Context, user, domain string) (store.User, error) {
	ctx, err := pointRead(ctx)
	if err != nil {
		return store.User{}, err
	}
	u, err := scanUser(db.reader.QueryRowContext(ctx, `SELECT `+userColumns+` FROM address x JOIN users u ON u.id = x.user_id
		WHERE x.domain = $1 AND x.name = $2`, strings.ToLower(domain), strings.ToLower(user)))
	return u, notFound(err, "user %s@%s", user, domain)
}

// ListUsers implements store.Users.
func (db *DB) ListUsers(ctx context.Context, match string, after store.UserID, limit int) ([]store.User, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT `+userColumns+` FROM users u
		WHERE u.id > $1 AND u.removed = 0 AND u.folded LIKE $2 ESCAPE '\' ORDER BY u.id LIMIT $3`,
		int64(after), "%"+escapeLike(fold(match))+"%", limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.User
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// ImportUsers implements store.Users. A user who exists gets a new display
// name, new numbers and, where one is given, a new credential; his picture and whether he
// is an administrator or disabled stay.
func (db *DB) ImportUsers(ctx context.Context, users []store.User, cs []*store.Credential) (added, updated int, err error) {
	if len(cs) != len(users) {
		return 0, 0, fmt.Errorf("%w: %d users with %d credentials", store.ErrInvalid, len(users), len(cs))
	}
	err = db.write(ctx, func(t tx) error {
		added, updated = 0, 0
		for i, u := range users {
			isNew, err := db.importUser(t, canonical(u), cs[i])
			if err != nil {
				return fmt.Errorf("user %d of the list, %s: %w", i+1, u.AOR(), err)
			}
			if isNew {
				added++
			} else {
				updated++
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	return added, updated, nil
}

func (db *DB) importUser(t tx, u store.User, c *store.Credential) (isNew bool, err error) {
	old, err := scanUser(t.queryRow(`SELECT `+userColumns+` FROM address x JOIN users u ON u.id = x.user_id
		WHERE x.domain = $1 AND x.name = $2 AND x.ordinal = 0`, u.Domain, u.Username))
	if errors.Is(err, sql.ErrNoRows) {
		_, err := db.addUser(t, u, c)
		return true, err
	}
	if err != nil {
		return false, err
	}
	u.ID, u.Picture, u.Disabled, u.Admin = old.ID, old.Picture, old.Disabled, old.Admin
	if _, err := db.updateUser(t, u); err != nil || c == nil {
		return false, err
	}
	own := *c
	own.User = old.ID
	return false, db.setCredential(t, own)
}

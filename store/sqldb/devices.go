package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// seenSteps is how fine LastSeen is kept: a device that registers every minute
// costs one write an hour.
const seenSteps = time.Hour

const deviceColumns = `id, user_id, instance, user_agent, accept, specs, first_seen, last_seen, revoked`

func scanDevice(row scanner) (store.Device, error) {
	var d store.Device
	var accept string
	var first, last int64
	var revoked sql.NullInt64
	err := row.Scan(&d.ID, &d.User, &d.Instance, &d.UserAgent, &accept, &d.Specs, &first, &last, &revoked)
	d.Accept = lines(accept)
	d.FirstSeen, d.LastSeen, d.Revoked = timeOf(first), timeOf(last), timeOrNil(revoked)
	return d, err
}

// TouchDevice implements store.Devices. Only a device that is new or tells
// something new is written; LastSeen is kept to the hour.
func (db *DB) TouchDevice(ctx context.Context, d store.Device) (store.Device, error) {
	read, err := pointRead(ctx)
	if err != nil {
		return store.Device{}, err
	}
	const query = `SELECT ` + deviceColumns + ` FROM device WHERE user_id = $1 AND instance = $2`
	old, err := scanDevice(db.reader.QueryRowContext(read, query, int64(d.User), d.Instance))
	if err == nil && old.Revoked == nil && sameTold(old, d) && db.cfg.Now().Sub(old.LastSeen) < seenSteps {
		return old, nil
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return store.Device{}, err
	}
	var touched store.Device
	var mark int64
	err = db.write(ctx, func(t tx) (err error) {
		if touched, err = db.touchDevice(t, d); err != nil {
			return err
		}
		// In the same commit: what is accepted after this REGISTER is owed to a
		// new device, however soon another one takes it.
		mark, err = db.startCursors(t, touched.User, touched.ID)
		return err
	})
	if err != nil {
		return store.Device{}, fmt.Errorf("device %s: %w", d.Instance, err)
	}
	db.activity.raise(touched.ID, mark)
	return touched, nil
}

func sameTold(a, b store.Device) bool {
	return a.UserAgent == b.UserAgent && a.Specs == b.Specs && slices.Equal(a.Accept, b.Accept)
}

func (db *DB) touchDevice(t tx, d store.Device) (store.Device, error) {
	if d.Instance == "" {
		return d, fmt.Errorf("%w: a device needs an instance", store.ErrInvalid)
	}
	if err := userExists(t, d.User); err != nil {
		return d, err
	}
	now := db.cfg.Now().UnixMilli()
	row := t.queryRow(`INSERT INTO device (user_id, instance, user_agent, accept, specs, first_seen, last_seen)
		VALUES ($1, $2, $3, $4, $5, $6, $6)
		ON CONFLICT (user_id, instance) DO UPDATE SET user_agent = excluded.user_agent, accept = excluded.accept,
		specs = excluded.specs, last_seen = excluded.last_seen WHERE device.revoked IS NULL RETURNING `+deviceColumns,
		int64(d.User), d.Instance, d.UserAgent, strings.Join(d.Accept, "\n"), d.Specs, now)
	touched, err := scanDevice(row)
	if errors.Is(err, sql.ErrNoRows) {
		return d, fmt.Errorf("it has been revoked: %w", store.ErrConflict)
	}
	return touched, err
}

// ListDevices implements store.Devices.
func (db *DB) ListDevices(ctx context.Context, u store.UserID) ([]store.Device, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT `+deviceColumns+` FROM device WHERE user_id = $1 OR $1 = 0 ORDER BY id`, int64(u))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Device
	for rows.Next() {
		d, err := scanDevice(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// RevokeDevice implements store.Devices. Its bindings go with it.
func (db *DB) RevokeDevice(ctx context.Context, id store.DeviceID) (store.Device, error) {
	var revoked store.Device
	err := db.write(ctx, func(t tx) (err error) {
		revoked, err = scanDevice(t.queryRow(`UPDATE device SET revoked = coalesce(revoked, $1) WHERE id = $2 RETURNING `+deviceColumns,
			db.cfg.Now().UnixMilli(), int64(id)))
		if err != nil {
			return notFound(err, "device %d", id)
		}
		if _, err := t.exec(`DELETE FROM device_replay WHERE device_id = $1`, int64(id)); err != nil {
			return err
		}
		_, err = t.exec(`DELETE FROM binding WHERE device_id = $1`, int64(id))
		return err
	})
	if err != nil {
		return store.Device{}, fmt.Errorf("revoke: %w", err)
	}
	return revoked, nil
}

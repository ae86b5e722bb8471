package sqldb

import (
	"context"
	"fmt"

	"github.com/sparkleim/sparkle/store"
)

// SaveBindings implements store.Bindings.
func (db *DB) SaveBindings(save, remove []store.Binding) {
	db.relax(func(s *relaxedSet) {
		for i := range remove {
			s.bindings[keyOf(&remove[i])] = nil
		}
		for i := range save {
			k := keyOf(&save[i])
			if _, merged := s.bindings[k]; !merged && len(s.bindings) >= maxRelaxed {
				db.writer.metrics.dropped.Inc()
				continue
			}
			b := save[i]
			s.bindings[k] = &b
		}
	})
}

// AllBindings implements store.Bindings. Those that have expired, or whose user
// or device is gone, are left out.
func (db *DB) AllBindings(ctx context.Context) ([]store.Binding, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT b.user_id, b.device_id, b.instance, b.reg_id, b.contact, b.params, b.path, b.q,
		b.call_id, b.cseq, b.expires, b.received, b.local, b.user_agent
		FROM binding b JOIN users u ON u.id = b.user_id JOIN device d ON d.id = b.device_id
		WHERE b.expires > $1 AND u.removed = 0 AND d.revoked IS NULL ORDER BY b.user_id, b.instance, b.reg_id, b.contact_key`,
		db.cfg.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Binding
	for rows.Next() {
		b, err := scanBinding(rows)
		if err != nil {
			return nil, fmt.Errorf("binding: %w", err)
		}
		out = append(out, b)
	}
	return out, rows.Err()
}

func scanBinding(row scanner) (store.Binding, error) {
	var b store.Binding
	var path string
	var expires int64
	err := row.Scan(&b.User, &b.Device, &b.Instance, &b.RegID, &b.Contact, &b.Params, &path, &b.Q, &b.CallID, &b.CSeq, &expires,
		&b.Received, &b.Local, &b.UserAgent)
	b.Path = lines(path)
	b.Expires = timeOf(expires)
	return b, err
}

package registrar

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Restore fills the table with what the store kept over a restart. Bindings
// over connections are known and unreachable until their devices register
// again; bindings over UDP are reachable at once. Call it before REGISTERs are
// served. Rows that cannot be used are left out and logged.
func (g *Registrar) Restore(ctx context.Context) error {
	rows, err := g.cfg.Bindings.AllBindings(ctx)
	if err != nil {
		return fmt.Errorf("registrar: bindings cannot be read: %w", err)
	}
	if len(rows) == 0 {
		return nil
	}
	devices, err := g.knownDevices(ctx)
	if err != nil {
		return fmt.Errorf("registrar: devices cannot be read: %w", err)
	}
	if err := g.restoreRecords(ctx, rows); err != nil {
		return fmt.Errorf("registrar: users cannot be read: %w", err)
	}
	now := time.Now()
	for i := range rows {
		r := &rows[i]
		d := devices[r.Device]
		if d == nil || !r.Expires.After(now) {
			continue
		}
		if err := g.restore(r, d); err != nil {
			g.log.Warn("binding left out", "user", r.User, "device", r.Device, "error", err)
		}
	}
	g.remove(func(*binding) bool { return false }) // clears records that got no binding
	return nil
}

// knownDevices returns all devices that were not revoked.
func (g *Registrar) knownDevices(ctx context.Context) (map[store.DeviceID]*store.Device, error) {
	list, err := g.cfg.Devices.ListDevices(ctx, 0)
	if err != nil {
		return nil, err
	}
	devices := make(map[store.DeviceID]*store.Device, len(list))
	for _, d := range list {
		if d.Revoked == nil {
			devices[d.ID] = g.keep(d)
		}
	}
	return devices, nil
}

// page is how many users are read at a time.
const page = 1000

// restoreRecords makes the records of the users of rows.
func (g *Registrar) restoreRecords(ctx context.Context, rows []store.Binding) error {
	wanted := make(map[store.UserID]bool, len(rows))
	for i := range rows {
		wanted[rows[i].User] = true
	}
	for after := store.UserID(0); ; {
		users, err := g.cfg.Users.ListUsers(ctx, "", after, page)
		if err != nil || len(users) == 0 {
			return err
		}
		for _, u := range users {
			after = max(after, u.ID)
			if wanted[u.ID] && !u.Disabled {
				s := g.table.of(u.ID)
				s.mu.Lock()
				g.table.insert(&record{user: u.ID, username: u.Username, domain: u.Domain})
				s.mu.Unlock()
			}
		}
	}
}

// restore makes one binding from its row.
func (g *Registrar) restore(r *store.Binding, d *store.Device) error {
	u, err := wire.ParseURI(r.Contact)
	if err != nil {
		return err
	}
	from, ok := parseOrigin(r.Received, r.Local)
	if !ok {
		return fmt.Errorf("came from %q to %q", r.Received, r.Local)
	}
	b := &binding{
		user: r.User, device: d, contact: r.Contact, params: g.intern.text(r.Params), path: r.Path,
		callID: r.CallID, from: from, expires: r.Expires.UnixNano(), saved: r.Expires.UnixNano(),
		cseq: r.CSeq, regID: int32(r.RegID), q: int16(r.Q),
		instanced: !strings.HasPrefix(r.Instance, contactInstance), place: g.table.place(&u),
	}
	s := g.table.of(r.User)
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.users[r.User]
	if rec == nil {
		return fmt.Errorf("the user is disabled or gone")
	}
	rec.bindings = append(rec.bindings, b)
	rec.changed()
	g.table.contacts.add(b.place, b)
	return nil
}

package registrar

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Devices keeps what devices say of themselves.
type Devices interface {
	TouchDevice(ctx context.Context, d store.Device) (store.Device, error)
	ListDevices(ctx context.Context, u store.UserID) ([]store.Device, error)
}

// touchTimeout bounds how long a REGISTER waits for the store.
const touchTimeout = 10 * time.Second

// revoked refuses a device that an administrator has shut out.
func revoked() error {
	return &server.Error{Status: 403, Warning: "this device has been revoked: ask your administrator"}
}

// deviceOf is what c says of its device.
func (g *Registrar) deviceOf(reg *registration, c *contact) store.Device {
	d := store.Device{
		User:      reg.sender.User,
		Instance:  strings.Clone(c.name),
		UserAgent: g.intern.text(reg.userAgent),
		Accept:    g.intern.list(wire.Values(reg.req, "Accept")),
		LastSeen:  reg.now,
	}
	if c.device != nil {
		d.ID, d.Instance, d.FirstSeen = c.device.ID, c.device.Instance, c.device.FirstSeen
	}
	if specs, ok := paramOf(string(c.params), "+org.linphone.specs"); ok {
		d.Specs = g.intern.text(specs)
	}
	return d
}

// paramOf finds a parameter in text that appendParam wrote.
func paramOf(params, name string) (string, bool) {
	_, rest, ok := strings.Cut(params, ";"+name+"=")
	if !ok {
		return "", false
	}
	if quoted, ok := strings.CutPrefix(rest, `"`); ok {
		value, _, _ := strings.Cut(quoted, `"`)
		return value, true
	}
	value, _, _ := strings.Cut(rest, ";")
	return value, true
}

// updateNew is update for a request that had to wait, or has a device that
// nobody knows: the store must give it its number first. It blocks.
func (g *Registrar) updateNew(reg *registration) {
	reg.now = time.Now()
	if g.update(reg) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), touchTimeout)
	defer cancel()
	for i := range reg.contacts {
		c := &reg.contacts[i]
		if c.expires == 0 || c.device != nil {
			continue
		}
		d, err := g.cfg.Devices.TouchDevice(ctx, g.deviceOf(reg, c))
		if errors.Is(err, store.ErrConflict) {
			err = revoked()
		}
		if err != nil {
			reg.refuse(g, err)
			return
		}
		c.device = g.keep(d)
	}
	reg.now = time.Now()
	g.update(reg)
	if _, alive := g.cfg.Flows.Flow(reg.flow.ID); !alive && reg.flow.Transport != transport.UDP {
		g.FlowClosed(reg.flow) // it ended while the store was asked, before it had a binding
	}
}

// keep makes the copy of a device that bindings share.
func (g *Registrar) keep(d store.Device) *store.Device {
	d.UserAgent = g.intern.text(d.UserAgent)
	d.Specs = g.intern.text(d.Specs)
	d.Accept = g.intern.list(d.Accept)
	return &d
}

// touchKnown tells the store the news of a device that is registered. It
// blocks. One that was revoked meanwhile is put out.
func (g *Registrar) touchKnown(d store.Device) {
	ctx, cancel := context.WithTimeout(context.Background(), touchTimeout)
	defer cancel()
	now, err := g.cfg.Devices.TouchDevice(ctx, d)
	switch {
	case errors.Is(err, store.ErrConflict):
		g.RemoveDevice(d.ID)
		return
	case err != nil:
		g.log.Warn("device could not be updated", "device", d.ID, "error", err)
		return
	}
	kept := g.keep(now)
	s := g.table.of(d.User)
	s.mu.Lock()
	defer s.mu.Unlock()
	if rec := s.users[d.User]; rec != nil {
		for _, b := range rec.bindings {
			if sameDevice(kept, b) {
				b.device = kept
				rec.changed()
			}
		}
	}
}

package registrar

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// plan is what a REGISTER will change, worked out before anything changes, so
// that it happens as a whole or not at all (RFC 3261 §10.3 step 7).
type plan struct {
	steps   []step
	drop    []*binding // beside those that steps replace or remove
	unknown bool       // a device must be asked of the store first
}

// step is what becomes of one contact: a new binding (old nil), an update of
// old, or its end (contact.expires 0).
type step struct {
	contact *contact
	old     *binding
}

// tooMany refuses more bindings than a user may have.
func tooMany(limit int) error {
	return &server.Error{Status: 403, Warning: fmt.Sprintf("at most %d devices may be registered: remove one first", limit)}
}

// outOfOrder refuses a request that is older than the last one with its Call-ID.
func outOfOrder() error {
	return &server.Error{Status: 500, Reason: "CSeq Out of Order"}
}

// plan works out what reg changes in rec. It changes nothing but the devices of
// the contacts, where they are known.
func (g *Registrar) plan(rec *record, reg *registration) (plan, error) {
	var p plan
	if reg.all {
		p.drop = slices.Clone(rec.bindings)
		for _, b := range p.drop {
			if b.late(reg) {
				return p, outOfOrder()
			}
		}
		return p, nil
	}
	if p.steps = reg.oneStep[:0]; len(reg.contacts) > len(reg.oneStep) {
		p.steps = make([]step, 0, len(reg.contacts))
	}
	for i := range reg.contacts {
		c := &reg.contacts[i]
		old := rec.match(reg, c, p.taken)
		if old == nil && c.expires == 0 {
			continue
		}
		if old != nil && old.late(reg) {
			return p, outOfOrder()
		}
		p.steps = append(p.steps, step{contact: c, old: old})
	}
	for _, s := range p.steps {
		if s.contact.expires > 0 {
			p.replaceOthers(rec, s)
			p.unknown = !p.identify(rec, reg, s) || p.unknown
		}
	}
	return p, p.makeRoom(rec, reg, g.cfg.MaxContacts)
}

// late tells whether reg was sent before the REGISTER that made b.
func (b *binding) late(reg *registration) bool {
	return b.callID == reg.callID && reg.cseq <= b.cseq && b.live(reg.now)
}

// taken tells whether the plan already decides about b.
func (p *plan) taken(b *binding) bool {
	return slices.Contains(p.drop, b) || slices.ContainsFunc(p.steps, func(s step) bool { return s.old == b })
}

// match finds the binding that c refreshes, replaces or removes:
//
//  1. the same flow of the same instance (RFC 5626 §6),
//  2. an equal URI (RFC 3261 §10.3 step 7), unless it is another instance's,
//  3. without reg-id, whatever the instance registered before: a softphone that
//     comes back has a new port,
//  4. without instance, what the same kind of phone at the same address left
//     behind.
func (rec *record) match(reg *registration, c *contact, taken func(*binding) bool) *binding {
	var sameInstance, sameHost *binding
	for _, b := range rec.bindings {
		switch {
		case taken(b):
		case c.instance != "" && b.instanced && b.device.Instance == c.instance:
			if int(b.regID) == c.regID && (c.regID > 0 || sameURI(b, c)) {
				return b
			}
			if c.regID == 0 && sameInstance == nil {
				sameInstance = b
			}
		case c.instance != "" && b.instanced:
		case sameURI(b, c):
			return b
		case c.instance == "" && !b.instanced && b.abandoned(reg, c):
			sameHost = b
		}
	}
	if sameInstance != nil {
		return sameInstance
	}
	return sameHost
}

// abandoned tells whether b is what the phone that sends c left behind: its
// connection broke, or it was started again on the same UDP port and does not
// know of the Call-ID that it used before.
func (b *binding) abandoned(reg *registration, c *contact) bool {
	if c.expires == 0 || !b.resembles(reg) {
		return false
	}
	if b.from.transport == transport.UDP {
		return b.from.remote == reg.flow.Remote && b.callID != reg.callID
	}
	return !b.reachable()
}

// resembles tells whether b came from the same kind of phone at the same
// address. The user part of its Contact may be a new one each time it starts.
func (b *binding) resembles(reg *registration) bool {
	return b.from.remote.Addr() == reg.flow.Remote.Addr() && b.device.UserAgent == reg.userAgent
}

// sameURI compares as RFC 3261 §19.1.4 says; most of the time text is enough.
func sameURI(b *binding, c *contact) bool {
	if b.contact == c.text {
		return true
	}
	// Equal URIs have their user part in common; that saves parsing the rest.
	if !strings.Contains(b.contact, c.uri.User) {
		return false
	}
	u, err := wire.ParseURI(b.contact)
	return err == nil && wire.EqualURI(&u, &c.uri)
}

// replaceOthers ends what else the instance registered: everything when it does
// not use outbound (any more), what it registered without reg-id when it does.
// Contacts of this very request stay side by side.
func (p *plan) replaceOthers(rec *record, s step) {
	c := s.contact
	if c.instance == "" {
		return
	}
	for _, b := range rec.bindings {
		if b == s.old || !b.instanced || b.device.Instance != c.instance || p.taken(b) {
			continue
		}
		if c.regID == 0 || b.regID == 0 {
			p.drop = append(p.drop, b)
		}
	}
}

// identify finds the device of a step among those that have a binding, or else
// the name by which the store may know it.
func (p *plan) identify(rec *record, reg *registration, s step) bool {
	c := s.contact
	if c.device != nil {
		return true
	}
	if s.old != nil && (c.instance == "" || s.old.device.Instance == c.instance) {
		c.device = s.old.device
		return true
	}
	if c.instance == "" {
		c.name = "" // it may have one from before it waited
		c.name = p.nameless(rec, reg)
		return false
	}
	c.name = c.instance
	for _, b := range rec.bindings {
		if b.device.Instance == c.name {
			c.device = b.device
			return true
		}
	}
	return false
}

// contactInstance begins the name of a device without +sip.instance.
const contactInstance = "contact:"

// maxAgent is how much of a User-Agent goes into the name of a device, in bytes.
const maxAgent = 64

// nameless names a phone without instance: by its address, its kind, and the
// first number that no other of them has at the moment. So a phone that is
// started again is the device that it was before, whatever its Contact.
func (p *plan) nameless(rec *record, reg *registration) string {
	agent := reg.userAgent[:min(len(reg.userAgent), maxAgent)]
	base := contactInstance + reg.flow.Remote.Addr().Unmap().String() + " " + strings.ToValidUTF8(agent, "") + " #"
	for n := 1; ; n++ {
		name := base + strconv.Itoa(n)
		inUse := func(b *binding) bool { return b.live(reg.now) && b.device.Instance == name }
		if !slices.ContainsFunc(rec.bindings, inUse) && !p.adds(func(c *contact) bool { return c.name == name }) {
			return name
		}
	}
}

// makeRoom applies the limit on bindings. Expired ones do not count. See victim
// for who has to go; a user whose devices are all there is refused.
func (p *plan) makeRoom(rec *record, reg *registration, limit int) error {
	count := 0
	for _, b := range rec.bindings {
		if b.live(reg.now) && !slices.Contains(p.drop, b) {
			count++
		}
	}
	for _, s := range p.steps {
		switch {
		case s.contact.expires == 0 && s.old.live(reg.now):
			count--
		case s.contact.expires > 0 && (s.old == nil || !s.old.live(reg.now)):
			count++
		}
	}
	for ; count > limit; count-- {
		victim := p.victim(rec, reg)
		if victim == nil {
			return tooMany(limit)
		}
		p.drop = append(p.drop, victim)
	}
	return nil
}

// victim is the binding to give up: the oldest of a device that registers now,
// or else the oldest that is unreachable, or else the oldest of a phone without
// instance that looks like the one that registers now (over UDP it may have
// been started again on another port, and nobody told us).
func (p *plan) victim(rec *record, reg *registration) *binding {
	var unreachable, alike *binding
	for _, b := range rec.bindings { // oldest first
		if !b.live(reg.now) || p.taken(b) {
			continue
		}
		switch {
		case p.adds(func(c *contact) bool { return c.device != nil && sameDevice(c.device, b) }):
			return b
		case !b.reachable():
			unreachable = cmp.Or(unreachable, b)
		case !b.instanced && p.adds(func(c *contact) bool { return c.instance == "" && b.resembles(reg) }):
			alike = cmp.Or(alike, b)
		}
	}
	return cmp.Or(unreachable, alike)
}

// adds tells whether a contact that matches is registered.
func (p *plan) adds(match func(*contact) bool) bool {
	return slices.ContainsFunc(p.steps, func(s step) bool { return s.contact.expires > 0 && match(s.contact) })
}

func sameDevice(d *store.Device, b *binding) bool { return d.ID == b.device.ID }

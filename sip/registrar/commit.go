package registrar

import (
	"strings"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// outcome is what a REGISTER changed and what is to be done about it once the
// locks are released.
type outcome struct {
	saved, removed []store.Binding
	touch          []store.Device // tell the store what a device says of itself now
}

// commit carries out a plan. The caller holds the shard.
func (g *Registrar) commit(rec *record, reg *registration, p plan) (done outcome) {
	for _, b := range p.drop {
		done.removed = append(done.removed, b.row())
		g.table.drop(rec, b)
	}
	for _, s := range p.steps {
		if s.contact.expires == 0 {
			done.removed = append(done.removed, s.old.row())
			g.table.drop(rec, s.old)
			continue
		}
		b := s.old
		if b == nil {
			b = &binding{user: rec.user}
			rec.bindings = append(rec.bindings, b)
		}
		if g.bind(b, reg, s.contact, &done) || len(rec.bindings) > 1 { // whose order is that of their refreshes
			rec.changed()
		}
	}
	return done
}

// bind writes one contact into its binding and tells whether anything but the
// time changed. Of a refresh it touches little: text that is the same is not
// copied again.
func (g *Registrar) bind(b *binding, reg *registration, c *contact, done *outcome) bool {
	known := b.device != nil
	before := b.identity()
	moved := b.flow == nil || b.flow.ID != reg.flow.ID
	otherDevice := b.device != c.device
	if known && b.renamedBy(c) {
		done.removed = append(done.removed, b.row())
	}
	if news, ok := g.news(reg, c, moved); ok {
		done.touch = append(done.touch, news)
	}
	b.device, b.instanced = c.device, c.instance != ""
	b.regID, b.q = int32(c.regID), int16(c.q)
	b.cseq = reg.cseq
	b.registered = reg.now.UnixNano()
	b.expires = reg.now.Add(c.expires).UnixNano()
	if b.callID != reg.callID {
		b.callID = strings.Clone(reg.callID)
	}
	if b.params != string(c.params) {
		b.params = g.intern.text(string(c.params))
	}
	otherPath := b.setPath(reg.path)
	g.setContact(b, c)
	if moved {
		g.setFlow(b, reg)
	}
	changed := !known || before != b.identity()
	if b.worthSaving(changed, reg.now) {
		done.saved = append(done.saved, b.row())
	}
	return changed || moved || otherDevice || otherPath
}

// renamedBy tells whether the store will know the binding by another name
// once c is written into it (store.Bindings.SaveBindings).
func (b *binding) renamedBy(c *contact) bool {
	return b.device.Instance != c.device.Instance || int(b.regID) != c.regID ||
		c.instance == "" && b.contact != c.text
}

// identity is what the store must always know of a binding.
type identity struct {
	contact, params, callID string
	device                  store.DeviceID
	from                    origin
	q                       int16
	regID                   int32
	hops                    int
}

func (b *binding) identity() identity {
	i := identity{contact: b.contact, params: b.params, callID: b.callID, from: b.from, q: b.q, regID: b.regID, hops: len(b.path)}
	if b.device != nil {
		i.device = b.device.ID
	}
	return i
}

// setContact keeps the URI and the index of Contacts.
func (g *Registrar) setContact(b *binding, c *contact) {
	if b.contact == c.text {
		return
	}
	if b.contact != "" {
		g.table.contacts.remove(b.place, b)
	}
	b.contact = strings.Clone(c.text)
	b.place = g.table.place(&c.uri)
	g.table.contacts.add(b.place, b)
}

// setFlow keeps the flow and the index of flows.
func (g *Registrar) setFlow(b *binding, reg *registration) {
	if b.flow != nil {
		g.table.flows.remove(b.flow.ID, b)
	}
	b.flow, b.from = reg.flow, originOf(reg.flow)
	g.table.flows.add(b.flow.ID, b)
}

// seenEvery is how often the store is told that a device is still there.
const seenEvery = time.Hour

// news returns what the store should be told of the device of c, when that is
// something new. Of a refresh over the same flow only the name is looked at.
func (g *Registrar) news(reg *registration, c *contact, moved bool) (store.Device, bool) {
	d := c.device
	renamed := d.UserAgent != reg.userAgent
	seen := reg.now.Sub(d.LastSeen) >= seenEvery
	if !renamed && !seen && !moved {
		return store.Device{}, false
	}
	now := g.deviceOf(reg, c)
	if !seen && !renamed && now.Specs == d.Specs && sameList(now.Accept, d.Accept) {
		return store.Device{}, false
	}
	return now, true
}

func sameList(a, b []string) bool {
	return strings.Join(a, ",") == strings.Join(b, ",")
}

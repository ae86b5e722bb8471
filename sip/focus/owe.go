package focus

import (
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/store"
)

// Reachable is a REGISTER of a device: what is owed to it goes out. then is called
// when nothing is under way to it any more: messages may follow. It must not
// block.
func (s *Service) Reachable(u store.UserID, id store.DeviceID, then func()) {
	if !s.sees(u, id, then) {
		then()
	}
}

// sees looks at a device that is there, and tells whether then will be called
// later.
func (s *Service) sees(u store.UserID, id store.DeviceID, then func()) bool {
	sh := s.devices.of(u)
	sh.mu.Lock()
	d := sh.find(u, id)
	quiet := d != nil && d.quiet()
	sh.mu.Unlock()
	if quiet || s.closing.Load() {
		return false
	}
	t := reachable(s.cfg.Locations.Lookup(u), id)
	if t == nil || !capable(&t.Device) || d == nil && len(s.cfg.Groups.Of(u)) == 0 {
		return false
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	d = sh.make(u, id)
	if d.seen(t.Flow.ID) && d.sent {
		s.over(d) // it went to where the device is no more
		d.tries++
	}
	d.then = then
	s.lineUp(d)
	return true
}

// lineUp puts a device into the line unless it is in there, or has a request under
// way after which it will be looked at. Its shard's lock is held.
func (s *Service) lineUp(d *device) {
	if !d.lined && !d.sent && d.holds == 0 {
		d.lined = true
		s.line.add(d)
	}
}

// over is the end of the request that is under way. The shard's lock is held.
func (s *Service) over(d *device) {
	d.sent = false
	s.line.done()
}

// work tells devices what they are owed, until the line is closed.
func (s *Service) work() {
	for d := s.line.take(); d != nil; d = s.line.take() {
		if !s.tell(d) {
			s.line.done()
		}
	}
}

// tell sends a device the next thing that it is owed; false when nothing is under
// way afterwards.
func (s *Service) tell(d *device) bool {
	t := reachable(s.cfg.Locations.Lookup(d.user), d.id)
	sh := s.devices.of(d.user)
	sh.mu.Lock()
	d.lined = false
	switch {
	case d.holds > 0: // looked at when they are over
		sh.mu.Unlock()
		return false
	case t == nil || !capable(&t.Device) || s.closing.Load():
		s.rest(sh, d, true)
		return false
	}
	send := s.next(d, t)
	if send == nil {
		s.rest(sh, d, false)
		return false
	}
	d.sent, d.flow = true, t.Flow.ID
	sh.mu.Unlock()
	send()
	return true
}

// next makes the next request that a device is owed; nil when there is none. The
// shard's lock is held.
func (s *Service) next(d *device, t *registrar.Target) (send func()) {
	switch bye, g := d.owed(s.cfg.Groups.Of, s.memberOf(d.user)); {
	case g != nil:
		return s.invite(d, t, g)
	case bye != nil && bye.lost && !bye.renewed:
		return s.renew(d, t, bye)
	case bye != nil:
		return s.bye(d, t, bye)
	}
	return nil
}

// memberOf finds those groups that a user is in.
func (s *Service) memberOf(u store.UserID) func(store.GroupID) (*group.Snapshot, bool) {
	return func(id store.GroupID) (*group.Snapshot, bool) {
		g, ok := s.cfg.Groups.ByID(id)
		if ok {
			_, ok = g.Member(u)
		}
		return g, ok
	}
}

// rest ends the work for a device: everything is told, or it is away. It gives the
// shard's lock back.
func (s *Service) rest(sh *shard, d *device, away bool) {
	if away {
		d.dirty, d.todo = true, nil
	}
	then := d.then
	d.then = nil
	sh.tidy(d)
	sh.mu.Unlock()
	if then != nil {
		then()
	}
}

// hold keeps the focus from sending a device anything while a request of its own
// decides where it is.
func (s *Service) hold(t *registrar.Target) *device {
	sh := s.devices.of(t.User)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	d := sh.make(t.User, t.Device.ID)
	d.holds++
	return d
}

// release takes hold back.
func (s *Service) release(d *device) {
	sh := s.devices.of(d.user)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if d.holds--; d.dirty || d.then != nil || len(d.todo) > 0 {
		s.lineUp(d)
	}
	sh.tidy(d)
}

// came looks at the devices of a user who has become a member.
func (s *Service) came(u store.UserID, g store.GroupID) {
	targets := s.cfg.Locations.Lookup(u)
	sh := s.devices.of(u)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for i := range targets {
		if t := &targets[i]; capable(&t.Device) {
			sh.make(u, t.Device.ID)
		}
	}
	for _, d := range sh.users[u] {
		delete(d.trouble, g)
		d.dirty = true
		if reachable(targets, d.id) != nil {
			s.lineUp(d)
		}
	}
}

// went looks at the devices of a user who is no member any more.
func (s *Service) went(u store.UserID, g store.GroupID) {
	targets := s.cfg.Locations.Lookup(u)
	sh := s.devices.of(u)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, d := range sh.users[u] {
		delete(d.trouble, g)
		if r := d.rooms[g]; r != nil {
			r.leaving, d.dirty = true, true
			s.fresh.remove(stay{g, u, d.id})
			if reachable(targets, d.id) != nil {
				s.lineUp(d)
			}
		}
	}
}

// told tells who waits for it that a device has come into a room, or will not.
func (s *Service) told(u store.UserID, d store.DeviceID) {
	for _, fn := range s.joined {
		fn(u, d)
	}
}

package focus

import (
	"slices"

	"github.com/sparkleim/sparkle/store"
)

// Forget ends the rooms of a user whose account was removed or disabled, when none of
// his devices can be reached any more. Should he come back, they are invited anew.
func (s *Service) Forget(u store.UserID) {
	s.forgetWhere(u, func(*device) bool { return true })
}

// ForgetDevice ends the rooms of a device that was revoked.
func (s *Service) ForgetDevice(u store.UserID, id store.DeviceID) {
	s.forgetWhere(u, func(d *device) bool { return d.id == id })
}

func (s *Service) forgetWhere(u store.UserID, match func(*device) bool) {
	var then []func()
	sh := s.devices.of(u)
	sh.mu.Lock()
	for _, d := range slices.Clone(sh.users[u]) {
		if !match(d) {
			continue
		}
		if d.then != nil {
			then = append(then, d.then)
		}
		s.dismiss(d)
		sh.tidy(d)
	}
	sh.mu.Unlock()
	for _, fn := range then {
		fn()
	}
}

// dismiss takes a device out of its rooms, and what it is owed from it. The shard's
// lock is held.
func (s *Service) dismiss(d *device) {
	for id := range d.rooms {
		s.fresh.remove(stay{id, d.user, d.id})
		s.forget(d, id)
	}
	if d.sent { // nobody is there to answer
		s.over(d)
		d.tries++
	}
	d.trouble, d.todo, d.dirty, d.then = nil, nil, false, nil
}

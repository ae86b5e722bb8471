package chat

import (
	"slices"

	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/store"
)

// dispatch gives a committed message to everybody who gets it: the devices of
// the recipient and the sender's other ones.
func (s *Service) dispatch(it item, from, to *registrar.Resolved) {
	s.offer(it, to)
	if it.msg.From != it.msg.To && it.msg.Kind == store.KindText && s.cfg.OwnDevices == "thread" {
		s.offer(it, from)
	}
}

// offer gives a message to the devices of one user: straight from memory where
// the queue is up to date, as a reason to read the archive where there is none.
//
// Targets that were looked up before the commit are good enough where no queue
// exists: a device that registered since has made one.
func (s *Service) offer(it item, u *registrar.Resolved) {
	targets := u.Targets
	queues := s.devices.of(u.User.ID)
	if len(queues) > 1 || len(queues) == 1 && !it.written(queues[0].user, queues[0].id) {
		targets = s.cfg.Locations.Lookup(u.User.ID)
	}
	for _, d := range queues {
		switch {
		case it.written(d.user, d.id):
		case reachableTarget(targets, d.id) != nil:
			s.actWith(d, d.arrive(it, true), targets)
		default:
			s.act(d, d.arrive(it, false))
		}
	}
	for i := range targets {
		t := &targets[i]
		known := slices.ContainsFunc(queues, func(d *device) bool { return d.id == t.Device.ID })
		if t.Flow != nil && !known && !it.written(t.User, t.Device.ID) {
			s.Reachable(t.User, t.Device.ID)
		}
	}
}

// Wake makes the devices of a user that are there look into the archive. After
// a restart phones over UDP are reachable before they register again.
func (s *Service) Wake(u store.UserID) {
	if s.closing.Load() {
		return
	}
	for _, t := range s.cfg.Locations.Lookup(u) {
		if t.Flow != nil {
			d := s.devices.find(t.User, t.Device.ID)
			s.act(d, d.recheck())
		}
	}
}

// written tells whether the message was sent from that device.
func (it item) written(u store.UserID, d store.DeviceID) bool {
	return it.msg.From == u && it.msg.FromDevice == d
}

// pass sends a message that is not kept to the devices of a user that are there
// and show it, once, whatever becomes of it.
func (s *Service) pass(to *store.User, targets []registrar.Target, it item) {
	var done []store.DeviceID
	for i := range targets {
		t := &targets[i]
		if t.Flow == nil || slices.Contains(done, t.Device.ID) || it.written(to.ID, t.Device.ID) {
			continue
		}
		done = append(done, t.Device.ID)
		a := attempt{item: it, how: s.words.render(it.msg, abilityOf(&t.Device), false, false)}
		if a.how.skip || it.msg.Kind != store.KindText && a.how.name == asText {
			continue
		}
		s.cfg.Transactions.Send(s.outgoing(&a, t, false), t.Flow, ignore)
	}
}

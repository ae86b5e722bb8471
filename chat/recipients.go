package chat

import (
	"slices"

	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/store"
)

// dispatch gives a committed message to everybody who gets it: the devices of
// the recipient and the sender's other ones.
func (s *Service) dispatch(it *item, from, to *registrar.Resolved) {
	s.offer(it, to)
	if it.msg.From != it.msg.To && it.msg.Kind == store.KindText && s.cfg.OwnDevices == "thread" {
		s.offer(it, from)
	}
}

// offer gives a message to the devices of one user.
//
// Targets that were looked up before the commit are good enough where no queue
// exists: a device that registered since has made one.
func (s *Service) offer(it *item, u *registrar.Resolved) {
	targets := u.Targets
	queues := s.devices.of(u.User.ID)
	if len(queues) > 1 || len(queues) == 1 && !it.written(queues[0].user, queues[0].id) {
		targets = s.cfg.Locations.Lookup(u.User.ID)
	}
	s.give(it, queues, targets)
}

// give hands a message to devices: straight from memory where the queue is up to
// date, as a reason to read the archive where there is none.
func (s *Service) give(it *item, queues []*device, targets []registrar.Target) {
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
		if t.Flow != nil && !hasQueue(queues, t.Device.ID) && !it.written(t.User, t.Device.ID) {
			s.Reachable(t.User, t.Device.ID)
		}
	}
}

func hasQueue(queues []*device, id store.DeviceID) bool {
	return slices.ContainsFunc(queues, func(d *device) bool { return d.id == id })
}

// Wake makes the devices of a user look into the archive. After a restart phones
// over UDP are reachable before they register again.
func (s *Service) Wake(u store.UserID) {
	if s.closing.Load() {
		return
	}
	queues := s.devices.of(u)
	for _, d := range queues {
		s.act(d, d.recheck())
	}
	for _, t := range s.cfg.Locations.Lookup(u) {
		if t.Flow != nil && !hasQueue(queues, t.Device.ID) {
			s.Reachable(t.User, t.Device.ID)
		}
	}
}

// pass sends a message that is not kept to the devices of a user that are there
// and show it, once, whatever becomes of it.
func (s *Service) pass(it *item, targets []registrar.Target) {
	var done []store.DeviceID
	for i := range targets {
		t := &targets[i]
		if t.Flow == nil || slices.Contains(done, t.Device.ID) || it.written(t.User, t.Device.ID) {
			continue
		}
		done = append(done, t.Device.ID)
		if req := s.transient(it, t); req != nil {
			s.cfg.Transactions.Send(req, t.Flow, ignore)
		}
	}
}

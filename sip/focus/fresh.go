package focus

import (
	"sync"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// freshTime is how long the messages of a group wait for a client that has just come
// into its room and does not ask who is in it.
const freshTime = 5 * time.Second

// stay is a device in the room of a group.
type stay struct {
	group  store.GroupID
	user   store.UserID
	device store.DeviceID
}

// fresh are the devices that have come into a room and have not confirmed yet who is
// in it. A client keeps the room from then on: liblinphone shows what it is sent
// before, and forgets it.
type fresh struct {
	mu     sync.Mutex
	closed bool
	stays  map[stay]*time.Timer
}

// add notes that a device has come; over is called when it does not confirm.
func (f *fresh) add(in stay, over func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.stays[in] != nil {
		return
	}
	if f.stays == nil {
		f.stays = map[stay]*time.Timer{}
	}
	f.stays[in] = time.AfterFunc(freshTime, over)
}

// remove tells whether the device was still waited for.
func (f *fresh) remove(in stay) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	timer := f.stays[in]
	if timer == nil {
		return false
	}
	timer.Stop()
	delete(f.stays, in)
	return true
}

func (f *fresh) has(in stay) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stays[in] != nil
}

func (f *fresh) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, timer := range f.stays {
		timer.Stop()
	}
	f.stays = nil
}

// arrived lets the messages of a group wait until a device that has come into its
// room knows who is in it.
func (s *Service) arrived(r *room) {
	in := stay{r.Group, r.User, r.Device}
	s.fresh.add(in, func() { s.settled(in) })
}

// settled lets them go.
func (s *Service) settled(in stay) {
	if s.fresh.remove(in) {
		s.told(in.user, in.device)
	}
}

// Confirmed implements event.Confirmer.
func (s *Service) Confirmed(u store.UserID, d store.DeviceID, resource string) {
	if g := s.watched(u, resource); g != nil {
		s.settled(stay{g.ID, u, d})
	}
}

package focus

import (
	"slices"
	"strings"
	"sync"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/store"
)

// Standing is what a device is to a group.
type Standing int8

const (
	Outside Standing = iota // shows no rooms, or refused: text with the writer's name
	Joining                 // an INVITE is under way or owed, or it does not know yet who is in the room: messages wait
	Inside
)

// room is a device in the room of a group.
type room struct {
	store.RoomDevice
	name    string // user part of the group's address
	leaving bool   // its user is no member any more: a BYE is owed
	lost    bool   // the device knows nothing of the dialog: it is invited again, only to be told BYE
	renewed bool   // that was done
}

// trouble is why a device that should be in a room is not.
type trouble struct {
	failures int  // in a row
	final    bool // refused: not before it registers anew
	pause    bool // not before its next REGISTER
}

// device is what the focus knows of one device that shows rooms. It exists from
// the first time that it is in a room, or should be. Everything in it belongs to
// its shard's lock.
type device struct {
	user store.UserID
	id   store.DeviceID

	rooms   map[store.GroupID]*room
	trouble map[store.GroupID]*trouble

	flow  uint64          // by which it was seen last
	todo  []store.GroupID // may be owed something
	dirty bool            // todo must be worked out anew
	lined bool            // it stands in the line
	sent  bool            // a request is under way
	tries int             // requests that were sent: an answer to any but the last comes too late
	holds int             // INVITEs of its own that are being served: nothing is sent meanwhile
	then  func()          // to be called when nothing is under way any more
}

// capable tells whether a device shows rooms. One without an instance has no GRUU.
func capable(d *store.Device) bool {
	return strings.Contains(d.Specs, "groupchat") && !strings.HasPrefix(d.Instance, "contact:")
}

// quiet tells whether nothing is owed to the device, as far as is known.
func (d *device) quiet() bool {
	return !d.dirty && !d.lined && !d.sent && d.holds == 0 && len(d.todo)+len(d.trouble) == 0
}

// seen notes the flow by which the device is there now. A new one means that it
// registered anew: who refused is asked again, and who did not answer by another
// flow will not do it any more.
func (d *device) seen(flow uint64) (anew bool) {
	anew = d.flow != 0 && d.flow != flow
	d.flow = flow
	for g, t := range d.trouble {
		if t.pause = false; anew {
			delete(d.trouble, g)
		}
	}
	d.dirty = true
	return anew
}

// refused tells whether the device will not come into a room of its own will.
func (d *device) refused(g store.GroupID) bool {
	t := d.trouble[g]
	return t != nil && t.final
}

// owed is the next thing that the device must be told: a BYE in a room, or an
// INVITE to a group; neither when there is nothing. member tells the groups of its
// user.
func (d *device) owed(of func(store.UserID) []*group.Snapshot, member func(store.GroupID) (*group.Snapshot, bool)) (bye *room, invite *group.Snapshot) {
	if d.dirty {
		d.dirty, d.todo = false, d.todo[:0]
		for id, r := range d.rooms {
			if r.leaving {
				d.todo = append(d.todo, id)
			}
		}
		slices.Sort(d.todo)
		for _, g := range of(d.user) {
			d.todo = append(d.todo, g.ID)
		}
	}
	for len(d.todo) > 0 {
		id := d.todo[0]
		d.todo = d.todo[1:]
		r, t := d.rooms[id], d.trouble[id]
		g, is := member(id)
		switch {
		case is && (r == nil || r.leaving) && (t == nil || !t.final && !t.pause):
			return nil, g
		case !is && r != nil:
			r.leaving = true
			return r, nil
		}
	}
	d.todo = nil
	return nil, nil
}

// failed notes that an INVITE was not accepted.
func (d *device) failed(g store.GroupID, final bool) *trouble {
	t := d.trouble[g]
	if t == nil {
		t = &trouble{}
		if d.trouble == nil {
			d.trouble = map[store.GroupID]*trouble{}
		}
		d.trouble[g] = t
	}
	t.failures++
	t.pause = true
	t.final = final || t.failures >= maxFailures
	return t
}

// maxFailures is how often a device may fail to answer an INVITE before its
// messages wait no longer for it.
const maxFailures = 3

// put makes the device be in a room.
func (d *device) put(r *room) {
	if d.rooms == nil {
		d.rooms = map[store.GroupID]*room{}
	}
	d.rooms[r.Group] = r
	delete(d.trouble, r.Group)
}

// devices finds devices by their users.
type devices struct{ shards [64]shard }

type shard struct {
	mu    sync.Mutex
	users map[store.UserID][]*device
}

func (ds *devices) of(u store.UserID) *shard { return &ds.shards[uint64(u)%uint64(len(ds.shards))] }

// in tells whether a device of a user is in the room of a group.
func (ds *devices) in(u store.UserID, g store.GroupID) bool {
	sh := ds.of(u)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return slices.ContainsFunc(sh.users[u], func(d *device) bool { return d.rooms[g] != nil })
}

// find returns a device, nil when there is none. The lock is held.
func (sh *shard) find(u store.UserID, id store.DeviceID) *device {
	for _, d := range sh.users[u] {
		if d.id == id {
			return d
		}
	}
	return nil
}

// make returns a device, a new one that is to be looked at when there was none.
// The lock is held.
func (sh *shard) make(u store.UserID, id store.DeviceID) *device {
	if d := sh.find(u, id); d != nil {
		return d
	}
	d := &device{user: u, id: id, dirty: true}
	if sh.users == nil {
		sh.users = map[store.UserID][]*device{}
	}
	sh.users[u] = append(sh.users[u], d)
	return d
}

// tidy forgets a device of which there is nothing to remember. The lock is held.
func (sh *shard) tidy(d *device) {
	if !d.quiet() || len(d.rooms) > 0 {
		return
	}
	rest := slices.DeleteFunc(sh.users[d.user], func(o *device) bool { return o == d })
	if len(rest) == 0 {
		delete(sh.users, d.user)
		return
	}
	sh.users[d.user] = rest
}

// reachable returns the best target of a device that can be reached now.
func reachable(targets []registrar.Target, id store.DeviceID) *registrar.Target {
	for i := range targets {
		if targets[i].Device.ID == id && targets[i].Flow != nil {
			return &targets[i]
		}
	}
	return nil
}

// Standing tells what a device is to a group. A user who is no member has nothing
// to wait for: what he is owed from before goes to the room that his device shows
// still, or has shown. Standing does not block.
func (s *Service) Standing(g store.GroupID, d *store.Device) Standing {
	if !capable(d) {
		return Outside
	}
	if _, member := s.memberOf(d.User)(g); !member {
		return Inside
	}
	sh := s.devices.of(d.User)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	known := sh.find(d.User, d.ID)
	switch {
	case known == nil:
		return Joining
	case known.rooms[g] != nil && !s.fresh.has(stay{g, d.User, d.ID}):
		return Inside
	case known.refused(g):
		return Outside
	}
	return Joining
}

package chat

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/cache"
)

// device is the queue of one device with what it takes to run it. It exists
// from the first time the device is seen reachable until a while after it is
// gone; having none means that the archive must be asked first.
type device struct {
	user store.UserID
	id   store.DeviceID

	mu    sync.Mutex
	queue queue
	gone  bool // forgotten by the table: not to be used
	timer *time.Timer
	flow  uint64 // by which a request is under way, 0 for none
	sends int    // requests sent; an answer to any but the last comes too late

	// Whoever runs the action that the queue has given owns these: the queue
	// gives one action at a time.
	attempt attempt
	learned *ability // what it showed to be able to, against its registration
	poison  poison
	started bool // its cursors exist

	impatient atomic.Bool // messages wait for no room until it registers or joins one
}

// attempt is the delivery of the head of the queue, over one flow after another.
type attempt struct {
	*item
	how   *rendering
	tried []uint64 // flows that did not lead to the device
	text  bool     // the device could not show the original
}

// poison counts how often in a row one message was answered by 5xx or by the
// end of the connection. A phone that dies of a message must get the next one
// some day; silence, on the other hand, says nothing of the message.
type poison struct {
	gid   int64
	times int
}

// What a message that a device dies of is worth.
const (
	poisonAsText = 5  // times, after which it is sent as text
	poisonEnough = 10 // times, after which it is passed over
)

func (p *poison) count(gid int64) {
	if p.gid != gid {
		*p = poison{gid: gid}
	}
	p.times++
}

// suspects tells whether the device should not see the original again.
func (p *poison) suspects(gid int64) bool { return p.gid == gid && p.times >= poisonAsText }

func (p *poison) enough() bool { return p.times >= poisonEnough }

// The events of queue, under the lock.

func (d *device) arrive(it *item, reachable bool) action {
	return d.step(func(q *queue) action { return q.arrive(it, reachable) })
}

func (d *device) drained(page []*item, err error) action {
	return d.step(func(q *queue) action { return q.drained(page, err) })
}

func (d *device) settle(o outcome) action {
	return d.step(func(q *queue) action { return q.settle(o) })
}

func (d *device) recheck() action { return d.step((*queue).recheck) }
func (d *device) retry() action   { return d.step((*queue).retry) }

// joined tells that the device has come into a room that it was invited to, or
// will not: what waits for that can go on.
func (d *device) joined() action {
	return d.step(func(q *queue) action {
		d.impatient.Store(false)
		return q.reachable()
	})
}

// tired tells that a room has been waited for long enough.
func (d *device) tired() action {
	return d.step(func(q *queue) action {
		gaveUp, act := q.tired()
		if gaveUp {
			d.impatient.Store(true)
		}
		return act
	})
}

// reachable is a REGISTER. What is under way by a flow that is no longer the
// device's (a phone that changed its network leaves dead connections behind)
// is given up and sent again, not waited for.
func (d *device) reachable(bound func(flow uint64) bool) action {
	return d.step(func(q *queue) action {
		d.impatient.Store(false)
		act := q.reachable()
		if d.flow != 0 && !bound(d.flow) {
			d.flow = 0
			d.sends++
			act = q.settle(later)
		}
		return act
	})
}

// sending notes a request that goes out and returns its number.
func (d *device) sending(flow uint64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flow = flow
	d.sends++
	return d.sends
}

// answer takes the final answer to request n. false when nobody waits for it
// any more; otherwise the caller now owns the attempt. flow is where it went.
func (d *device) answer(n int) (flow uint64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n != d.sends || d.flow == 0 {
		return 0, false
	}
	flow, d.flow = d.flow, 0
	return flow, true
}

func (d *device) step(event func(*queue) action) action {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return actNothing
	}
	act := event(&d.queue)
	switch {
	case act == actSend:
		d.attempt = attempt{item: d.queue.backlog[0]}
	case !d.queue.busy:
		d.attempt = attempt{} // an idle device keeps no message alive
	}
	return act
}

// pauseThen calls retry after the pause the queue has set. One timer a device
// that waits, none for one that does not.
func (d *device) pauseThen(retry func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer = time.AfterFunc(d.queue.pause, retry)
}

// shards spread the lock of the table.
const shards = 64

// devices is the table of device queues, by user: a message for a user must
// find every queue, also that of a device whose binding has ended.
type devices struct {
	known cache.UserSet // who has a queue
	shard [shards]struct {
		sync.Mutex
		users map[store.UserID][]*device // slices are replaced, never changed
	}
}

// of returns the queues of a user.
func (t *devices) of(u store.UserID) []*device {
	if !t.known.MayHave(u) { // most members of a large group
		return nil
	}
	s := &t.shard[uint64(u)%shards]
	s.Lock()
	defer s.Unlock()
	return s.users[u]
}

// find returns the queue of a device, made when there is none.
func (t *devices) find(u store.UserID, id store.DeviceID) *device {
	s := &t.shard[uint64(u)%shards]
	s.Lock()
	defer s.Unlock()
	for _, d := range s.users[u] {
		if d.id == id {
			return d
		}
	}
	if s.users == nil {
		s.users = make(map[store.UserID][]*device)
	}
	d := &device{user: u, id: id, queue: queue{more: true}}
	s.users[u] = append(slices.Clip(s.users[u]), d)
	t.known.Add(u)
	return d
}

// sweep forgets the idle queues of one shard whose device cannot be reached.
func (t *devices) sweep(i int, reachable func(store.UserID, store.DeviceID) bool) {
	s := &t.shard[i%shards]
	s.Lock()
	defer s.Unlock()
	for u, list := range s.users {
		keep := slices.DeleteFunc(slices.Clone(list), func(d *device) bool {
			return !reachable(u, d.id) && d.forget()
		})
		switch len(keep) {
		case len(list):
		case 0:
			delete(s.users, u)
			t.known.Remove(u)
		default:
			s.users[u] = keep
		}
	}
}

// forget marks the queue unusable unless something is under way.
func (d *device) forget() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.queue.idle() {
		return false
	}
	d.gone = true
	if d.timer != nil {
		d.timer.Stop()
	}
	return true
}

// stop ends every queue and its timer.
func (t *devices) stop() {
	for i := range t.shard {
		s := &t.shard[i]
		s.Lock()
		for _, list := range s.users {
			for _, d := range list {
				d.mu.Lock()
				d.gone = true
				if d.timer != nil {
					d.timer.Stop()
				}
				d.mu.Unlock()
			}
		}
		s.users = nil
		s.Unlock()
	}
}

// len counts the queues.
func (t *devices) len() int {
	n := 0
	for i := range t.shard {
		s := &t.shard[i]
		s.Lock()
		for _, list := range s.users {
			n += len(list)
		}
		s.Unlock()
	}
	return n
}

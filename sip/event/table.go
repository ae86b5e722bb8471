package event

import (
	"container/heap"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// dialogKey names a dialog: one subscription at most.
type dialogKey struct{ callID, localTag, remoteTag string }

// topic is what one can be subscribed to.
type topic struct{ pkg, resource string }

type deviceKey struct {
	user store.UserID
	id   store.DeviceID
}

// idle is how long the expiry sleeps when there is nothing to expire.
const idle = time.Hour

// table finds subscriptions by their dialog, their device, what they are about,
// and the time at which they expire.
type table struct {
	sooner chan struct{} // the next expiry is earlier than it was

	mu      sync.Mutex
	dialogs map[dialogKey]*subscription
	devices map[deviceKey][]*subscription // slices are replaced, never changed
	topics  map[topic]map[*subscription]struct{}
	expiry  deadlines
}

// entry is what the table keeps in a subscription; the table's lock guards it.
type entry struct {
	about    []string // the resources by which it is found
	deadline time.Time
	place    int // in the heap, -1 when it is not there
}

func (t *table) init() {
	t.sooner = make(chan struct{}, 1)
	t.dialogs = make(map[dialogKey]*subscription)
	t.devices = make(map[deviceKey][]*subscription)
	t.topics = make(map[topic]map[*subscription]struct{})
}

// add takes a new subscription, whose fields nobody else changes yet; false when its
// dialog is there already.
func (t *table) add(s *subscription) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dialogs[s.dialog()] != nil {
		return false
	}
	t.dialogs[s.dialog()] = s
	t.devices[s.device()] = append(slices.Clip(t.devices[s.device()]), s)
	s.place = -1
	t.set(s, s.resources(), s.Expires)
	return true
}

// update follows a refresh: other resources, another time of expiry. It does
// nothing to a subscription that was removed.
func (t *table) update(s *subscription, about []string, expires time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dialogs[s.dialog()] == s {
		t.set(s, about, expires)
	}
}

// remove forgets a subscription; false when it was forgotten before.
func (t *table) remove(s *subscription) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dialogs[s.dialog()] != s {
		return false
	}
	delete(t.dialogs, s.dialog())
	rest := slices.DeleteFunc(slices.Clone(t.devices[s.device()]), func(o *subscription) bool { return o == s })
	if len(rest) == 0 {
		delete(t.devices, s.device())
	} else {
		t.devices[s.device()] = rest
	}
	t.watch(s, nil)
	if s.place >= 0 {
		heap.Remove(&t.expiry, s.place)
	}
	return true
}

func (t *table) set(s *subscription, about []string, deadline time.Time) {
	t.watch(s, about)
	s.deadline = deadline
	if s.place < 0 {
		heap.Push(&t.expiry, s)
	} else {
		heap.Fix(&t.expiry, s.place)
	}
	if s.place == 0 {
		select {
		case t.sooner <- struct{}{}:
		default:
		}
	}
}

// watch makes s be found by these resources and no others.
func (t *table) watch(s *subscription, about []string) {
	if slices.Equal(s.about, about) {
		return
	}
	for _, resource := range s.about {
		key := topic{s.Package, resource}
		delete(t.topics[key], s)
		if len(t.topics[key]) == 0 {
			delete(t.topics, key)
		}
	}
	s.about = about
	for _, resource := range about {
		key := topic{s.Package, resource}
		if t.topics[key] == nil {
			t.topics[key] = make(map[*subscription]struct{})
		}
		t.topics[key][s] = struct{}{}
	}
}

// find returns the subscription of a dialog, nil when there is none.
func (t *table) find(k dialogKey) *subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dialogs[k]
}

// of returns the subscriptions of a device.
func (t *table) of(k deviceKey) []*subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.devices[k]
}

// ofUser returns the subscriptions of all devices of a user.
func (t *table) ofUser(u store.UserID) (list []*subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, own := range t.devices {
		if key.user == u {
			list = append(list, own...)
		}
	}
	return list
}

// watching returns those that are about something.
func (t *table) watching(k topic) []*subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*subscription, 0, len(t.topics[k]))
	for s := range t.topics[k] {
		list = append(list, s)
	}
	return list
}

// all returns every subscription.
func (t *table) all() []*subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.dialogs))
}

// due takes away those whose time has come, and tells how long it is until the next.
func (t *table) due(now time.Time) (list []*subscription, next time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.expiry) > 0 {
		if wait := t.expiry[0].deadline.Sub(now); wait > 0 {
			return list, wait
		}
		list = append(list, heap.Pop(&t.expiry).(*subscription))
	}
	return list, idle
}

func (t *table) len() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return float64(len(t.dialogs))
}

// deadlines is a heap, the earliest first.
type deadlines []*subscription

func (h deadlines) Len() int           { return len(h) }
func (h deadlines) Less(i, j int) bool { return h[i].deadline.Before(h[j].deadline) }
func (h deadlines) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *deadlines) Push(x any) {
	s := x.(*subscription)
	s.place = len(*h)
	*h = append(*h, s)
}

func (h *deadlines) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	s.place = -1
	return s
}

package sqldb

import (
	"slices"
	"sync"

	"github.com/sparkleim/sparkle/store"
)

const (
	maxActivity = 1 << 18 // conversations remembered over all users
	maxMarks    = 1 << 20 // devices whose mark is remembered
)

// convEnd is the end of a conversation as readers know it.
type convEnd struct {
	conv store.ConversationID
	seq  int64
	gid  int64
}

// activity tells without a query whether a device has something pending. The
// writer publishes, readers ask.
type activity struct {
	mu      sync.Mutex
	since   int64 // everything newer than this gid is in users; what is older is in the conversation table
	newest  int64 // gid of the newest committed message
	users   map[store.UserID][]convEnd
	entries int                      // over all users
	marks   map[store.DeviceID]int64 // nothing at or below this gid is owed to the device
}

func newActivity(newest int64) *activity {
	return &activity{
		since: newest, newest: newest,
		users: make(map[store.UserID][]convEnd),
		marks: make(map[store.DeviceID]int64),
	}
}

// publish adds the conversations that a commit moved.
func (a *activity) publish(moved []*head, newest int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.newest = newest
	for _, h := range moved {
		for _, u := range h.receivers {
			if u != 0 {
				a.put(u, convEnd{h.conv, h.seq, h.gid})
			}
		}
	}
}

// put keeps the ends of a user in the order of their gids.
func (a *activity) put(u store.UserID, end convEnd) {
	ends := a.users[u]
	i := len(ends) - 1
	for i >= 0 && ends[i].conv != end.conv {
		i--
	}
	if i >= 0 {
		ends = slices.Delete(ends, i, i+1)
	} else {
		a.entries++
	}
	i = len(ends)
	for i > 0 && ends[i-1].gid > end.gid {
		i--
	}
	a.users[u] = slices.Insert(ends, i, end)
}

// full tells that it is time to save the heads and to forget.
func (a *activity) full() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.entries >= maxActivity
}

// reset forgets; the conversation table must be up to date.
func (a *activity) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.since = a.newest
	a.users = make(map[store.UserID][]convEnd)
	a.entries = 0
}

// after returns the user's conversations with messages newer than gid, as far
// as they are known, whether that is all of them, and the newest gid of all.
func (a *activity) after(u store.UserID, gid int64) (ends []convEnd, complete bool, newest int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.users[u]
	i := len(all)
	for i > 0 && all[i-1].gid > gid {
		i--
	}
	return slices.Clone(all[i:]), gid >= a.since, a.newest
}

func (a *activity) mark(d store.DeviceID) (gid int64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	gid, ok = a.marks[d]
	return gid, ok
}

// raise moves the mark of a device forward.
func (a *activity) raise(d store.DeviceID, gid int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.marks) >= maxMarks {
		clear(a.marks) // they are found again one by one
	}
	a.marks[d] = max(a.marks[d], gid)
}

func (a *activity) newestGID() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newest
}

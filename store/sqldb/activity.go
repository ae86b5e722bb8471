package sqldb

import (
	"slices"
	"sync"

	"github.com/sparkleim/sparkle/store"
)

const (
	maxActivity = 1 << 18 // conversations remembered over all users
	maxMarks    = 1 << 20 // devices whose mark is remembered
	maxMembers  = 1 << 17 // users whose groups are remembered
)

// convEnd is the end of a conversation as readers know it.
type convEnd struct {
	conv  store.ConversationID
	after int64 // what is not after this seq is not the user's to see
	seq   int64
	gid   int64
	kind  convKind
}

// replay is what a device is owed of a conversation although it is older than
// the device, or than its user in the group: the messages from one seq to
// another.
type replay struct {
	device   store.DeviceID
	conv     store.ConversationID
	from, to int64
}

// changes is what a transaction did that readers know from memory, beside the
// messages.
type changes struct {
	members []store.UserID // who came into a group or left one
	users   []store.UserID // who has decided something about a conversation; for watchers
	replays []replay
}

// activity tells without a query whether a device has something pending. The
// writer publishes, readers ask.
//
// The conversations of two are known by user. Of a group only its end is known,
// once; a user finds it through the windows in which he sees the group, so that
// a message costs the same whatever the size of the group.
type activity struct {
	mu      sync.Mutex
	since   int64 // everything newer than this gid is in users; what is older is in the conversation table
	newest  int64 // gid of the newest committed message
	stamp   int64 // the last gid that was given out at the last commit, to a message or to a change of state
	users   map[store.UserID][]convEnd
	entries int                      // over all users
	marks   map[store.DeviceID]int64 // nothing at or below this gid is owed to the device, but what is in replays
	groups  map[store.ConversationID]convEnd
	members map[store.UserID][]window
	joins   int // how often members has lost somebody; see putWindows
	replays map[store.DeviceID][]replay
}

func newActivity(newest int64) *activity {
	return &activity{
		since: newest, newest: newest, stamp: newest,
		users:   make(map[store.UserID][]convEnd),
		marks:   make(map[store.DeviceID]int64),
		groups:  make(map[store.ConversationID]convEnd),
		members: make(map[store.UserID][]window),
		replays: make(map[store.DeviceID][]replay),
	}
}

// publish adds what a commit did.
func (a *activity) publish(moved []*head, ch changes, newest, stamp int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.newest, a.stamp = newest, stamp
	for _, u := range ch.members {
		delete(a.members, u)
		a.joins++
	}
	for _, r := range ch.replays {
		a.putReplay(r)
	}
	for _, h := range moved {
		if h.key.kind == convGroup {
			a.groups[h.conv] = convEnd{conv: h.conv, seq: h.seq, gid: h.gid, kind: convGroup}
		}
		for _, u := range h.receivers {
			if u != 0 {
				a.put(u, convEnd{conv: h.conv, seq: h.seq, gid: h.gid, kind: h.key.kind})
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

// outlook is what a device may find pending, at one moment.
type outlook struct {
	floor    int64 // nothing at or below it is owed, but what is in replays
	two      []convEnd
	complete bool // two has all conversations that go on after floor
	groups   []convEnd
	replays  []replay
	newest   int64 // gid of all
}

func (o *outlook) empty() bool {
	return o.complete && len(o.two) == 0 && len(o.groups) == 0 && len(o.replays) == 0
}

// outlook looks for a device of the user at what is newer than floor. It is not
// known while the windows of the user are not.
func (a *activity) outlook(u store.UserID, d store.DeviceID, floor int64) (o outlook, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	windows, known := a.members[u]
	if !known {
		return outlook{}, false
	}
	all := a.users[u]
	i := len(all)
	for i > 0 && all[i-1].gid > floor {
		i--
	}
	o = outlook{floor: floor, two: slices.Clone(all[i:]), complete: floor >= a.since, newest: a.newest}
	for i := range windows {
		if end, ok := a.endIn(&windows[i]); ok && end.gid > floor {
			o.groups = append(o.groups, end)
		}
	}
	o.replays = slices.Clone(a.replays[d])
	return o, true
}

// endIn returns the end of a group as it is seen through a window; false when
// nothing is.
func (a *activity) endIn(w *window) (convEnd, bool) {
	if !w.open() {
		return convEnd{w.conv, w.after, w.to, w.toGID, convGroup}, w.to > w.after
	}
	end := a.groups[w.conv]
	end.after = w.after
	return end, end.seq > w.after
}

// putWindows remembers the windows of a user, read when joins was what it is
// given as; not if somebody's have changed since.
func (a *activity) putWindows(u store.UserID, ws []window, joins int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.joins != joins {
		return
	}
	if len(a.members) >= maxMembers {
		clear(a.members) // they are found again one by one
	}
	a.members[u] = ws
}

// windows returns those of a user, as far as they are known, and joins for
// putWindows.
func (a *activity) windows(u store.UserID) (ws []window, known bool, joins int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ws, known = a.members[u]
	return ws, known, a.joins
}

// views returns the user's conversations that changed after a stamp, as far as
// they are in memory, and the stamp of this moment. They are not known while the
// windows of the user are not.
func (a *activity) views(u store.UserID, since int64) (views []view, stamp int64, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	windows, known := a.members[u]
	if !known {
		return nil, 0, false
	}
	all := a.users[u]
	for i := len(all) - 1; i >= 0 && all[i].gid > since; i-- {
		if all[i].kind == convTwo {
			views = append(views, viewOfTwo(all[i]))
		}
	}
	for i := range windows {
		if i > 0 && windows[i-1].conv == windows[i].conv {
			continue
		}
		if v := a.viewOfGroup(windows[i:]); v.newest > since {
			views = append(views, v)
		}
	}
	return views, a.stamp, true
}

// viewOfGroup begins with the first of a user's windows into a group.
func (a *activity) viewOfGroup(windows []window) view {
	v := view{conv: windows[0].conv, kind: convGroup}
	for i := range windows {
		w := &windows[i]
		if w.conv != v.conv {
			break
		}
		v.left = !w.open()
		v.newest = max(v.newest, w.changed)
		if end, some := a.endIn(w); some {
			v.parts = append(v.parts, part{end.after, end.seq})
			v.newest = max(v.newest, end.gid)
		}
	}
	return v
}

// viewOf returns how a user sees a group, if he has ever been in it. That is not
// known while his windows are not.
func (a *activity) viewOf(u store.UserID, c store.ConversationID) (v view, seen, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	windows, known := a.members[u]
	i := slices.IndexFunc(windows, func(w window) bool { return w.conv == c })
	if i < 0 {
		return view{}, false, known
	}
	return a.viewOfGroup(windows[i:]), true, true
}

// endOf returns the end of one of the user's conversations with others, if it is
// in memory.
func (a *activity) endOf(u store.UserID, c store.ConversationID) (convEnd, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, end := range a.users[u] {
		if end.conv == c {
			return end, true
		}
	}
	return convEnd{}, false
}

// stamped returns the stamp of the last commit.
func (a *activity) stamped() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stamp
}

func (a *activity) putReplay(r replay) {
	list := a.replays[r.device]
	i := slices.IndexFunc(list, func(old replay) bool { return old.conv == r.conv })
	if i < 0 {
		a.replays[r.device] = append(list, r)
		return
	}
	list[i].from, list[i].to = min(list[i].from, r.from), max(list[i].to, r.to)
}

// dropReplay forgets a replay that is over, unless it has grown meanwhile.
func (a *activity) dropReplay(r replay) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.DeleteFunc(a.replays[r.device], func(old replay) bool { return old == r })
	if len(list) == 0 {
		delete(a.replays, r.device)
		return
	}
	a.replays[r.device] = list
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

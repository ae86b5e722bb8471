package group

import (
	"encoding/binary"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sparkleim/sparkle/store"
)

// entry is the place of a group in memory.
type entry struct {
	id       store.GroupID
	snapshot atomic.Pointer[Snapshot]
	// turn holds a token for whoever changes the group: one at a time, and no
	// other group waits for him.
	turn chan struct{}
	// doubtful: what is stored may be newer than snapshot. Only with the turn.
	doubtful bool
}

func newEntry(g *Snapshot) *entry {
	e := &entry{id: g.ID, turn: make(chan struct{}, 1)}
	e.snapshot.Store(g)
	return e
}

// index finds groups that are not dissolved. Reading takes no lock.
type index struct {
	ids           sync.Map // store.GroupID → *entry
	names         sync.Map // string → *entry
	conversations sync.Map // store.ConversationID → *entry
	users         sync.Map // store.UserID → []*entry, whose elements never change

	mu   sync.Mutex
	made map[store.UserID]int // groups by their creators, and those being made
	same map[string]*entry    // unnamed discussions and pairs by their members
}

func newIndex() *index {
	return &index{made: map[store.UserID]int{}, same: map[string]*entry{}}
}

// find looks something up in one of the maps.
func find(m *sync.Map, key any) *entry {
	v, _ := m.Load(key)
	e, _ := v.(*entry)
	return e
}

// all yields the groups, in no order.
func (x *index) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		x.ids.Range(func(_, e any) bool { return yield(e.(*entry)) })
	}
}

// of returns the groups of a user.
func (x *index) of(u store.UserID) []*entry {
	v, _ := x.users.Load(u)
	es, _ := v.([]*entry)
	return es
}

// add takes in a group. One that was reserved counts already.
func (x *index) add(e *entry, reserved bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	g := e.snapshot.Load()
	x.ids.Store(e.id, e)
	x.names.Store(g.Name, e)
	x.conversations.Store(g.Conversation, e)
	for _, m := range g.Members() {
		x.join(m.User, e)
	}
	if key := sameKey(g); key != "" {
		x.same[key] = e
	}
	if !reserved && counts(g) {
		x.made[g.CreatedBy]++
	}
}

// update follows a change of a group.
func (x *index) update(e *entry, before, after *Snapshot, came, gone []store.UserID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, u := range gone {
		x.leave(u, e)
	}
	if key := sameKey(before); key != "" && x.same[key] == e {
		delete(x.same, key)
	}
	if after.Dissolved != nil {
		x.remove(e, before)
		return
	}
	for _, u := range came {
		x.join(u, e)
	}
	if key := sameKey(after); key != "" {
		x.same[key] = e
	}
}

// remove forgets a dissolved group.
func (x *index) remove(e *entry, g *Snapshot) {
	x.ids.Delete(e.id)
	x.names.Delete(g.Name)
	x.conversations.Delete(g.Conversation)
	for _, m := range g.Members() {
		x.leave(m.User, e)
	}
	if counts(g) {
		x.release(g.CreatedBy)
	}
}

func (x *index) join(u store.UserID, e *entry) {
	if es := x.of(u); !slices.Contains(es, e) {
		x.users.Store(u, append(es, e)) // beyond what readers of es see
	}
}

func (x *index) leave(u store.UserID, e *entry) {
	es := slices.DeleteFunc(slices.Clone(x.of(u)), func(o *entry) bool { return o == e })
	if len(es) == 0 {
		x.users.Delete(u)
		return
	}
	x.users.Store(u, es)
}

// counts tells whether a group counts among those that its creator has made.
func counts(g *Snapshot) bool { return g.CreatedBy != 0 && g.Kind != store.GroupPair }

// reserve counts a group that a user is about to make; false when he has most.
func (x *index) reserve(u store.UserID, most int) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.made[u] >= most {
		return false
	}
	x.made[u]++
	return true
}

// unreserve takes reserve back.
func (x *index) unreserve(u store.UserID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.release(u)
}

func (x *index) release(u store.UserID) {
	if x.made[u]--; x.made[u] <= 0 {
		delete(x.made, u)
	}
}

// withMembers finds the group that stands for its members.
func (x *index) withMembers(key string) *entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.same[key]
}

// sameKey is what a group that stands for its members is found again by, "" for
// other groups.
func sameKey(g *Snapshot) string {
	if g.Kind != store.GroupPair && (g.Kind != store.GroupDiscussion || g.Subject != "") {
		return ""
	}
	users := make([]store.UserID, 0, g.Size())
	for _, m := range g.Members() {
		users = append(users, m.User)
	}
	return keyOf(g.Kind, users)
}

// keyOf is the key of a kind of group and its members, sorted.
func keyOf(kind store.GroupKind, users []store.UserID) string {
	b := append(make([]byte, 0, len(kind)+1+4*len(users)), kind...)
	for _, u := range users {
		b = binary.AppendUvarint(append(b, ' '), uint64(u))
	}
	return string(b)
}

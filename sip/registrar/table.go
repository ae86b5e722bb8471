package registrar

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/cache"
)

// shards spreads the locks of the location table.
const shards = 64

// table is the location table: records by user, and bindings by the flow they
// came by and by their Contact. A lock of an index is taken inside that of a
// shard, never the other way round.
type table struct {
	shards   [shards]shard
	present  cache.UserSet // who has a record
	flows    index
	contacts index
	seed     maphash.Seed
}

type shard struct {
	mu    sync.Mutex
	users map[store.UserID]*record
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].users = make(map[store.UserID]*record)
	}
	t.flows = index{heads: make(map[uint64]*binding), next: func(b *binding) **binding { return &b.nextFlow }}
	t.contacts = index{heads: make(map[uint64]*binding), next: func(b *binding) **binding { return &b.nextContact }}
	return t
}

// of returns the shard of a user.
func (t *table) of(u store.UserID) *shard { return &t.shards[uint64(u)%shards] }

// place is the key of a Contact in the index: its user, host and port.
func (t *table) place(u *sip.Uri) uint64 {
	return maphash.Comparable(t.seed, struct {
		user, host string
		port       int
	}{u.User, strings.ToLower(u.Host), u.Port})
}

// unlink takes b out of the indexes. The caller holds b's shard.
func (t *table) unlink(b *binding) {
	if b.flow != nil {
		t.flows.remove(b.flow.ID, b)
	}
	t.contacts.remove(b.place, b)
}

// drop ends a binding of rec. The caller holds the shard; rec stays, perhaps
// empty.
func (t *table) drop(rec *record, b *binding) {
	t.unlink(b)
	rec.changed()
	for i, other := range rec.bindings {
		if other == b {
			rec.bindings = append(rec.bindings[:i:i], rec.bindings[i+1:]...)
			return
		}
	}
}

// count returns the bindings that have not expired, and how many of them can
// be reached.
func (t *table) count(now time.Time) (live, reachable int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for _, rec := range s.users {
			for _, b := range rec.bindings {
				if !b.live(now) {
					continue
				}
				live++
				if b.reachable() {
					reachable++
				}
			}
		}
		s.mu.Unlock()
	}
	return live, reachable
}

// index finds bindings by a number. Those with the same number are chained
// through the bindings themselves, so that an entry costs two words.
type index struct {
	mu    sync.Mutex
	heads map[uint64]*binding
	next  func(*binding) **binding
}

func (x *index) add(key uint64, b *binding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for other := x.heads[key]; other != nil; other = *x.next(other) {
		if other == b {
			return
		}
	}
	*x.next(b) = x.heads[key]
	x.heads[key] = b
}

func (x *index) remove(key uint64, b *binding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	head := x.heads[key]
	for at := &head; *at != nil; at = x.next(*at) {
		if *at != b {
			continue
		}
		*at, *x.next(b) = *x.next(b), nil
		break
	}
	if head == nil {
		delete(x.heads, key)
	} else {
		x.heads[key] = head
	}
}

// users appends to us whose bindings are under key, each user once.
func (x *index) users(key uint64, us []store.UserID) []store.UserID {
	x.mu.Lock()
	defer x.mu.Unlock()
	for b := x.heads[key]; b != nil; b = *x.next(b) {
		if !slices.Contains(us, b.user) {
			us = append(us, b.user)
		}
	}
	return us
}

// take returns the bindings under key and removes them from the index.
func (x *index) take(key uint64) (bs []*binding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	b := x.heads[key]
	delete(x.heads, key)
	for b != nil {
		bs = append(bs, b)
		next := x.next(b)
		b, *next = *next, nil
	}
	return bs
}

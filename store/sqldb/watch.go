package sqldb

import (
	"sync"

	"github.com/sparkleim/sparkle/store"
)

// watchers are told after each commit whose lists it has changed.
type watchers struct {
	mu  sync.Mutex
	all []func(store.Changed)

	changed store.Changed // the writer's, used again for each commit
}

// Watch implements store.Conversations.
func (db *DB) Watch(fn func(store.Changed)) {
	db.watchers.mu.Lock()
	defer db.watchers.mu.Unlock()
	db.watchers.all = append(db.watchers.all, fn)
}

// tell is called by the writer when readers know what the commit did.
func (w *watchers) tell(moved []*head, ch *changes) {
	w.mu.Lock()
	all := w.all[:len(w.all):len(w.all)]
	w.mu.Unlock()
	if len(all) == 0 || len(moved)+len(ch.users)+len(ch.members) == 0 {
		return
	}
	c := &w.changed
	c.Users = append(append(c.Users[:0], ch.users...), ch.members...)
	c.Groups = c.Groups[:0]
	for _, h := range moved {
		switch h.key.kind {
		case convTwo:
			c.Users = append(c.Users, store.UserID(h.key.a), store.UserID(h.key.b))
		case convGroup:
			c.Groups = append(c.Groups, store.GroupID(h.key.a))
		case convReceipts: // they are in no list
		}
	}
	for _, fn := range all {
		fn(*c)
	}
}

// decided notes that a user has decided something about a conversation.
func (hs *heads) decided(u store.UserID) { hs.changed.users = append(hs.changed.users, u) }

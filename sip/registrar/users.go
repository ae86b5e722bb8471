package registrar

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/cache"
)

// Users finds accounts by username or number.
type Users interface {
	UserByAddress(ctx context.Context, user, domain string) (store.User, error)
	ListUsers(ctx context.Context, match string, after store.UserID, limit int) ([]store.User, error)
}

// Bounds of the user cache. A change of an account is told by ForgetUser; that
// an address begins to exist is noticed after missing at the latest.
const (
	cachedAddresses = 200_000
	keepUser        = 10 * time.Minute
	missing         = 5 * time.Second
)

// users answers from memory who an address of our domain belongs to: a username
// or a number.
type users struct {
	cache   *cache.Cache[string, *store.User]
	changed sync.Map // store.UserID → time.Time of the last change
}

func newUsers(from Users, domain string) *users {
	load := func(ctx context.Context, user string) (*store.User, error) {
		u, err := from.UserByAddress(ctx, user, domain)
		if err != nil {
			return nil, err
		}
		return &u, nil
	}
	return &users{cache: cache.New(cache.Config[string, *store.User]{
		Load: load, Size: cachedAddresses, Keep: keepUser, KeepNone: missing,
		Loads: 4, Queue: 4096, Timeout: 5 * time.Second,
	})}
}

// get returns the user of a user part, nil when there is none; ok is false when
// the store must be asked.
func (us *users) get(user string) (u *store.User, ok bool) {
	e, ok := us.cache.Get(user)
	if !ok || e.Value == nil {
		return nil, ok
	}
	if at, known := us.changed.Load(e.Value.ID); known && !e.At.After(at.(time.Time)) {
		return nil, false
	}
	return e.Value, true
}

// fetch asks the store; then gets what get would have returned, or an error
// that is not store.ErrNotFound.
func (us *users) fetch(user string, then func(*store.User, error)) error {
	return us.cache.Fetch(strings.Clone(user), then)
}

// forget makes what is remembered of a user old.
func (us *users) forget(id store.UserID) { us.changed.Store(id, time.Now()) }

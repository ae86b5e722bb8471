package group

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/sparkleim/sparkle/store"
)

// people remembers the names of users that groups have spoken of: some dozen
// bytes a user, never more users than there are.
type people struct {
	store Store
	names sync.Map // store.UserID → string
}

// load asks who somebody is, and remembers it.
func (p *people) load(ctx context.Context, id store.UserID) (store.User, error) {
	u, err := p.store.User(ctx, id)
	if err == nil {
		p.learn(u)
	}
	return u, err
}

// learn remembers a name.
func (p *people) learn(u store.User) {
	p.names.Store(u.ID, cmp.Or(u.DisplayName, u.Username))
}

// known is the name of a user as far as it is in memory; it does not block.
func (p *people) known(id store.UserID) string {
	name, _ := p.names.Load(id)
	s, _ := name.(string)
	return s
}

// name is the name of a user, "" when nobody knows it any more.
func (p *people) name(ctx context.Context, id store.UserID) string {
	if s := p.known(id); s != "" {
		return s
	}
	u, err := p.load(ctx, id)
	if err != nil {
		return ""
	}
	return cmp.Or(u.DisplayName, u.Username)
}

// present loads users and tells whether each of them has an account.
func (p *people) present(ctx context.Context, ids []store.UserID) (map[store.UserID]bool, error) {
	there := make(map[store.UserID]bool, len(ids))
	for _, id := range ids {
		if _, done := there[id]; done {
			continue
		}
		_, err := p.load(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		there[id] = err == nil
	}
	return there, nil
}

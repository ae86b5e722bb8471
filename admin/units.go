package admin

import (
	"context"
	"errors"

	"github.com/sparkleim/sparkle/store"
)

// Units is the tree of the organisation. Whoever changes it has the groups follow.
type Units interface {
	store.Units
}

// person finds a user who is named in a request. A name that is nobody's is a
// mistake in the request.
func (a *API) person(ctx context.Context, address string) (store.User, error) {
	u, err := a.Accounts.Find(ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		err = invalid("there is no user %q", address)
	}
	return u, err
}

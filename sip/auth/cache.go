package auth

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/cache"
)

// Bounds of the credential cache. A right answer may be checked against what
// was read up to keepCredential ago; a wrong one is given only after the store
// was asked within the last freshness, for users that exist and for users that
// do not. So neither a changed password nor the time of the answer tells more
// than the answer.
const (
	cachedUsers    = 200_000
	keepCredential = 10 * time.Minute
	freshness      = 5 * time.Second
	lookups        = 4
	waitingLookups = 4096
	lookupTimeout  = 5 * time.Second
)

// secret is what the store said of a username, ready to check against. Of a
// user who may not sign in it holds hashes that nobody can answer to.
type secret struct {
	ha1      hashes
	identity Identity     // zero when nobody may sign in with it
	user     store.UserID // whose account it depends on, 0 when there is none
	at       uint64       // the clock of changes before it was read
}

func (a *Authenticator) newCache() *cache.Cache[string, secret] {
	return cache.New(cache.Config[string, secret]{
		Load: a.loadSecret,
		Size: cachedUsers, Keep: keepCredential, KeepNone: keepCredential,
		Loads: lookups, Queue: waitingLookups, Timeout: lookupTimeout,
	})
}

// loadSecret reads the credential of a username. Who does not exist, is
// disabled or may not use an algorithm gets a hash made of our own secret: the
// same work is done with it, and no password matches it.
func (a *Authenticator) loadSecret(ctx context.Context, username string) (secret, error) {
	s := secret{ha1: a.unmatched(username), at: a.changes.now()}
	c, err := a.cfg.Credentials.Credential(ctx, username, a.cfg.Realm)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return s, nil
	case err != nil:
		return s, err
	}
	s.user = c.User
	if c.Disabled {
		return s, nil
	}
	if len(c.MD5) == md5.Size {
		s.ha1.md5 = [md5.Size]byte(c.MD5)
	}
	if len(c.SHA256) == sha256.Size {
		s.ha1.sha256 = [sha256.Size]byte(c.SHA256)
	}
	s.identity = Identity{User: c.User, Username: c.Username, Domain: c.Realm, Version: c.Version}
	return s, nil
}

// unmatched makes hashes that belong to no password.
func (a *Authenticator) unmatched(username string) (h hashes) {
	mac := hmac.New(sha256.New, a.unknownKey)
	mac.Write([]byte(username))
	mac.Sum(h.sha256[:0])
	mac.Write([]byte(MD5))
	copy(h.md5[:], mac.Sum(nil))
	return h
}

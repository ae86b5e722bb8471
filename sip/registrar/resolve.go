package registrar

import (
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Resolved is the answer of Resolve.
type Resolved struct {
	Found    bool
	User     store.User
	Targets  []Target
	Disabled bool
	Err      error // the store could not be asked: answer 503
}

// Resolve turns a URI of our domains into targets: an address-of-record into
// all of the user's, a GRUU into those of one device. found is false when
// there is no such user. It does not block: resume is called later when the
// user is not in the cache (ok false).
func (g *Registrar) Resolve(u *sip.Uri, resume func(Resolved)) (r Resolved, ok bool) {
	if !g.serves(u.Host) {
		return Resolved{}, true
	}
	d, err := g.gruuOf(u)
	if err != nil {
		return Resolved{}, true // RFC 5627 §5.4: 404 to a GRUU that is none
	}
	name := strings.ToLower(d.username) // usernames have one spelling
	if user, ok := g.users.get(name); ok {
		return g.resolved(user, d), true
	}
	err = g.users.fetch(name, func(user *store.User, err error) {
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			resume(Resolved{Err: err})
			return
		}
		resume(g.resolved(user, d))
	})
	if err != nil {
		return Resolved{Err: err}, true
	}
	return Resolved{}, false
}

// resolved is the answer once it is known whose address was asked for. A
// temporary GRUU that means no registration (any more) does not exist.
func (g *Registrar) resolved(user *store.User, d device) Resolved {
	if user == nil {
		return Resolved{}
	}
	if user.Disabled {
		return Resolved{Found: true, User: *user, Disabled: true}
	}
	targets := g.targets(user.ID, &d)
	if d.id != 0 && len(targets) == 0 {
		return Resolved{}
	}
	return Resolved{Found: true, User: *user, Targets: targets}
}

// userOf finds who an address-of-record belongs to and calls then, at once or,
// when beginWait allows it, later; nil means nobody.
func (g *Registrar) userOf(u *sip.Uri, beginWait func() bool, then func(*store.User, error)) {
	name := strings.ToLower(userPart(u))
	if user, ok := g.users.get(name); ok {
		then(user, nil)
		return
	}
	if !beginWait() {
		return
	}
	err := g.users.fetch(name, func(user *store.User, err error) {
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		then(user, err)
	})
	if err != nil {
		then(nil, err)
	}
}

// userPart is the user part of a URI without escapes.
func userPart(u *sip.Uri) string {
	if strings.IndexByte(u.User, '%') < 0 {
		return u.User
	}
	aor := wire.AOR(u)
	return aor[:strings.LastIndexByte(aor, '@')]
}

package call

import (
	"sync"

	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/store"
)

// deviceKind is what devices have in common that agree on keys alike: one user's
// devices of one program.
type deviceKind struct {
	user  store.UserID
	agent string
}

// keyings remembers what devices offered or answered last, so that the first
// offer to them is one that they take.
type keyings struct {
	mu    sync.Mutex
	known map[deviceKind]media.Keying
}

// maxKeyings bounds the memory, about 100 bytes each; beyond it any is forgotten.
const maxKeyings = 100_000

func (k *keyings) learn(d deviceKind, how media.Keying) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil {
		k.known = make(map[deviceKind]media.Keying)
	}
	if len(k.known) >= maxKeyings {
		for any := range k.known {
			delete(k.known, any)
			break
		}
	}
	k.known[d] = how
}

func (k *keyings) of(d deviceKind) (how media.Keying, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	how, ok = k.known[d]
	return how, ok
}

// refusals are the keyings that one device did not take in one call.
type refusals uint8

func (r refusals) has(k media.Keying) bool      { return r&(1<<k) != 0 }
func (r refusals) with(k media.Keying) refusals { return r | 1<<k }
func (r refusals) next(among []media.Keying) (media.Keying, bool) {
	for _, k := range among {
		if !r.has(k) {
			return k, true
		}
	}
	return 0, false
}

// possible lists the keyings that may be offered on a leg, the most likely first.
// Keys in the description are as secret as the signalling is (RFC 4568 §7), so
// without TLS there is only DTLS.
func possible(p *media.Profile, browser bool) []media.Keying {
	switch {
	case browser:
		return []media.Keying{media.DTLS} // RFC 8827 §6.5
	case p.SRTP == media.Forbid:
		return []media.Keying{media.Plain}
	case p.SRTP == media.Prefer && p.Secure:
		return []media.Keying{media.SDES, media.DTLS, media.Plain}
	case p.SRTP == media.Prefer:
		return []media.Keying{media.Plain, media.DTLS}
	case p.Secure:
		return []media.Keying{media.SDES, media.DTLS}
	}
	return []media.Keying{media.DTLS}
}

// choose picks what is offered to a device next; ok is false when it has refused
// everything.
func (k *keyings) choose(d deviceKind, p *media.Profile, browser bool, refused refusals) (media.Keying, bool) {
	all := possible(p, browser)
	if how, ok := k.of(d); ok && !refused.has(how) {
		for _, one := range all {
			if one == how {
				return how, true
			}
		}
	}
	return refused.next(all)
}

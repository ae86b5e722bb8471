package call

import (
	"slices"
	"sync"

	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/store"
)

// manner is one way to offer media to a device. Phones that insist on SRTP take
// only the secure profiles, those without it only the plain one, so a device that
// refuses is asked again in another manner.
type manner uint8

const (
	opportune  manner = iota // RTP/AVP with keys in it (RFC 8643): for carriers, who are asked once
	secureSDES               // RTP/SAVP with keys
	secureDTLS               // UDP/TLS/RTP/SAVP
	plain                    // RTP/AVP
)

// apply changes the profile of a leg so that its offers are in that manner.
func (m manner) apply(p *media.Profile) {
	switch m {
	case opportune:
		p.SRTP, p.Offer = media.Prefer, media.SDES
	case secureSDES:
		p.SRTP, p.Offer = media.Require, media.SDES
	case secureDTLS:
		p.SRTP, p.Offer = media.Require, media.DTLS
	case plain:
		p.Offer = media.Plain
	}
}

// mannerOf is how a device wants to be asked that offered or answered so itself.
func mannerOf(k media.Keying) manner {
	switch k {
	case media.SDES:
		return secureSDES
	case media.DTLS:
		return secureDTLS
	}
	return plain
}

// carrierManner is how the leg of a carrier is offered media.
func carrierManner(p *media.Profile) manner {
	switch {
	case p.SRTP == media.Forbid || p.SRTP == media.Prefer && !p.Secure:
		return plain
	case p.SRTP == media.Prefer:
		return opportune
	case p.Secure:
		return secureSDES
	}
	return secureDTLS
}

// manners lists how a user's device may be offered media, the encrypted ones
// first: some that could encrypt take RTP/AVP without the keys in it. Keys in the
// description are as secret as the signalling is (RFC 4568 §7), so without TLS
// there is only DTLS.
func manners(p *media.Profile, browser bool) []manner {
	switch {
	case browser:
		return []manner{secureDTLS} // RFC 8827 §6.5
	case p.SRTP == media.Prefer && p.Secure:
		return []manner{secureSDES, secureDTLS, plain}
	case p.SRTP == media.Prefer:
		return []manner{secureDTLS, plain}
	case p.Secure:
		return []manner{secureSDES, secureDTLS}
	}
	return []manner{secureDTLS}
}

// refusals are the manners that one device did not take in one call.
type refusals uint8

func (r refusals) has(m manner) bool      { return r&(1<<m) != 0 }
func (r refusals) with(m manner) refusals { return r | 1<<m }

// deviceKind is what devices have in common that agree on keys alike: one user's
// devices of one program.
type deviceKind struct {
	user  store.UserID
	agent string
}

// habits remembers what devices offered or took last, so that the first offer to
// them is one that they take.
type habits struct {
	mu    sync.Mutex
	known map[deviceKind]manner
}

// maxHabits bounds the memory, about 100 bytes each; beyond it any is forgotten.
const maxHabits = 100_000

func (h *habits) learn(d deviceKind, m manner) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil {
		h.known = make(map[deviceKind]manner)
	}
	if len(h.known) >= maxHabits {
		for some := range h.known {
			delete(h.known, some)
			break
		}
	}
	h.known[d] = m
}

// choose picks how a device is offered media next; ok is false when it has
// refused everything.
func (h *habits) choose(d deviceKind, p *media.Profile, browser bool, refused refusals) (m manner, ok bool) {
	all := manners(p, browser)
	h.mu.Lock()
	m, ok = h.known[d]
	h.mu.Unlock()
	if ok && !refused.has(m) && slices.Contains(all, m) {
		return m, true
	}
	for _, m := range all {
		if !refused.has(m) {
			return m, true
		}
	}
	return 0, false
}

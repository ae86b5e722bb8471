package auth

import (
	"crypto/x509"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// maxProofs bounds the accounts that one connection may speak for: a softphone
// with several accounts on this server uses one connection for all of them.
const maxProofs = 8

// proof is an identity that was proven on a flow, for requests with that From.
type proof struct {
	user, host string // of From
	identity   Identity
	at         uint64 // the clock of changes when the credential was read
}

// proofs is what auth keeps beside a flow. It is replaced, never changed.
type proofs []proof

// changes is a clock that ticks with every account that changed, and remembers
// when each user's did. It is what makes a proof old.
type changes struct {
	clock atomic.Uint64
	users sync.Map // store.UserID → uint64
}

// now is the time to note before a credential is read.
func (c *changes) now() uint64 { return c.clock.Load() }

// forget makes everything old that was read of u before.
func (c *changes) forget(u store.UserID) { c.users.Store(u, c.clock.Add(1)) }

// holds tells whether what was read of u at that time is still true.
func (c *changes) holds(u store.UserID, at uint64) bool {
	changed, ok := c.users.Load(u)
	return !ok || at >= changed.(uint64)
}

// keepsProof tells whether a flow may remember who it is: only where nobody
// else can speak on it.
func keepsProof(f *transport.Flow) bool { return f.Secure() }

// proven returns the identity that f has proved for requests with that From.
func (a *Authenticator) proven(f *transport.Flow, from *wire.NameAddr) (Identity, bool) {
	if !keepsProof(f) {
		return Identity{}, false
	}
	ps, _ := f.Value().(proofs)
	for i := range ps {
		p := &ps[i]
		if p.user == from.URI.User && strings.EqualFold(p.host, from.URI.Host) {
			return p.identity, a.changes.holds(p.identity.User, p.at)
		}
	}
	return Identity{}, false
}

// remember keeps beside f that it has proved id for that From. The oldest of
// too many proofs is dropped; its account is challenged again.
func (a *Authenticator) remember(f *transport.Flow, from *wire.NameAddr, id Identity, at uint64) {
	if !keepsProof(f) {
		return
	}
	p := proof{user: strings.Clone(from.URI.User), host: strings.Clone(from.URI.Host), identity: id, at: at}
	old, _ := f.Value().(proofs)
	ps := make(proofs, 0, len(old)+1)
	for _, q := range old {
		if q.user != p.user || !strings.EqualFold(q.host, p.host) {
			ps = append(ps, q)
		}
	}
	if len(ps) >= maxProofs {
		ps = ps[1:]
	}
	f.SetValue(append(ps, p))
}

// certified returns the username that a verified client certificate names, ""
// without such a certificate.
func (a *Authenticator) certified(f *transport.Flow) string {
	if !keepsProof(f) {
		return ""
	}
	state := f.TLS()
	if state == nil || len(state.VerifiedChains) == 0 || len(state.PeerCertificates) == 0 {
		return ""
	}
	return certificateUser(state.PeerCertificates[0], a.cfg.Realm)
}

// certificateUser returns the user of our realm that a certificate is for: by a
// SAN of type URI "sip:user@realm", or by a common name "user" or "user@realm".
func certificateUser(leaf *x509.Certificate, realm string) string {
	for _, u := range leaf.URIs { // RFC 5922 §7.1
		if !strings.EqualFold(u.Scheme, "sip") && !strings.EqualFold(u.Scheme, "sips") {
			continue
		}
		if user, host, ok := strings.Cut(u.Opaque, "@"); ok && strings.EqualFold(host, realm) {
			return user
		}
	}
	user, host, ok := strings.Cut(leaf.Subject.CommonName, "@")
	if ok && !strings.EqualFold(host, realm) {
		return ""
	}
	return user
}

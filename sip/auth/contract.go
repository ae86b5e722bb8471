package auth

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Identity is a proven user.
type Identity struct {
	User     store.UserID
	Username string
	Domain   string
	Version  int64 // of the credential it was proved with
}

// AOR is user@domain, "" for the zero Identity.
func (i Identity) AOR() string { panic("todo") }

// Verdict of Check.
type Verdict int

const (
	Proven    Verdict = iota // Identity is set
	Challenge                // answer Status (401 or 407) with Headers
	Refused                  // answer Status (403 …)
	Drop                     // banned: no answer
)

// Result is what Check found.
type Result struct {
	Verdict  Verdict
	Identity Identity
	Status   int
	Headers  []sip.Header
}

// Authenticator checks requests. It does not block: credentials come from a
// cache that is filled in the background (see Check).
type Authenticator struct{}

// Check authenticates a request. proxy selects 407/Proxy-Authorization instead
// of 401/Authorization. When the credential is not in the cache, resume is
// called later, on another goroutine, with the result, and ok is false.
func (a *Authenticator) Check(f *transport.Flow, req *sip.Request, core *wire.Core, proxy bool, resume func(Result)) (r Result, ok bool) {
	panic("todo")
}

// Forget drops what is cached of a user after a change of account or
// credential; flows proved with an older version are no longer proven.
func (a *Authenticator) Forget(u store.UserID) {}

// Banned tells whether messages from that address are dropped (transport asks
// before parsing).
func (a *Authenticator) Banned(f *transport.Flow) bool { panic("todo") }

// HashPassword makes the credential of a user.
func HashPassword(u store.UserID, username, realm, password string, md5 bool) store.Credential {
	panic("todo")
}

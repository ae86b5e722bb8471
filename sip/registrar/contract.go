package registrar

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// Target is one way to one device of a user.
type Target struct {
	User     store.UserID
	Device   store.Device
	Contact  sip.Uri // becomes the Request-URI
	Path     []string
	Q        int             // 0 … 1000
	Flow     *transport.Flow // nil when the device is known but not reachable now
	Instance string
	RegID    int
	GRUU     string // public GRUU, "" without an instance
}

// Registrar serves REGISTER and answers where users are.
type Registrar struct{}

// ServeSIP handles REGISTER.
func (g *Registrar) ServeSIP(r *server.Request) { panic("todo") }

// Lookup returns the targets of a user, best q first; one per device (with
// RFC 5626 the newest flow first, others of that device after it).
func (g *Registrar) Lookup(u store.UserID) []Target { panic("todo") }

// Resolve turns a URI of our domains into targets: an address-of-record into
// all of the user's, a GRUU into those of one device. found is false when
// there is no such user. It does not block: resume is called later when the
// user is not in the cache (ok false).
func (g *Registrar) Resolve(u *sip.Uri, resume func(Resolved)) (r Resolved, ok bool) { panic("todo") }

// Resolved is the answer of Resolve.
type Resolved struct {
	Found    bool
	User     store.User
	Targets  []Target
	Disabled bool
}

// ByFlow returns the targets registered over a flow (who is this peer).
func (g *Registrar) ByFlow(f *transport.Flow) []Target { panic("todo") }

// ByContact finds the device that registered exactly this Contact URI.
func (g *Registrar) ByContact(u *sip.Uri) (Target, bool) { panic("todo") }

// FlowClosed marks the bindings of a flow unreachable at once.
func (g *Registrar) FlowClosed(f *transport.Flow) { panic("todo") }

// OnReachable is called after each REGISTER that made a device reachable (new
// flow, new binding or refresh), outside all locks.
func (g *Registrar) OnReachable(func(Target)) { panic("todo") }

// RemoveDevice and RemoveUser end bindings and close their flows.
func (g *Registrar) RemoveDevice(d store.DeviceID) { panic("todo") }
func (g *Registrar) RemoveUser(u store.UserID)     { panic("todo") }

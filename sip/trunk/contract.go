package trunk

import (
	"context"
	"net/netip"
	"time"

	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

// Border is all trunks. It is safe for concurrent use.
type Border struct{}

// Claims tells whether r comes from a carrier, or belongs to a dialog with one.
func (b *Border) Claims(r *server.Request) bool { panic("contract") }

// ServeSIP takes a request of a carrier, ACK and unmatched CANCEL too.
func (b *Border) ServeSIP(r *server.Request) { panic("contract") }

// Caller is who pays for a call to a carrier: the user who dials, or the one
// who forwards or transfers.
type Caller struct {
	User      store.UserID
	Settings  store.CallSettings
	Numbers   []string // the user's own
	Shown     string   // the number of the first caller of a forwarded call, "" for none
	Anonymous bool     // the caller withholds his number (RFC 3323)
	Live      int      // calls of this user to carriers at the moment
}

// Route is a way for a number.
type Route struct {
	Trunk     string
	Number    string // E.164; an emergency number as dialled
	Shown     string // the number that is presented, "" withheld
	Emergency bool
	Media     Media
}

// Media is what a trunk demands of media.
type Media struct {
	SRTP     string         // "forbid", "prefer", "require"
	Secure   bool           // signalling is TLS
	Networks []netip.Prefix // nil: what SDP says
}

// Routes finds where a dialled number may go, the best trunk first. The error
// is a *server.Error: 404 no trunk serves it, 403 not allowed (with a Warning
// that says why), 503 all trunks are full or down.
func (b *Border) Routes(c Caller, dialled string) ([]Route, error) { panic("contract") }

// Target is the device that stands for a route: a branch to it calls the
// gateways. on is told of each attempt as it begins and ends.
func (b *Border) Target(r Route, c Caller, on func(store.CallAttempt)) registrar.Target {
	panic("contract")
}

// Inbound is what the border knows of a call that it brings inside.
type Inbound struct {
	Trunk   string
	Caller  string // E.164, "" withheld
	Dialled string // as the carrier wrote it
	Number  string // E.164
	Media   Media
}

// Inbound tells about the INVITE with that Call-ID which came by the border's agent.
func (b *Border) Inbound(callID string) (Inbound, bool) { panic("contract") }

// Status of a trunk.
type Status struct {
	store.Trunk
	In, Out  int // calls at the moment
	Gateways []GatewayStatus
}

// GatewayStatus is the state of one gateway.
type GatewayStatus struct {
	Name       string        `json:"name"`
	State      string        `json:"state"` // "up", "down", "out" (taken out of service), "unknown" (not probed yet)
	Since      time.Time     `json:"since"`
	Registered *time.Time    `json:"registered,omitempty"` // until when
	Latency    time.Duration `json:"latency"`              // of the last OPTIONS
	Error      string        `json:"error,omitempty"`      // the last one
}

// Trunks lists all trunks with their state.
func (b *Border) Trunks() []Status { panic("contract") }

// SetTrunk checks, stores and applies a trunk; calls in progress go on.
func (b *Border) SetTrunk(ctx context.Context, t store.Trunk) (store.Trunk, error) {
	panic("contract")
}

// RemoveTrunk forgets a trunk; calls in progress go on.
func (b *Border) RemoveTrunk(ctx context.Context, name string) error { panic("contract") }

// TakeOut takes a gateway out of service until the next start, or puts it back.
func (b *Border) TakeOut(trunk, gateway string, out bool) error { panic("contract") }

// Classes lists the classes of service.
func (b *Border) Classes() []store.ClassOfService { panic("contract") }

// SetClass checks and stores a class of service.
func (b *Border) SetClass(ctx context.Context, c store.ClassOfService) (store.ClassOfService, error) {
	panic("contract")
}

// RemoveClass removes a class that no user has.
func (b *Border) RemoveClass(ctx context.Context, name string) error { panic("contract") }

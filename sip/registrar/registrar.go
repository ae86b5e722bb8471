package registrar

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// Config of a Registrar. Zero durations and numbers mean the defaults.
type Config struct {
	// Domain is the domain of the addresses-of-record; Aliases are other names
	// and addresses that mean the same domain in a URI.
	Domain  string
	Aliases []string
	// Own tells whether host and port (0 for none given) are a listener of this
	// server, which is no place for a Contact to point to.
	Own func(host string, port int) bool

	MinExpires     time.Duration // shorter is refused with 423; 60 s
	DefaultExpires time.Duration // for who does not ask; 1 h
	MaxExpires     time.Duration // longer is cut to this; 24 h
	MaxContacts    int           // bindings a user; 10
	FlowTimer      time.Duration // how often clients with outbound are told to send keep-alives (RFC 5626 §5.4); 120 s

	// Secret seals temporary GRUUs, 32 bytes, the same over restarts.
	Secret []byte

	Users    Users
	Devices  Devices
	Bindings store.Bindings
	Flows    Flows
	Log      *slog.Logger          // nil for none
	Metrics  prometheus.Registerer // nil for none
}

// Flows are the ways to peers (transport.Stack).
type Flows interface {
	Flow(id uint64) (*transport.Flow, bool)
	UDPFlow(local, remote netip.AddrPort) (*transport.Flow, error)
}

// How many users' devices may be looked up at a time, and how many requests may
// wait for it, of all users and of one. Many at a time let the store share one
// commit among them.
const (
	touchesAtATime = 32
	touchesWaiting = 8192
	touchesEach    = 256
)

// Registrar serves REGISTER and answers where users are.
type Registrar struct {
	cfg     Config
	log     *slog.Logger
	table   *table
	users   *users
	jobs    *server.Jobs
	intern  *interner
	gruus   cipher.AEAD
	metrics *metrics

	onReachable atomic.Pointer[[]func(store.UserID, store.DeviceID)]
	date        atomic.Pointer[date]
}

// New makes an empty Registrar; Restore fills it and Run keeps it clean.
func New(cfg Config) (*Registrar, error) {
	if cfg.Domain == "" {
		return nil, errors.New("registrar: no domain is configured")
	}
	gruus, err := newGRUUSeal(cfg.Secret)
	if err != nil {
		return nil, fmt.Errorf("registrar: secret of temporary GRUUs: %w", err)
	}
	cfg.setDefaults()
	g := &Registrar{
		cfg: cfg, log: cfg.Log,
		table:  newTable(),
		users:  newUsers(cfg.Users, cfg.Domain),
		jobs:   server.NewJobs(server.JobLimits{AtATime: touchesAtATime, Waiting: touchesWaiting, Each: touchesEach}),
		intern: newInterner(),
		gruus:  gruus,
	}
	g.metrics = newMetrics(cfg.Metrics, g.table)
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	return g, nil
}

func (c *Config) setDefaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.MinExpires, time.Minute)
	set(&c.DefaultExpires, time.Hour)
	set(&c.MaxExpires, 24*time.Hour)
	set(&c.FlowTimer, 120*time.Second)
	if c.MaxContacts == 0 {
		c.MaxContacts = 10
	}
	if c.Own == nil {
		c.Own = func(string, int) bool { return false }
	}
}

// ServeSIP handles REGISTER.
func (g *Registrar) ServeSIP(r *server.Request) {
	g.register(r.Incoming, r.Sender, r.Repeated, client{r})
}

// asker waits for the answer to a REGISTER.
type asker interface {
	answer(hs []sip.Header, err error)
	// beginWait is called before the answer is left to another goroutine. false:
	// nobody waits for this one.
	beginWait() bool
}

// client asks by a request.
type client struct{ r *server.Request }

func (c client) answer(hs []sip.Header, err error) {
	if err != nil {
		c.r.ReplyError(err)
		return
	}
	c.r.Reply(200, "", hs...)
}

// beginWait makes the transaction that absorbs copies of the request meanwhile.
func (c client) beginWait() bool {
	return c.r.Flow.Reliable() || c.r.Transaction() != nil
}

// OnReachable adds a function that is called for each device that a REGISTER
// made reachable (new flow, new binding or refresh), outside all locks and after
// the 200 was sent. It must not block.
func (g *Registrar) OnReachable(fn func(store.UserID, store.DeviceID)) {
	for {
		old := g.onReachable.Load()
		var fns []func(store.UserID, store.DeviceID)
		if old != nil {
			fns = append(fns, *old...)
		}
		fns = append(fns, fn)
		if g.onReachable.CompareAndSwap(old, &fns) {
			return
		}
	}
}

// reachable tells everybody who asked which devices reg has bound.
func (g *Registrar) reachable(reg *registration) {
	fns := g.onReachable.Load()
	if fns == nil {
		return
	}
	for i := range reg.contacts {
		c := &reg.contacts[i]
		if c.expires == 0 {
			continue
		}
		for _, fn := range *fns {
			fn(reg.sender.User, c.device.ID)
		}
	}
}

// ForgetUser drops what is remembered of an account that changed.
func (g *Registrar) ForgetUser(u store.UserID) { g.users.forget(u) }

// serves tells whether host is our domain.
func (g *Registrar) serves(host string) bool {
	if strings.EqualFold(host, g.cfg.Domain) {
		return true
	}
	for _, alias := range g.cfg.Aliases {
		if strings.EqualFold(host, alias) {
			return true
		}
	}
	return false
}

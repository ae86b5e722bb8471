package trunk

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Store keeps trunks and classes of service ([store.CallSetup]).
type Store interface {
	Trunks(ctx context.Context) ([]store.Trunk, error)
	// SetTrunk returns the trunk with its password, also where that stayed.
	SetTrunk(ctx context.Context, t store.Trunk) (store.Trunk, error)
	RemoveTrunk(ctx context.Context, id int64) error
	Classes(ctx context.Context) ([]store.ClassOfService, error)
	SetClass(ctx context.Context, c store.ClassOfService) (store.ClassOfService, error)
	RemoveClass(ctx context.Context, name string) error
}

// Stack is what the border needs of [transport.Stack].
type Stack interface {
	Attach(f *transport.Flow)
	Detach(f *transport.Flow)
	Local(f *transport.Flow) (host string, port int)
	UDPFlow(local, remote netip.AddrPort) (*transport.Flow, error)
	Dial(ctx context.Context, hop transport.Hop) (*transport.Flow, error)
}

// Names finds addresses (RFC 3263); [transport.Resolver] is one.
type Names interface {
	Resolve(ctx context.Context, u *sip.Uri) ([]transport.Hop, error)
	Failed(h transport.Hop)
}

// Config is what a border is made of. Store, Transactions, Stack and Domain are
// needed.
type Config struct {
	Store        Store
	Transactions *transaction.Layer // the server's
	Stack        Stack
	Domain       string // ours: where numbers of carriers are called

	// Names finds gateways, which administrators name: every address is fine.
	// Strangers finds what a carrier names inside a dialog: no loopback, link-local
	// and the like. nil: resolvers of the system.
	Names, Strangers Names

	Log     *slog.Logger          // nil: discard
	Metrics prometheus.Registerer // nil: not registered
}

// userAgent is all that a carrier learns about us.
const userAgent = "Sparkle"

// Border is all trunks. It is safe for concurrent use.
type Border struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics

	outer  *dialog.UA    // what carriers see
	caller *dialog.Agent // brings their calls inside
	callee *dialog.Agent // takes ours for them

	sources atomic.Pointer[sources]

	mu      sync.Mutex
	trunks  []*group // the lowest priority first
	classes map[string]store.ClassOfService
	hours   map[payer]*hourly
	inside  map[string]Inbound // by Call-ID
	plans   map[string]planned // what Target has made, by its token
	running context.Context    // nil before Run

	saving sync.Mutex // one change of the settings at a time
}

// New reads the trunks and classes and plugs the border's agents in. Nothing is
// sent before Run.
func New(c Config) (*Border, error) {
	if c.Store == nil || c.Transactions == nil || c.Stack == nil || c.Domain == "" {
		return nil, errors.New("trunk: Config needs Store, Transactions, Stack and Domain")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := c.resolvers(); err != nil {
		return nil, err
	}
	m, err := newMetrics(c.Metrics)
	if err != nil {
		return nil, err
	}
	b := &Border{
		cfg: c, log: c.Log, metrics: m,
		classes: make(map[string]store.ClassOfService),
		hours:   make(map[payer]*hourly),
		inside:  make(map[string]Inbound),
		plans:   make(map[string]planned),
	}
	if err := b.plugIn(); err != nil {
		return nil, err
	}
	if err := b.load(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (c *Config) resolvers() (err error) {
	if c.Names == nil {
		anywhere := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
		if c.Names, err = transport.NewResolver(transport.ResolverConfig{Allow: anywhere, Log: c.Log}); err != nil {
			return err
		}
	}
	if c.Strangers == nil {
		c.Strangers, err = transport.NewResolver(transport.ResolverConfig{Log: c.Log})
	}
	return err
}

// plugIn makes the user agents of both sides.
func (b *Border) plugIn() (err error) {
	c := &b.cfg
	b.outer, err = dialog.New(dialog.Config{
		Transactions: c.Transactions, Local: c.Stack.Local, Route: b.follow,
		Agent: userAgent, Name: "border", Log: c.Log, Metrics: c.Metrics,
	})
	if err != nil {
		return err
	}
	// Two agents: the proxy never sends a call back by the flow that it came from,
	// and one from a carrier may well be forwarded to a carrier.
	b.caller, err = dialog.NewAgent(dialog.AgentConfig{
		Name: "border-in", Server: c.Transactions, Stack: c.Stack, Agent: userAgent, Log: c.Log, Metrics: c.Metrics,
		Allow: allowInside,
	})
	if err != nil {
		return err
	}
	b.callee, err = dialog.NewAgent(dialog.AgentConfig{
		Name: "border-out", Server: c.Transactions, Stack: c.Stack, Agent: userAgent, Log: c.Log, Metrics: c.Metrics,
		Allow: allowInside, Incoming: b.takeOut,
	})
	return err
}

// Trusted tells whether a flow is that of an agent of the border
// (server.Config.Trusted).
func (b *Border) Trusted(f *transport.Flow) bool {
	return f == b.caller.Flow() || f == b.callee.Flow()
}

// Run looks names up, probes and registers gateways until ctx ends, and then
// takes the registrations back. Call it when the listeners are open.
func (b *Border) Run(ctx context.Context) {
	b.saving.Lock()
	b.mu.Lock()
	b.running = ctx
	b.mu.Unlock()
	for _, t := range b.all() {
		b.start(ctx, t)
	}
	b.saving.Unlock()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			b.saving.Lock() // whoever changes a trunk now starts nothing any more
			b.mu.Lock()
			b.running = nil
			b.mu.Unlock()
			b.saving.Unlock()
			for _, t := range b.all() {
				t.keepers.Wait()
			}
			return
		case <-tick.C:
			b.forgetOld(time.Now())
		}
	}
}

// Close unplugs the agents; calls in progress hear nothing more.
func (b *Border) Close() {
	if b.caller != nil {
		b.caller.Close()
	}
	if b.callee != nil {
		b.callee.Close()
	}
}

// Claims tells whether r comes from a carrier, or belongs to a dialog with one.
// What our own agents send never does.
func (b *Border) Claims(r *server.Request) bool {
	if r.ToTag != "" && b.outer.Claims(&r.Core) {
		return true
	}
	return len(b.sources.Load().of(r.Flow)) > 0
}

// allow is what carriers may send us.
const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO"

// allowInside is what our users may: they transfer calls, carriers do not.
const allowInside = allow + ", REFER"

// ServeSIP takes a request of a carrier, ACK and unmatched CANCEL too.
func (b *Border) ServeSIP(r *server.Request) {
	switch {
	case r.Method == sip.ACK:
		b.outer.Serve(r.Incoming, nil)
	case r.ToTag != "":
		if tx := r.Transaction(); tx != nil {
			b.outer.Serve(r.Incoming, tx)
		}
	case r.Method == sip.INVITE:
		b.bringIn(r)
	case r.Method == sip.OPTIONS: // RFC 3261 §11.2: they probe us too
		r.Reply(sip.StatusOK, "", wire.H("Allow", allow), wire.H("Accept", "application/sdp"), wire.H("Supported", "100rel, timer"))
	case r.Method == sip.CANCEL, r.Method == sip.BYE, r.Method == sip.PRACK, r.Method == sip.UPDATE, r.Method == sip.INFO:
		r.Reply(sip.StatusCallTransactionDoesNotExists, "")
	default:
		r.Reply(sip.StatusMethodNotAllowed, "", wire.H("Allow", allow))
	}
}

// follow finds the way to the next hop of a dialog with a carrier. Where that is
// the host that we talk to anyway, the flow stays; another one must be an address
// of the gateway, or one that anybody may name (sip.md C14): no carrier leads us
// to the loopback interface or the inside.
func (b *Border) follow(next sip.Uri, now *transport.Flow, then func(*transport.Flow, error)) {
	if isAt(&next, now) && now.Alive() {
		then(now, nil)
		return
	}
	go b.guard(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		then(b.findWay(ctx, &next, now))
	})
}

// isAt tells whether a URI names the peer of a flow.
func isAt(u *sip.Uri, f *transport.Flow) bool {
	a, err := netip.ParseAddr(u.Host)
	if err != nil || a.Unmap() != f.Remote.Addr().Unmap() {
		return false
	}
	port := u.Port
	if port == 0 {
		port = 5060
		if f.Secure() {
			port = 5061
		}
	}
	// Over a connection the port is that of the one who opened it.
	return f.Reliable() && !f.Outbound || port == int(f.Remote.Port())
}

func (b *Border) findWay(ctx context.Context, next *sip.Uri, now *transport.Flow) (*transport.Flow, error) {
	names := b.cfg.Strangers
	if a, err := netip.ParseAddr(next.Host); err == nil && b.isGateway(a.Unmap()) {
		names = b.cfg.Names
	}
	hops, err := names.Resolve(ctx, next)
	if err != nil {
		b.log.Warn("the next hop that a carrier names is not followed, requests go where they went", "hop", next.Host, "error", err)
		return now, nil
	}
	for _, hop := range hops {
		if hop.Addr == now.Remote && hop.Transport == now.Transport && now.Alive() {
			return now, nil
		}
		// A connection that was encrypted is not continued in the clear.
		if now.Secure() && hop.Transport != transport.TLS {
			continue
		}
		var f *transport.Flow
		if f, err = b.cfg.Stack.Dial(ctx, hop); err == nil {
			return f, nil
		}
		names.Failed(hop)
	}
	if now.Alive() {
		return now, nil
	}
	return nil, err
}

// isGateway tells whether an address is one of a gateway or its networks.
func (b *Border) isGateway(a netip.Addr) bool {
	for _, t := range b.all() {
		for _, g := range t.gateways {
			if g.trusts(a) {
				return true
			}
		}
	}
	return false
}

// forgetOld drops what nobody will ask for any more.
func (b *Border) forgetOld(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for token, p := range b.plans {
		if now.Sub(p.made) > 10*time.Minute {
			delete(b.plans, token)
		}
	}
	for who, h := range b.hours {
		if h.count(now) == 0 {
			delete(b.hours, who)
		}
	}
}

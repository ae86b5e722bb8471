package media

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/sparkleim/sparkle/media/secure"
	"github.com/sparkleim/sparkle/media/transport"
)

// Engine relays for many sessions. It is safe for concurrent use.
type Engine struct {
	config   Config
	network  *transport.Network
	identity *secure.Identity
	metrics  *metrics
	notices  chan notice
	ctx      context.Context // of everything that outlives a call of a method
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	sessions  map[*Session]struct{}
	workers   map[*transport.Loop]*worker
	addresses map[netip.Addr]struct{} // that ports were opened on, or may be
}

// New makes an engine. It fails when the port range is no range, or the system
// gives no loop.
func New(c Config) (*Engine, error) {
	c = c.withDefaults()
	identity, err := secure.NewIdentity()
	if err != nil {
		return nil, fmt.Errorf("make a certificate for DTLS: %w", err)
	}
	network, err := transport.New(transport.Config{
		FirstPort: c.FirstPort, LastPort: c.LastPort, Loops: c.Loops, Rest: c.Rest, Log: c.Log, Metrics: c.Metrics,
		Panicked: func(h transport.Handler, value any) { h.(*component).link.leg.session.fail(value) },
	})
	if err != nil {
		return nil, err
	}
	e := &Engine{
		config: c, network: network, identity: identity, notices: make(chan notice, maxNotices),
		sessions: map[*Session]struct{}{}, workers: map[*transport.Loop]*worker{}, addresses: map[netip.Addr]struct{}{},
	}
	for _, a := range c.Addresses {
		e.addresses[a.Bind] = struct{}{}
	}
	if e.metrics, err = newMetrics(c.Metrics, e); err != nil {
		return nil, errors.Join(fmt.Errorf("register metrics: %w", err), network.Close())
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.running.Go(func() { e.deliver(e.ctx) })
	return e, nil
}

// NewSession makes a session. on is called on a goroutine of the engine and must
// not block; nil for nobody. It may call methods of the session. After Close the
// session is closed, too.
func (e *Engine) NewSession(on func(Event)) *Session {
	s := &Session{engine: e, on: on}
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.closed = e.closed; s.closed {
		return s
	}
	s.worker = e.worker(e.network.Loop())
	e.sessions[s] = struct{}{}
	return s
}

// worker is the one of a loop. The engine's mutex is held.
func (e *Engine) worker(l *transport.Loop) *worker {
	w := e.workers[l]
	if w == nil {
		w = newWorker(e, l)
		e.workers[l] = w
	}
	return w
}

// Close ends all sessions and waits, as long as ctx allows, until nothing of the
// engine runs.
func (e *Engine) Close(ctx context.Context) error {
	for _, s := range e.end() {
		s.Close()
	}
	e.cancel()
	done := make(chan error, 1)
	go func() {
		e.running.Wait()
		done <- e.network.Close()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end refuses new sessions and gives those that there are.
func (e *Engine) end() []*Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	sessions := make([]*Session, 0, len(e.sessions))
	for s := range e.sessions {
		sessions = append(sessions, s)
	}
	return sessions
}

func (e *Engine) forget(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s)
}

// Usage of an engine, for status pages and tests. FreePorts are those of the
// addresses that are known; before there is any, those that the first will have.
type Usage struct {
	Sessions, Legs, Ports, FreePorts int
}

// Usage tells what is in use, without what was given back before the call.
func (e *Engine) Usage() Usage {
	e.mu.Lock()
	defer e.mu.Unlock()
	for l := range e.workers {
		l.Do(func() {}) // until it did what it was told
	}
	u := Usage{Sessions: len(e.sessions), Legs: int(e.metrics.legs.Load()), Ports: int(e.metrics.ports.Load())}
	for a := range e.addresses {
		u.FreePorts += 2 * e.network.Free(a)
	}
	if len(e.addresses) == 0 { // the first call will tell which one it is
		u.FreePorts = 2 * e.network.Pairs()
	}
	return u
}

// local is where a leg binds and what it tells its peer. A peer whose media is
// of the other family than its signalling is met by an address of that family,
// if there is one.
func (e *Engine) local(want netip.Addr, remote netip.Addr) Address {
	want = want.Unmap()
	if remote.IsValid() && remote.Unmap().Is4() != want.Is4() {
		for _, a := range e.config.Addresses {
			if a.Bind.Is4() != want.Is4() {
				return a.told()
			}
		}
	}
	for _, a := range e.config.Addresses {
		if a.Bind == want {
			return a.told()
		}
	}
	return Address{want, want}
}

// isOurs tells whether to is a port of this program. A user who says that his media
// is there would have us talk to ourselves, round and round. Programs on the
// peer's own host, which may be this one, use ports of the range too: of these only
// the open ones are ours. A carrier that leads a call back to us may leave our
// description in it.
func (e *Engine) isOurs(to netip.AddrPort, p *Profile) bool {
	a := to.Addr().Unmap()
	bind, ours := e.bindOf(a, p)
	switch {
	case !ours || !p.NAT:
		return false
	case slices.Contains(e.config.Reserved, to.Port()):
		return true
	case a == p.Peer.Unmap():
		return e.network.Taken(bind, to.Port())
	}
	return e.config.FirstPort <= int(to.Port()) && int(to.Port()) <= e.config.LastPort
}

// bindOf is where the relay binds that tells others the address a; false when a
// is no address of the relay.
func (e *Engine) bindOf(a netip.Addr, p *Profile) (netip.Addr, bool) {
	for _, own := range e.config.Addresses {
		if a == own.Bind || a == own.told().Advertise {
			return own.Bind, true
		}
	}
	return a, a == p.Local.Unmap()
}

// told is the address with what it tells others, which is itself by default.
func (a Address) told() Address {
	if !a.Advertise.IsValid() {
		a.Advertise = a.Bind
	}
	return a
}

// open opens a pair of ports for a link.
func (e *Engine) open(l *transport.Loop, bind netip.Addr, k *link) error {
	pair, err := l.Open(bind, &k.rtp, &k.rtcp)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.addresses[bind] = struct{}{}
	e.mu.Unlock()
	e.metrics.ports.Add(2)
	k.take(pair)
	return nil
}

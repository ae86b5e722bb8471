package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"hash/maphash"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/wire"
	"golang.org/x/time/rate"
)

// Handler takes what arrives. Calls for one flow are sequential and must not
// block.
type Handler interface {
	// Message is a parsed message. The handler may keep it.
	Message(f *Flow, m sip.Message)
	// Malformed is a request that could not be parsed and is owed an answer.
	Malformed(f *Flow, e *wire.Error)
	// Closed is the end of a connection; never called for UDP.
	Closed(f *Flow)
}

// Config is what a Stack needs. The zero value works, without TLS.
type Config struct {
	Limits
	TLS       TLSConfig
	KeepAlive time.Duration         // quiet time after which a peer that we dialled is asked (RFC 5626 §4.4.1); default 110 s
	Origins   []string              // host patterns of web pages that may open a WebSocket, "*" for all; the server's own host always may
	Admit     func(netip.Addr) bool // false for a banned address; nil admits everybody
	Log       *slog.Logger          // nil: discard
	Metrics   prometheus.Registerer // nil: not registered
}

// Stack is all listeners and flows of the process.
type Stack struct {
	cfg       Config
	log       *slog.Logger
	metrics   *metrics
	certs     *certificates
	serverTLS *tls.Config
	trace     trace
	seed      maphash.Seed
	ids       atomic.Uint64
	conns     table
	attached  attached
	census    census
	chunks    sync.Pool // *chunk
	buffers   sync.Pool // *[readBuffer]byte
	complain  *rate.Limiter
	silenced  atomic.Int64

	running sync.WaitGroup  // connections, UDP readers, acceptors, the reaper
	life    context.Context // ends with Close
	end     context.CancelFunc

	mu      sync.Mutex // guards what follows
	handler Handler
	heard   []*Listener
	dials   map[Hop]*dialled
	stopped bool // accepts nothing any more
}

// New makes a stack that listens nowhere yet. It fails on certificate files
// that cannot be used and on metrics that are registered already.
func New(cfg Config) (*Stack, error) {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = 110 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		cfg: cfg, log: cfg.Log, metrics: m,
		seed:     maphash.MakeSeed(),
		census:   census{from: make(map[netip.Addr]int)},
		complain: rate.NewLimiter(1, 10),
		dials:    make(map[Hop]*dialled),
	}
	s.life, s.end = context.WithCancel(context.Background())
	// 23 random bits make sure that an id of an earlier run is unknown now; the
	// upper bit belongs to UDP.
	s.ids.Store(rand.Uint64N(1<<23) << 40)
	s.chunks.New = func() any { return new(chunk) }
	s.buffers.New = func() any { return new([readBuffer]byte) }
	if s.certs, err = loadCertificates(cfg.TLS, s.warn); err != nil {
		return nil, err
	}
	s.serverTLS = s.certs.serverConfig()
	return s, nil
}

func (s *Stack) newID() uint64 { return s.ids.Add(1) }

func (s *Stack) admits(addr netip.Addr) bool {
	return s.cfg.Admit == nil || s.cfg.Admit(addr)
}

// begin takes part in what Close waits for, or tells that the stack stops.
func (s *Stack) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.handler == nil {
		return false
	}
	s.running.Add(1)
	return true
}

// enlist enters a connection that has begun into the books.
func (s *Stack) enlist(c *conn) {
	s.conns.put(c)
	c.counters.open.Inc()
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped { // perhaps Close has already asked all others to end
		c.shut("the server stops")
	}
}

// warn logs what peers can provoke, at most once a second in the long run.
func (s *Stack) warn(msg string, args ...any) {
	if !s.complain.Allow() {
		s.silenced.Add(1)
		return
	}
	if n := s.silenced.Swap(0); n > 0 {
		args = append(args, "not_logged_before", n)
	}
	s.log.Warn(msg, args...)
}

// Serve begins to read from all listeners, those too that are added later, and
// gives what arrives to h. It returns at once; call it once.
func (s *Stack) Serve(h Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
	s.running.Go(s.reap)
	for _, l := range s.heard {
		l.serve(h)
	}
}

// Flow returns the live connection, or attached flow, with that id. A UDP flow is
// not kept anywhere: make it again with UDPFlow.
func (s *Stack) Flow(id uint64) (*Flow, bool) {
	c := s.conns.get(id)
	if c == nil {
		return s.attached.get(id)
	}
	if c.phase.Load() == phaseHandshake || !c.open() {
		return nil, false
	}
	return &c.flow, true
}

// Flows ranges over the live connections.
func (s *Stack) Flows() iter.Seq[*Flow] {
	return func(yield func(*Flow) bool) {
		s.conns.all(func(c *conn) bool {
			return c.phase.Load() == phaseHandshake || !c.open() || yield(&c.flow)
		})
	}
}

// Count returns the number of live connections by transport.
func (s *Stack) Count() map[string]int {
	n := make(map[string]int)
	for f := range s.Flows() {
		n[f.Transport]++
	}
	return n
}

// StopAccepting closes the listeners for connections and refuses WebSockets.
// Open flows and UDP go on: what was accepted is brought to its end.
func (s *Stack) StopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, l := range s.heard {
		if l.tcp != nil {
			l.tcp.Close()
		}
	}
}

// Close writes what is queued, ends every flow and returns when all is quiet,
// or with the context's error after cutting off what was left.
func (s *Stack) Close(ctx context.Context) error {
	s.StopAccepting()
	s.conns.all(func(c *conn) bool { c.shut("the server stops"); return true })
	for _, l := range s.listeners() {
		for _, u := range l.sockets {
			u.conn.Close()
		}
	}
	s.end()
	s.conns.all(func(c *conn) bool {
		if c.phase.Load() == phaseLinger { // nobody watches its time any more
			c.kill(causeLocal)
		}
		return true
	})

	quiet := make(chan struct{})
	go func() { s.running.Wait(); close(quiet) }()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		s.conns.all(func(c *conn) bool { c.kill(causeLocal); return true })
		<-quiet
		return fmt.Errorf("transport: some peers did not take what was queued for them: %w", ctx.Err())
	}
}

// ending tells whether Close was called.
func (s *Stack) ending() bool { return s.life.Err() != nil }

func (s *Stack) listeners() []*Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard[:len(s.heard):len(s.heard)]
}

// family narrows a network to the address family of an IP literal: otherwise
// 0.0.0.0 would mean IPv6 too.
func family(network, address string) string {
	ap, err := netip.ParseAddrPort(address)
	if err == nil && ap.Addr().Is4() {
		return network + "4"
	}
	return network
}

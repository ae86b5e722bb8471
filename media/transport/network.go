package transport

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Errors of Open.
var (
	ErrExhausted = errors.New("no media ports are free")
	ErrClosed    = errors.New("the relay's network is closed")
)

// Config of a network.
type Config struct {
	FirstPort, LastPort int           // inclusive, 0: 16384 to 32767; RTP gets even ones
	Loops               int           // 0: one a processor
	Rest                time.Duration // of a port before it is used again, 2 s when no other is free, 0: 30 s
	Log                 *slog.Logger  // nil: slog.Default
	Metrics             prometheus.Registerer
	// Panicked is told, on the loop, that h failed in Packet and what it said: its
	// session should end. The loop goes on. nil: logged and counted only.
	Panicked func(h Handler, value any)
}

// Network is the loops and ports of one engine. It is safe for concurrent use.
type Network struct {
	config Config
	log    *slog.Logger
	born   time.Time
	loops  []*Loop
	done   sync.WaitGroup // of the loops and what they have begun
	closed atomic.Bool

	processors sync.Mutex // of added
	added      int        // for loops that work

	mu    sync.Mutex
	ports map[netip.Addr]*ports
}

// New starts the loops.
func New(c Config) (*Network, error) {
	c.FirstPort, c.LastPort = cmp.Or(c.FirstPort, 16384), cmp.Or(c.LastPort, 32767)
	c.Rest = cmp.Or(c.Rest, 30*time.Second)
	c.Loops = cmp.Or(c.Loops, runtime.GOMAXPROCS(0))
	if c.FirstPort < 1 || c.LastPort > 65535 || pairsOf(c.FirstPort, c.LastPort) < 1 {
		return nil, fmt.Errorf("media ports %d to %d hold no pair: use an even port and the one above it at least", c.FirstPort, c.LastPort)
	}
	n := &Network{
		config: c, log: c.Log, ports: make(map[netip.Addr]*ports),
		born: time.Now().Add(-time.Second), // so that no moment is 0
	}
	if n.log == nil {
		n.log = slog.Default()
	}
	for range c.Loops {
		l := &Loop{network: n}
		if err := l.poller.open(); err != nil {
			return nil, errors.Join(fmt.Errorf("start a media loop: %w", err), n.Close())
		}
		n.loops = append(n.loops, l)
		n.done.Go(l.run)
	}
	if err := n.register(c.Metrics); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Close ends the loops, after what they were told to do, and closes all sockets.
// It is not to be called on a loop.
func (n *Network) Close() error {
	if n.closed.Swap(true) {
		return nil
	}
	for _, l := range n.loops {
		l.end()
	}
	n.done.Wait()
	n.addProcessors(-n.added)
	var failed error
	for _, l := range n.loops {
		failed = errors.Join(failed, l.closeSockets(), l.poller.close())
	}
	return failed
}

// A loop has room for more while it has less than these.
const (
	roomySockets = 1024
	roomyRate    = 20_000 // packets a second, some tenths of a processor
)

// Loop gives the loop for the next session: the first that has much room, as a
// loop that wakes up for many packets does each of them for less; when none has,
// the one with the least sockets.
func (n *Network) Loop() *Loop {
	for _, l := range n.loops {
		if l.open.Load() < roomySockets && l.rate.Load() < roomyRate {
			return l
		}
	}
	return slices.MinFunc(n.loops, func(a, b *Loop) int {
		return cmp.Compare(a.open.Load(), b.open.Load())
	})
}

// Pairs is how many pairs each address has.
func (n *Network) Pairs() int { return pairsOf(n.config.FirstPort, n.config.LastPort) }

// Free is how many pairs could be opened on an address now, as far as other
// programs leave them alone.
func (n *Network) Free(a netip.Addr) int { return n.portsOf(a).free() }

// Taken tells whether a port of an address is open here.
func (n *Network) Taken(a netip.Addr, port uint16) bool { return n.portsOf(a).holds(int(port)) }

// Now is the moment on the clock of the loops in nanoseconds, never 0.
func (n *Network) Now() int64 { return int64(time.Since(n.born)) }

// portsOf are the ports of an address of ours.
func (n *Network) portsOf(a netip.Addr) *ports {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.ports[a]
	if p == nil {
		p = newPorts(n.config.FirstPort, n.config.LastPort, n.config.Rest, n.Now)
		n.ports[a] = p
	}
	return p
}

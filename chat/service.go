package chat

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// Archive is what chat needs of [store.Archive].
type Archive interface {
	Append(m *store.NewMessage, done func(store.Accepted, error))
	Pending(ctx context.Context, u store.UserID, d store.DeviceID, limit int) ([]store.Message, error)
	Delivered(c store.ConversationID, seq int64, d store.Delivery)
	StartCursors(ctx context.Context, u store.UserID, d store.DeviceID, replay int) error
}

// Users names the people of archived messages.
type Users interface {
	User(ctx context.Context, id store.UserID) (store.User, error)
}

// Locations tells where people are; *registrar.Registrar does.
type Locations interface {
	Lookup(u store.UserID) []registrar.Target
	Resolve(u *sip.Uri, resume func(registrar.Resolved)) (registrar.Resolved, bool)
}

// Transactions sends requests; *transaction.Layer does.
type Transactions interface {
	Send(req *sip.Request, f *transport.Flow, on func(*transaction.Client, *sip.Response, error)) *transaction.Client
}

// Flows tells the host and port by which the peer of a flow reaches us;
// *transport.Stack does.
type Flows interface {
	Local(f *transport.Flow) (host string, port int)
}

var (
	_ Archive        = store.Archive(nil)
	_ Users          = store.Users(nil)
	_ Locations      = (*registrar.Registrar)(nil)
	_ Transactions   = (*transaction.Layer)(nil)
	_ Flows          = (*transport.Stack)(nil)
	_ server.Handler = (*Service)(nil)
)

// Config is what a Service is made of.
type Config struct {
	Archive      Archive
	Users        Users
	Locations    Locations
	Transactions Transactions
	Flows        Flows

	Domain   string // the host of Call-IDs that we make
	MaxBody  int    // bytes of a message's body as received; 0 means 60 KiB
	Language string // of the words in text renderings: "zh" (default) or "en"
	// OwnDevices says what the sender's other devices get of a message he sent:
	// "thread" (default) a text that lands in the conversation with its
	// recipient, "off" nothing.
	OwnDevices string
	Workers    int // goroutines that read the archive for devices that came back; 0 means 4

	Log        *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
}

const (
	defaultMaxBody = 60 << 10
	defaultWorkers = 4
	drainTimeout   = 10 * time.Second // of one page of the archive
	sweepEvery     = 5 * time.Second  // one shard of the device table
)

// Service is the user agent for MESSAGE.
type Service struct {
	cfg     Config
	words   *words
	log     *slog.Logger
	metrics *metrics
	devices devices
	drains  drains

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	workers sync.WaitGroup
	closing atomic.Bool
	unsaved tally // messages handed to the archive and not answered yet
}

// New starts a service. Close ends it.
func New(cfg Config) *Service {
	cfg.MaxBody = cmp.Or(cfg.MaxBody, defaultMaxBody)
	cfg.Workers = cmp.Or(cfg.Workers, defaultWorkers)
	cfg.OwnDevices = cmp.Or(cfg.OwnDevices, "thread")
	s := &Service{cfg: cfg, words: wordsOf(cfg.Language), log: cfg.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.metrics = newMetrics(cfg.Registerer, func() float64 { return float64(s.devices.len()) })
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.drains.init()
	for range cfg.Workers {
		s.workers.Go(func() { s.drains.serve(s.drain) })
	}
	s.workers.Go(s.sweep)
	return s
}

// Drain refuses new messages with 503 and waits until every message that was
// handed to the archive has been answered, or ctx ends.
func (s *Service) Drain(ctx context.Context) error {
	s.closing.Store(true)
	return s.unsaved.wait(ctx)
}

// Close ends deliveries. What is not delivered stays in the archive. The
// archive must still be open.
func (s *Service) Close() {
	s.closing.Store(true)
	s.cancel()
	s.drains.close()
	s.devices.stop()
	s.workers.Wait()
}

// Reachable is called after each REGISTER that made a device reachable. It
// reads the archive for a device that was away and wakes one that waits for a
// retry; a mere refresh costs two map look-ups.
func (s *Service) Reachable(u store.UserID, id store.DeviceID) {
	if s.closing.Load() {
		return
	}
	d := s.devices.find(u, id)
	s.act(d, d.reachable(func(flow uint64) bool {
		return slices.ContainsFunc(s.cfg.Locations.Lookup(u), func(t registrar.Target) bool {
			return t.Device.ID == id && t.Flow != nil && t.Flow.ID == flow
		})
	}))
}

// sweep forgets the queues of devices that are gone: a few users at a time.
func (s *Service) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			s.devices.sweep(i, func(u store.UserID, id store.DeviceID) bool {
				return reachableTarget(s.cfg.Locations.Lookup(u), id) != nil
			})
		}
	}
}

// reachableTarget returns the best target of a device that can be reached now.
func reachableTarget(targets []registrar.Target, id store.DeviceID) *registrar.Target {
	for i := range targets {
		if targets[i].Device.ID == id && targets[i].Flow != nil {
			return &targets[i]
		}
	}
	return nil
}

// tally counts what is under way and lets one wait for none.
type tally struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // set while somebody waits
}

func (t *tally) add() {
	t.mu.Lock()
	t.n++
	t.mu.Unlock()
}

func (t *tally) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

func (t *tally) wait(ctx context.Context) error {
	t.mu.Lock()
	if t.n == 0 {
		t.mu.Unlock()
		return nil
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

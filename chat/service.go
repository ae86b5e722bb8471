package chat

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/focus"
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

	Message(ctx context.Context, gid int64) (store.Message, error)
	Page(ctx context.Context, a, b store.UserID, before int64, limit int) ([]store.Message, error)
	Named(ctx context.Context, c store.ConversationID, messageID string) (store.Message, error)
	ReadUpTo(u store.UserID, c store.ConversationID, seq int64)
	// Group and LastGroupEvent read a group as who is no longer in it knows it.
	Group(ctx context.Context, id store.GroupID) (store.Group, []store.Member, error)
	LastGroupEvent(ctx context.Context, id store.GroupID, upTo int64, u store.UserID, actions ...string) (store.GroupEvent, error)
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

// Groups knows the groups; *group.Service does.
type Groups interface {
	Find(name string) (*group.Snapshot, bool)
	ByID(id store.GroupID) (*group.Snapshot, bool)
	MaySpeak(g *group.Snapshot, u store.UserID, mentionsAll bool) error
	MaySpeakTo(g *group.Snapshot, u, to store.UserID) error
	Title(g *group.Snapshot, viewer store.UserID) string
	Names(ctx context.Context, g *group.Snapshot) iter.Seq2[store.UserID, string]
}

// Rooms tells what a device is to a group; *focus.Service does.
type Rooms interface {
	Standing(g store.GroupID, d *store.Device) focus.Standing
}

// Commands answers what people write to be done instead of said.
type Commands interface {
	// Is tells whether a text in a group is one.
	Is(text string) bool
	// Do does it and returns the answer; in is the group it was written in, nil
	// for what was written to the assistant.
	Do(ctx context.Context, by store.User, in *group.Snapshot, text string) string
}

var (
	_ Archive        = store.Store(nil)
	_ Users          = store.Users(nil)
	_ Locations      = (*registrar.Registrar)(nil)
	_ Transactions   = (*transaction.Layer)(nil)
	_ Flows          = (*transport.Stack)(nil)
	_ Groups         = (*group.Service)(nil)
	_ Rooms          = (*focus.Service)(nil)
	_ server.Handler = (*Service)(nil)
)

// Config is what a Service is made of.
type Config struct {
	Archive      Archive
	Users        Users
	Locations    Locations
	Transactions Transactions
	Flows        Flows
	Groups       Groups     // nil: there are none
	Rooms        Rooms      // nil: no device shows rooms
	Commands     Commands   // nil: there are none
	Assistant    store.User // to whom commands are written, and who answers

	Domain   string // the host of Call-IDs that we make
	MaxBody  int    // bytes of a message's body as received; 0 means 60 KiB
	Language string // of the words in text renderings: "zh" (default) or "en"
	// OwnDevices says what the sender's other devices get of a message he sent:
	// "thread" (default) a text that lands in the conversation with its
	// recipient, "off" nothing.
	OwnDevices string
	Workers    int // goroutines that read the archive for devices that came back; 0 means 4
	// Receipts is the size of a group up to which its members are told who has
	// received and read what they wrote, and who is writing.
	Receipts int
	// Replay is how many messages of each conversation a new device gets that
	// shows them under their own date.
	Replay int

	Log        *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
}

const (
	defaultMaxBody = 60 << 10
	defaultWorkers = 4
	drainTimeout   = 10 * time.Second // of one page of the archive

	leastFanoutWorkers = 2 // goroutines that give messages to the members of groups
	errandWorkers      = 4 // goroutines that do commands and look for what receipts are about
	maxErrands         = 256
	maxErrandsEach     = 32              // of one user
	sweepEvery         = 5 * time.Second // one shard of the device table
)

// Service is the user agent for MESSAGE.
type Service struct {
	cfg     Config
	words   *words
	log     *slog.Logger
	metrics *metrics
	devices devices
	drains  line[*device]
	fanouts fanouts
	errands *server.Jobs
	recent  recent

	admissions  admissions
	circulation circulation

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
	s.metrics = newMetrics(cfg.Registerer, s.devices.len, s.fanouts.waiting)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.drains.init()
	for range cfg.Workers {
		s.workers.Go(func() { s.drains.serve(s.drain) })
	}
	s.fanouts.init()
	for range max(leastFanoutWorkers, runtime.GOMAXPROCS(0)) {
		s.workers.Go(func() { s.fanouts.ready.serve(s.fanOut) })
	}
	s.errands = server.NewJobs(server.JobLimits{AtATime: errandWorkers, Waiting: maxErrands, Each: maxErrandsEach})
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
	s.fanouts.ready.close()
	s.errands.Close()
	s.devices.stop()
	s.workers.Wait()
	s.errands.Wait()
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

// sweep forgets the queues of devices that are gone, a few users at a time, and
// groups that are no more.
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
			s.fanouts.sweep()
		}
	}
}

// Joined is called when a device has come into the room of a group, or will not
// come: messages that waited for that go out.
func (s *Service) Joined(u store.UserID, id store.DeviceID) {
	if s.closing.Load() {
		return
	}
	for _, d := range s.devices.of(u) {
		if d.id == id {
			s.act(d, d.joined())
		}
	}
}

// targetOf returns a target of a device, reachable or not.
func targetOf(targets []registrar.Target, id store.DeviceID) *registrar.Target {
	for i := range targets {
		if targets[i].Device.ID == id {
			return &targets[i]
		}
	}
	return nil
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

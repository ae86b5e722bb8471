package call

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/proxy"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/store"
)

// Records is what calls need of [store.CallRecords].
type Records interface {
	NewCallID() int64
	SaveCall(r *store.CallRecord)
	OpenCalls(ctx context.Context) ([]store.CallRecord, error)
}

// Border is what calls need of [trunk.Border].
type Border interface {
	Emergency(dialled string) bool
	Routes(c trunk.Caller, dialled string) ([]trunk.Route, error)
	Target(r trunk.Route, c trunk.Caller, on func(store.CallAttempt)) registrar.Target
	Inbound(callID string) (trunk.Inbound, bool)
}

var (
	_ Records        = store.CallRecords(nil)
	_ Border         = (*trunk.Border)(nil)
	_ server.Handler = (*Service)(nil)
	_ proxy.Dialogs  = (*Service)(nil)
)

// Config is what a Service is made of.
type Config struct {
	Proxy   *proxy.Proxy
	Relay   Relay
	Records Records
	Border  Border // nil: no carriers
	Setup   Setup  // nil: nobody has settings, and there are no hunt groups
	Users   Users  // nil: nobody has numbers

	Domains []string // ours, the first one is that of users and hunt groups

	Agent    *dialog.Agent // places calls for users; nil: nobody does
	Language string        // of what it shows to them: "zh" (default) or "en"

	// Local is the address of ours for the media of the peer of a flow; nil: the
	// one that its signalling came to.
	Local func(f *transport.Flow) netip.Addr

	SRTP media.Policy // of users' legs

	MaxCalls       int           // at the same time, 0: no limit
	MaxPerUser     int           // calls that one user may have made at the same time, unless his settings say it; 0: no limit
	SessionExpires time.Duration // asked for when nobody else does (RFC 4028), at least 90 s; 0: 30 min

	Log        *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
}

const defaultSessionExpires = 30 * time.Minute

// Service is all calls. It is safe for concurrent use.
type Service struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	habits  habits

	settings  *settings
	referrals referrals

	closing atomic.Bool
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	byID   map[int64]*call
	byName map[string]*call     // by Call-ID; others of the same one hang on it
	made   map[store.UserID]int // calls that a user makes at the moment
	paying map[payer]int        // calls to carriers that somebody answers for
	clicks map[string]*click    // calls that the server places, by the Call-IDs of both halves
	idle   chan struct{}        // closed when the last call has ended; nil while nobody waits
}

// New starts a service and becomes the watcher of the proxy's dialogs. Close
// ends it.
func New(c Config) *Service {
	c.SessionExpires = max(cmp.Or(c.SessionExpires, defaultSessionExpires), minSessionExpires)
	s := &Service{
		cfg: c, log: c.Log, metrics: newMetrics(c.Registerer),
		byID: make(map[int64]*call), byName: make(map[string]*call), made: make(map[store.UserID]int),
		paying: make(map[payer]int), clicks: make(map[string]*click), settings: newSettings(c.Setup, c.Domains),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.running.Go(func() { s.expire(ctx) })
	c.Proxy.WatchDialogs(s)
	return s
}

// Restore reads the settings and hunt groups, and closes the records of calls that
// the last run left open: whoever was talking then has no relay any more. Call it
// before the first request.
func (s *Service) Restore(ctx context.Context) error {
	if err := s.settings.load(ctx); err != nil {
		return err
	}
	open, err := s.cfg.Records.OpenCalls(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	for i := range open {
		closeRecord(&open[i], ending{by: "restart", cause: causeTemporary, reason: "the server was restarted"}, now)
		s.cfg.Records.SaveCall(&open[i])
	}
	return nil
}

// Drain takes no new calls, lets those in progress go on until ctx ends, and ends
// them then for both sides.
func (s *Service) Drain(ctx context.Context) {
	s.closing.Store(true)
	select {
	case <-s.whenIdle():
	case <-ctx.Done():
		for _, c := range s.all() {
			c.hangUp(ending{by: "restart", cause: causeTemporary, reason: "the server stops"})
		}
	}
}

// whenIdle returns what is closed when there is no call.
func (s *Service) whenIdle() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle == nil {
		idle := make(chan struct{})
		if len(s.byID) == 0 {
			close(idle)
			return idle
		}
		s.idle = idle
	}
	return s.idle
}

// Close ends what Drain has left, and everything else.
func (s *Service) Close() {
	s.closing.Store(true)
	s.cancel()
	for _, c := range s.all() {
		c.hangUp(ending{by: "restart", cause: causeTemporary, reason: "the server stops"})
	}
	s.running.Wait()
}

// enter makes a call known. It fails when the same INVITE is already being
// served (RFC 3261 §8.2.2.2).
func (s *Service) enter(c *call) *server.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := s.byName[c.callID]; other != nil; other = other.sameName {
		if other.caller.tag == c.caller.tag {
			return &server.Error{Status: sip.StatusLoopDetected}
		}
	}
	c.sameName = s.byName[c.callID]
	s.byName[c.callID] = c
	s.byID[c.record.ID] = c
	s.made[c.caller.user]++
	if c.half != talks {
		s.metrics.live.Inc()
	}
	return nil
}

// leave forgets a call that has ended.
func (s *Service) leave(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[c.record.ID] == c {
		delete(s.byID, c.record.ID)
	}
	s.refund(c.spent)
	if s.made[c.caller.user]--; s.made[c.caller.user] <= 0 {
		delete(s.made, c.caller.user)
	}
	if first := s.byName[c.callID]; first == c {
		if c.sameName == nil {
			delete(s.byName, c.callID)
		} else {
			s.byName[c.callID] = c.sameName
		}
	} else {
		for first != nil && first.sameName != c {
			first = first.sameName
		}
		if first != nil {
			first.sameName = c.sameName
		}
	}
	if c.heir.Load() == nil {
		s.metrics.live.Dec()
	}
	if len(s.byID) == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// find returns the call that has a dialog with these tags, and which side the
// first of them belongs to.
func (s *Service) find(callID, fromTag, toTag string) (c *call, from side) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c = s.byName[callID]; c != nil; c = c.sameName {
		switch c.caller.tag {
		case fromTag:
			return c, caller
		case toTag:
			return c, callee
		}
	}
	return nil, nobody
}

func (s *Service) all() []*call {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*call, 0, len(s.byID))
	for _, c := range s.byID {
		all = append(all, c)
	}
	return all
}

// refuseNow tells why no call may begin, nil when it may. A full server lets pass
// what may be an emergency; if it is none, refuseMore says so later.
func (s *Service) refuseNow(to *sip.Uri) *server.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing.Load():
		return &server.Error{Status: sip.StatusServiceUnavailable, RetryAfter: 10, Warning: "the server stops"}
	case s.cfg.MaxCalls > 0 && len(s.byID) >= s.cfg.MaxCalls && !(s.cfg.Border != nil && isTelephone(to)):
		return errFull()
	}
	return nil
}

func errFull() *server.Error {
	return &server.Error{Status: sip.StatusServiceUnavailable, RetryAfter: 10, Warning: "the server has as many calls as it may have"}
}

// refuseMore tells why a user may not make one more call, which is entered
// already; nil when he may.
func (s *Service) refuseMore(u store.UserID) *server.Error {
	most := s.cfg.MaxPerUser
	if own := s.settings.of(u); own != nil && own.MaxCalls > 0 {
		most = own.MaxCalls
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cfg.MaxCalls > 0 && len(s.byID) > s.cfg.MaxCalls:
		return errFull()
	case most > 0 && u != 0 && s.made[u] > most:
		return &server.Error{Status: sip.StatusForbidden, Warning: "you have as many calls as you may have; end one first"}
	}
	return nil
}

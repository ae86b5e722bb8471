package focus

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/event"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Rooms keeps which device is in which room.
type Rooms interface {
	SaveRooms(save, remove []store.RoomDevice)
	AllRooms(ctx context.Context, fn func(store.RoomDevice) error) error
	// Group finds groups that are dissolved too: their devices are owed a BYE.
	Group(ctx context.Context, id store.GroupID) (store.Group, []store.Member, error)
}

// Users names the members, and knows their devices.
type Users interface {
	User(ctx context.Context, id store.UserID) (store.User, error)
	ListUsers(ctx context.Context, match string, after store.UserID, limit int) ([]store.User, error)
	ListDevices(ctx context.Context, u store.UserID) ([]store.Device, error)
}

// Locations tells where people are; *registrar.Registrar does.
type Locations interface {
	Lookup(u store.UserID) []registrar.Target
	Resolve(u *sip.Uri, resume func(registrar.Resolved)) (registrar.Resolved, bool)
}

// Transactions sends requests; *transaction.Layer does.
type Transactions interface {
	Send(req *sip.Request, f *transport.Flow, on func(*transaction.Client, *sip.Response, error)) *transaction.Client
	SendACK(req *sip.Request, f *transport.Flow) error
}

// Flows tells the host and port by which the peer of a flow reaches us;
// *transport.Stack does.
type Flows interface {
	Local(f *transport.Flow) (host string, port int)
}

// Publisher gives documents to subscribers; *event.Notifier does.
type Publisher interface {
	Publish(pkg, resource string, form func(s *event.Subscription) (d event.Document, ok bool))
	End(pkg, resource string, u store.UserID, reason string)
}

var (
	_ Rooms        = store.Groups(nil)
	_ Locations    = (*registrar.Registrar)(nil)
	_ Transactions = (*transaction.Layer)(nil)
	_ Flows        = (*transport.Stack)(nil)
	_ Publisher    = (*event.Notifier)(nil)
	_ server.Focus = (*Service)(nil)

	_ event.Package   = (*Service)(nil)
	_ event.Confirmer = (*Service)(nil)
)

// Config of a Service.
type Config struct {
	Groups       *group.Service
	Rooms        Rooms
	Users        Users
	Locations    Locations
	Transactions Transactions
	Flows        Flows
	Domain       string
	Factory      string // user part of the factory's URI: "conference-factory"
	MaxMembers   int    // entries of one list; 0: 5000
	Log          *slog.Logger
	Registerer   prometheus.Registerer
}

// Bounds of what goes on at the same time.
const (
	defaultMaxMembers = 5000
	maxUnderWay       = 1000 // requests to devices
	jobsAtATime       = 32   // requests of users that wait for the store
	jobsWaiting       = 4096
	jobsEach          = 256 // of one user: his client sends a REFER for each whom he adds
)

// Service is the focus of every group. It is the conference event package too.
type Service struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	people  people
	devices devices
	line    *line
	jobs    *server.Jobs
	answers answers
	fresh   fresh
	states  states

	publisher Publisher
	joined    []func(store.UserID, store.DeviceID)

	closing atomic.Bool
	worker  sync.WaitGroup
}

// New starts a service. Close ends it.
func New(c Config) *Service {
	c.MaxMembers = cmp.Or(c.MaxMembers, defaultMaxMembers)
	s := &Service{
		cfg: c, log: c.Log, people: people{users: c.Users, domain: c.Domain},
		line: newLine(maxUnderWay),
		jobs: server.NewJobs(server.JobLimits{AtATime: jobsAtATime, Waiting: jobsWaiting, Each: jobsEach}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.metrics = newMetrics(c.Registerer, s)
	s.worker.Go(s.work)
	return s
}

// Notifies sets where changes are published; once, before anything is served.
func (s *Service) Notifies(p Publisher) { s.publisher = p }

// OnJoined adds a function called when a device has come into a room, or will
// not. It must not block; it is set before anything is served.
func (s *Service) OnJoined(fn func(store.UserID, store.DeviceID)) { s.joined = append(s.joined, fn) }

// Close refuses what comes from now on, and what waits for its turn. What has begun
// goes on: who closes the program waits for the transactions in progress. What is
// owed to devices is so after the next start.
func (s *Service) Close() {
	s.closing.Store(true)
	s.jobs.Close()
	s.line.close()
	s.answers.close()
	s.fresh.close()
	s.worker.Wait()
}

// Claims implements server.Focus: the factory is everybody's, a group that of its
// members and of who has a device in its room yet.
func (s *Service) Claims(u *sip.Uri, by store.UserID) bool {
	if s.isFactory(u) {
		return true
	}
	g, ok := s.groupOf(u)
	if !ok {
		return false
	}
	_, member := g.Member(by)
	return member || s.devices.in(by, g.ID)
}

func (s *Service) isFactory(u *sip.Uri) bool {
	return u.Scheme != "tel" && strings.EqualFold(u.User, s.cfg.Factory)
}

// groupOf finds the group with an address of ours.
func (s *Service) groupOf(u *sip.Uri) (*group.Snapshot, bool) {
	if u.User == "" || u.Scheme == "tel" {
		return nil, false
	}
	name, _, _ := strings.Cut(wire.AOR(u), "@")
	return s.cfg.Groups.Find(strings.ToLower(name))
}

// ServeSIP takes INVITE, ACK, BYE, REFER, OPTIONS … for the factory and groups.
// What may have to wait for the store is done elsewhere: the requests of one user
// in their order, those of different users side by side.
func (s *Service) ServeSIP(r *server.Request) {
	s.metrics.request(r.Method)
	switch {
	case r.Method == sip.ACK:
		s.answers.acknowledged(r.CallID, r.ToTag)
		return
	case s.closing.Load():
		s.refuse(r, errClosing())
		return
	case r.Sender.User == 0: // an agent of ours, which is no user
		s.refuse(r, &server.Error{Status: 404})
		return
	case r.Transaction() == nil:
		return
	}
	if err := s.jobs.Do(r.Sender.User, func() { s.serve(r) }); err != nil {
		s.refuse(r, err)
	}
}

func errClosing() error {
	return &server.Error{Status: 503, RetryAfter: 10, Warning: "server is going down"}
}

// serve answers a request. It may block.
func (s *Service) serve(r *server.Request) {
	if s.closing.Load() {
		s.refuse(r, errClosing())
		return
	}
	defer func() {
		if p := recover(); p != nil { // DESIGN.md law 6
			s.log.Error("a request panicked", "trace", r.TraceID, "method", string(r.Method), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			r.ReplyError(&server.Error{Status: 500, Warning: "internal error, trace " + r.TraceID})
		}
	}()
	if err := s.answer(r); err != nil {
		s.refuse(r, err)
	}
}

// answer gives a request to who knows what to do. An error is what it is to be
// answered with; otherwise it was answered.
func (s *Service) answer(r *server.Request) error {
	if err := checkRequired(r); err != nil {
		return err
	}
	if s.isFactory(&r.Recipient) {
		return s.atFactory(r)
	}
	if r.ToTag != "" {
		return s.inDialog(r)
	}
	g, err := s.groupFor(r)
	if err != nil {
		return err
	}
	switch r.Method {
	case sip.INVITE:
		return s.join(r, g)
	case sip.REFER:
		return s.refer(r, g)
	case sip.OPTIONS:
		r.Reply(200, "", s.abilities(g.URI())...)
		return nil
	case sip.BYE, sip.UPDATE, sip.PRACK, sip.INFO, sip.NOTIFY: // RFC 3261 §12.2.2
		return &server.Error{Status: 481}
	}
	return notAllowed()
}

func (s *Service) atFactory(r *server.Request) error {
	switch {
	case r.ToTag != "":
		return &server.Error{Status: 481}
	case r.Method == sip.INVITE:
		return s.create(r)
	case r.Method == sip.OPTIONS:
		r.Reply(200, "", s.abilities("sip:"+s.cfg.Factory+"@"+s.cfg.Domain)...)
		return nil
	}
	return notAllowed()
}

// groupFor is the group that a request is for. To who is not in it, there is
// none.
func (s *Service) groupFor(r *server.Request) (*group.Snapshot, error) {
	g, ok := s.groupOf(&r.Recipient)
	if ok {
		_, ok = g.Member(r.Sender.User)
	}
	if !ok {
		return nil, &server.Error{Status: 404}
	}
	return g, nil
}

// refuse answers with an error.
func (s *Service) refuse(r *server.Request, err error) {
	s.metrics.refused.Inc()
	s.log.Debug("request refused", "trace", r.TraceID, "method", string(r.Method), "user", r.Sender.User, "error", err)
	r.ReplyError(inSIP(err))
}

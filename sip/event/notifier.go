package event

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// Locations tells where people are; *registrar.Registrar does.
type Locations interface {
	Lookup(u store.UserID) []registrar.Target
	Resolve(u *sip.Uri, resume func(registrar.Resolved)) (registrar.Resolved, bool)
}

// Transactions sends requests; *transaction.Layer does.
type Transactions interface {
	Send(req *sip.Request, f *transport.Flow, on func(*transaction.Client, *sip.Response, error)) *transaction.Client
}

var (
	_ Locations      = (*registrar.Registrar)(nil)
	_ Transactions   = (*transaction.Layer)(nil)
	_ server.Handler = (*Notifier)(nil)
)

// Config of a Notifier.
type Config struct {
	Packages     []Package
	Locations    Locations
	Transactions Transactions
	Flows        interface {
		Local(f *transport.Flow) (host string, port int)
	}
	// Save keeps subscriptions over a restart; it must not block. nil: memory only.
	Save       func(save, remove []store.Subscription)
	MinExpires time.Duration         // shorter is refused with 423; 60 s when zero
	MaxExpires time.Duration         // longer is cut to this; 1 h when zero
	Log        *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
}

// Bounds.
const (
	// MaxSubscriptions of one device, lists counting once; about 1 kB each. A new
	// device subscribes to each group of its user as it is invited, and makes a list
	// of them at its next start.
	MaxSubscriptions = 1000
	// MaxEntries of a list.
	MaxEntries = 1000

	spareLists = 10 // let in above MaxSubscriptions: a list takes the place of others

	maxQueue = 16 // documents that wait for one subscription
	workers  = 4
)

// Notifier serves SUBSCRIBE.
type Notifier struct {
	cfg      Config
	log      *slog.Logger
	packages map[string]Package
	allow    string // value of Allow-Events
	metrics  *metrics
	table    table
	ready    ready

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// New starts a notifier. Close ends it.
func New(c Config) *Notifier {
	c.MinExpires = cmp.Or(c.MinExpires, time.Minute)
	c.MaxExpires = cmp.Or(c.MaxExpires, time.Hour)
	if c.Save == nil {
		c.Save = func(_, _ []store.Subscription) {}
	}
	n := &Notifier{cfg: c, log: c.Log, packages: map[string]Package{}}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	var names []string
	for _, p := range c.Packages {
		n.packages[p.Name()] = p
		names = append(names, p.Name())
	}
	slices.Sort(names)
	n.allow = strings.Join(names, ", ")
	n.table.init()
	n.ready.init()
	n.metrics = newMetrics(c.Registerer, n.table.len)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	for range workers {
		n.running.Go(func() { n.ready.serve(n.work) })
	}
	n.running.Go(n.expire)
	return n
}

// Close ends everything without telling the subscribers: what the store keeps goes
// on after a restart.
func (n *Notifier) Close() {
	n.cancel()
	n.ready.close()
	n.running.Wait()
	n.saveLists()
}

// saveLists keeps what subscribers to lists were told. While they are in force that
// is saved with their refreshes only: one NOTIFY would write the whole list. When all
// devices come back after a restart, they are told what has changed, and not of all
// groups.
func (n *Notifier) saveLists() {
	var lists []store.Subscription
	for _, s := range n.table.all() {
		s.own.Lock()
		if s.isList() && !s.over && s.ending == "" {
			lists = append(lists, s.record())
		}
		s.own.Unlock()
	}
	n.cfg.Save(lists, nil)
}

// Publish gives a document to everybody who is subscribed to a resource. It returns
// at once: form is called later, from any goroutine, never twice at once for one
// subscription, and perhaps not at all when Current tells him more. It makes the
// document for a subscription; ok false leaves him out.
func (n *Notifier) Publish(pkg, resource string, form func(s *Subscription) (d Document, ok bool)) {
	subscribers := n.table.watching(topic{pkg, resource})
	for _, s := range subscribers {
		s.in.publish(published{resource, form})
	}
	n.ready.add(subscribers...)
}

// End terminates the subscriptions of a user (0: everybody's) to a resource: with a
// NOTIFY that tells the reason (RFC 6665 §4.1.3: noresource, rejected …), without
// one when reason is "". List subscriptions go on without that resource.
func (n *Notifier) End(pkg, resource string, u store.UserID, reason string) {
	gone := withdrawal{resources: map[string]bool{resource: true}, reason: reason}
	for _, s := range n.table.watching(topic{pkg, resource}) {
		if u == 0 || s.User == u {
			s.in.withdraw(gone)
			n.ready.add(s)
		}
	}
}

// Reachable is a REGISTER of a device. Its subscriptions are brought up to date.
func (n *Notifier) Reachable(u store.UserID, d store.DeviceID) {
	here := n.table.of(deviceKey{u, d})
	for _, s := range here {
		s.in.registered()
	}
	n.ready.add(here...)
}

// Restore takes the subscriptions of an earlier run, before anything is served. all
// calls fn for each. What has expired meanwhile, or has no package, is removed.
func (n *Notifier) Restore(ctx context.Context, all func(ctx context.Context, fn func(store.Subscription) error) error) error {
	var expired []store.Subscription
	err := all(ctx, func(rec store.Subscription) error {
		pkg := n.packages[rec.Package]
		if pkg == nil || !rec.Expires.After(time.Now()) {
			expired = append(expired, rec)
			return nil
		}
		s := &subscription{Subscription: Subscription{Subscription: rec, Told: map[string]int64{}}, pkg: pkg}
		s.resume()
		n.table.add(s)
		return nil
	})
	if len(expired) > 0 {
		n.cfg.Save(nil, expired)
	}
	return err
}

package event

import (
	"context"
	"log/slog"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// Package is an event package. Its functions must not block. They may be called
// for several subscriptions at once, never for one.
type Package interface {
	Name() string // "conference"
	// Subscribe judges a new subscription (LocalCSeq is 0) or a refresh; an error
	// is answered as it is, and ends what was to be refreshed unless it is a 5xx.
	//
	// List is nil for a subscription to Resource alone. Of a list subscription
	// Resource is where it was sent, and List has the addresses asked for:
	// Subscribe takes away those that are nothing to the subscriber. Told has what
	// their parameter Last-Notify says; for Resource alone the package puts there
	// what it reads from r. A refresh cannot change what Told says already.
	Subscribe(s *Subscription, r *server.Request) error
	// Current is what brings a subscriber up to date with one resource, after
	// SUBSCRIBE and when he is back: the documents that lead from what he was told
	// (s.Told[resource]; absent: nothing) to the present, each the body of a
	// NOTIFY. None when he knows everything.
	Current(s *Subscription, resource string) []Document
}

// Document is the body of a NOTIFY.
type Document struct {
	Type     string
	Headers  []sip.Header
	Body     []byte
	Resource string // that it is about
	Version  int64
}

// Subscription is one subscriber's wish. It is for the package only from within
// its functions and from the form of [Notifier.Publish].
type Subscription struct {
	store.Subscription
	// Told is the version of each resource that the subscriber has confirmed.
	Told map[string]int64
}

// Locations, Transactions and Flows are as in chat.
type Locations interface {
	Lookup(u store.UserID) []registrar.Target
	Resolve(u *sip.Uri, resume func(registrar.Resolved)) (registrar.Resolved, bool)
}

type Transactions interface {
	Send(req *sip.Request, f *transport.Flow, on func(*transaction.Client, *sip.Response, error)) *transaction.Client
}

// Config of a Notifier.
type Config struct {
	Packages     []Package
	Locations    Locations
	Transactions Transactions
	Flows        interface {
		Local(f *transport.Flow) (host string, port int)
	}
	Save       func(save, remove []store.Subscription) // nil: memory only
	Domain     string
	MinExpires time.Duration // 60 s
	MaxExpires time.Duration // 1 h
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Notifier serves SUBSCRIBE.
type Notifier struct{}

func New(c Config) *Notifier { panic("contract") }

// Restore takes subscriptions of an earlier run.
func (n *Notifier) Restore(ctx context.Context, all func(ctx context.Context, fn func(store.Subscription) error) error) error {
	panic("contract")
}
func (n *Notifier) ServeSIP(r *server.Request) { panic("contract") }

// Publish gives a document to everybody who is subscribed to a resource. It returns
// at once: form is called later, from any goroutine, never twice at once for one
// subscription, and perhaps not at all when Current tells him more. It makes the
// document for a subscription; ok false leaves him out.
func (n *Notifier) Publish(pkg, resource string, form func(s *Subscription) (d Document, ok bool)) {
	panic("contract")
}

// End terminates the subscriptions of a user (0: everybody's) to a resource.
func (n *Notifier) End(pkg, resource string, u store.UserID, reason string) { panic("contract") }

// Reachable is a REGISTER of a device.
func (n *Notifier) Reachable(u store.UserID, d store.DeviceID) { panic("contract") }
func (n *Notifier) Close()                                     { panic("contract") }

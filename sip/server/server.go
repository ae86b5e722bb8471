package server

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Handler is a service.
type Handler interface {
	// ServeSIP must not block. It may keep r and answer later.
	ServeSIP(r *Request)
}

// Door is the proxy's entrance for requests inside dialogs.
type Door interface {
	// Claims tells whether r carries a valid dialog token of ours.
	Claims(r *Request) bool
}

// Border serves what carriers send.
type Border interface {
	Handler
	// Claims tells whether r comes from a carrier or belongs to a dialog with one.
	Claims(r *Request) bool
}

// Focus serves conferences: groups, and the factory where they are made.
type Focus interface {
	Handler
	// Claims tells whether an address of ours is a conference to a user. To who has
	// nothing to do with one its address is any other, of which nobody answers. It
	// must not block.
	Claims(u *sip.Uri, by store.UserID) bool
	// Knows tells who sent a BYE inside a dialog with a conference, when it names
	// the dialog and came by the flow of the device that is in it. It need not be
	// proven again: a challenged BYE leaves some clients without the dialog, and in
	// the room for ever. It must not block.
	Knows(r *Request) (auth.Identity, bool)
}

// Authenticator is what the chain needs of [auth.Authenticator].
type Authenticator interface {
	Check(f *transport.Flow, req *sip.Request, core *wire.Core, proxy bool, resume func(auth.Result)) (auth.Result, bool)
}

// Config names the parts around the chain.
type Config struct {
	// Domains are all names that are ours, the listeners' addresses as hosts
	// too. The first one signs warnings.
	Domains []string

	Auth      Authenticator
	Registrar Handler
	Chat      Handler
	Proxy     Handler
	InDialog  Door    // nil: nothing is inside a dialog of ours
	Calls     Handler // INVITE and REFER outside of dialogs, of our users and trusted agents; nil: the proxy
	Focus     Focus   // what is sent to conferences, but MESSAGE and SUBSCRIBE; nil: there are none
	Events    Handler // SUBSCRIBE; nil: nobody can subscribe to anything
	Border    Border  // what comes from carriers; nil: nothing does

	// Trusted tells whether a flow is that of an agent of ours inside this
	// process: what it sends is neither challenged nor limited, and what it
	// asserts about identity holds. nil: none is.
	Trusted func(f *transport.Flow) bool

	// Owns tells whether user (unescaped user part, or a telephone number) is
	// one of the sender's own besides the username: a number. It must not
	// block. nil: usernames only.
	Owns func(sender auth.Identity, user string) bool

	// Load tells how full the system is: 0 idle, 1 at its limits. It is asked
	// once a request and must be cheap. nil: never overloaded.
	Load func() float64

	// Rate is how many requests a second one address (IPv6: one /64) may send
	// before it has proved who it is, with bursts of four times as many. 0 means
	// 100, less than 0 no limit. Addresses in Unlimited are not counted; nil
	// means the loopback addresses.
	Rate      float64
	Unlimited []netip.Prefix

	Malformed func(f *transport.Flow, e *wire.Error) // nil: only counted
	Closed    []func(f *transport.Flow)              // told of each flow's end, in this order

	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil for no metrics
}

// Server is the chain. It is the transaction.User.
type Server struct {
	cfg      Config
	domains  map[string]bool
	log      *slog.Logger
	chain    []step
	sources  *sources
	trace    tracer
	counters *counters
}

// New returns a server.
func New(c Config) *Server {
	s := &Server{
		cfg:      c,
		domains:  make(map[string]bool, len(c.Domains)),
		log:      c.Logger,
		counters: newCounters(c.Registerer),
	}
	for _, d := range c.Domains {
		s.domains[canonicalHost(d)] = true
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if c.Rate >= 0 {
		s.sources = newSources(c.Rate, c.Unlimited)
	}
	s.chain = s.steps()
	return s
}

// Request takes a request from the transaction layer.
func (s *Server) Request(in *transaction.Incoming) {
	s.counters.request(string(in.Method))
	r := &Request{Incoming: in, TraceID: s.trace.next(), server: s}
	r.Trusted = s.cfg.Trusted != nil && s.cfg.Trusted(in.Flow)
	s.walk(r)
}

// Malformed counts a request that was refused before it had a meaning.
func (s *Server) Malformed(f *transport.Flow, e *wire.Error) {
	s.counters.refused("malformed").Inc()
	if s.cfg.Malformed != nil {
		s.guard(func() { s.cfg.Malformed(f, e) })
	}
}

// Closed tells everybody that a flow has ended.
func (s *Server) Closed(f *transport.Flow) {
	for _, told := range s.cfg.Closed {
		s.guard(func() { told(f) })
	}
}

// Owns tells whether host is one of our names.
func (s *Server) Owns(host string) bool {
	return s.domains[host] || s.domains[canonicalHost(host)]
}

func canonicalHost(h string) string {
	return strings.Trim(strings.ToLower(strings.TrimSuffix(h, ".")), "[]")
}

// caught answers a request whose handler panicked (DESIGN.md law 6). It is
// deferred.
func (s *Server) caught(r *Request) {
	p := recover()
	if p == nil {
		return
	}
	s.panicked(p, "trace", r.TraceID, "method", string(r.Method), "call_id", r.CallID)
	defer func() { _ = recover() }() // the answer itself may be what panics
	r.ReplyError(&Error{Status: 500, Warning: "internal error, trace " + r.TraceID})
}

// guard runs a call that belongs to no request.
func (s *Server) guard(call func()) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(p)
		}
	}()
	call()
}

func (s *Server) panicked(p any, about ...any) {
	s.counters.panics.Add(1)
	s.log.Error("a handler panicked", append(about, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))...)
}

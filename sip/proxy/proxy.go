package proxy

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Transactions is what the proxy needs of [transaction.Layer].
type Transactions interface {
	Send(req *sip.Request, f *transport.Flow, on func(*transaction.Client, *sip.Response, error)) *transaction.Client
	SendACK(req *sip.Request, f *transport.Flow) error
}

// Flows is what the proxy needs of [transport.Stack].
type Flows interface {
	// Flow returns the live flow with that id.
	Flow(id uint64) (*transport.Flow, bool)
	// UDPFlow returns a flow from the UDP socket that serves local.
	UDPFlow(local, remote netip.AddrPort) (*transport.Flow, error)
	// Local returns the host and port by which the peer of a flow reaches us.
	Local(f *transport.Flow) (host string, port int)
}

// Locations is what the proxy needs of [registrar.Registrar].
type Locations interface {
	Resolve(u *sip.Uri, resume func(registrar.Resolved)) (registrar.Resolved, bool)
	ByContact(u *sip.Uri) (registrar.Target, bool)
	ByFlow(f *transport.Flow) []registrar.Target
}

var (
	_ Transactions = (*transaction.Layer)(nil)
	_ Flows        = (*transport.Stack)(nil)
	_ Locations    = (*registrar.Registrar)(nil)
)

// Config is what a proxy is made of. Everything without a default is needed.
type Config struct {
	Transactions Transactions
	Flows        Flows
	Locations    Locations
	Domains      []string              // the domains we serve; also the realms of our challenges
	Secret       []byte                // seals dialog tokens, at least 16 bytes; dialogs outlive a restart when it does
	MaxBreadth   int                   // branches that one request may have at a time (RFC 5393 §5), default 60
	TimerC       time.Duration         // how long a call may ring without news (RFC 3261 §16.6 step 11), default 181 s
	Log          *slog.Logger          // default: silent
	Metrics      prometheus.Registerer // nil: not registered
}

// Proxy serves every request that no other service owns. It is safe for
// concurrent use.
type Proxy struct {
	cfg     Config
	domains map[string]bool
	tokens  *sealer
	loops   maphash.Seed
	ringing *timerC
	dialogs Dialogs // nil: nobody watches them
	metrics *metrics

	leftOut        []string // header fields that are not forwarded, see identity.go
	leftOutFirst   []string // the same for a request outside of dialogs
	leftOutTrusted []string // and for one of an agent of ours

	fullBreadth sip.Header // Max-Breadth of a request that goes to one device
}

// New makes a proxy.
func New(c Config) (*Proxy, error) {
	if len(c.Secret) < 16 {
		return nil, errors.New("proxy: Config.Secret must have at least 16 bytes")
	}
	if len(c.Domains) == 0 {
		return nil, errors.New("proxy: Config.Domains is empty: name at least one domain to serve")
	}
	if c.MaxBreadth == 0 {
		c.MaxBreadth = 60
	}
	if c.TimerC == 0 {
		c.TimerC = 181 * time.Second // more than 3 minutes
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{
		cfg:     c,
		domains: make(map[string]bool, len(c.Domains)),
		tokens:  newSealer(c.Secret),
		loops:   maphash.MakeSeed(),
		ringing: newTimerC(c.TimerC),
		metrics: newMetrics(c.Metrics),
		leftOut: leftOut(),

		leftOutFirst:   append(leftOut(), "Max-Breadth"),
		leftOutTrusted: append(credentials(), "Max-Breadth"),
		fullBreadth:    wire.H("Max-Breadth", strconv.Itoa(c.MaxBreadth)),
	}
	for _, d := range c.Domains {
		p.domains[strings.ToLower(d)] = true
	}
	return p, nil
}

// ServeSIP forwards r by RFC 3261 §16. A CANCEL, and an ACK that the proxy does
// not claim, do not get here: the chain ends them.
func (p *Proxy) ServeSIP(r *server.Request) {
	if r.ToTag != "" {
		p.serveDialog(r)
		return
	}
	p.serveInitial(r, nil)
}

// caught is deferred where a clock or the registrar calls instead of the chain,
// which nobody guards: a panic costs one request (DESIGN.md law 6). r may be nil.
func (p *Proxy) caught(r *server.Request) {
	v := recover()
	if v == nil {
		return
	}
	p.metrics.panics.Inc()
	trace := ""
	if r != nil {
		trace = r.TraceID
		r.Reply(sip.StatusInternalServerError, "")
	}
	p.cfg.Log.Error("forwarding panicked", "panic", fmt.Sprint(v), "trace", trace, "stack", string(debug.Stack()))
}

// serves tells whether a host is one of our domains.
func (p *Proxy) serves(host string) bool {
	return p.domains[host] || p.domains[strings.ToLower(host)]
}

// refuse answers, and counts and logs why.
func (p *Proxy) refuse(r *server.Request, why reason, err *server.Error) {
	p.metrics.refused[why].Inc()
	p.cfg.Log.LogAttrs(context.Background(), why.level(), "a request was not forwarded",
		slog.String("trace", r.TraceID), slog.String("why", why.String()), slog.Int("status", err.Status),
		slog.String("method", string(r.Method)), slog.String("sender", r.Sender.AOR()), slog.String("call_id", r.CallID))
	r.ReplyError(err)
}

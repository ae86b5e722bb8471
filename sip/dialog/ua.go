package dialog

import (
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Timers of RFC 3261 Table 4 that are the business of a user agent.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
)

// basics is what a session understands by itself or with little help of its owner.
const basics = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO"

// Config is what a UA is made of.
type Config struct {
	Transactions *transaction.Layer

	// Local tells the host and port by which the peer of a flow reaches us
	// ([transport.Stack.Local]).
	Local func(f *transport.Flow) (host string, port int)

	// Route finds the flow to the next hop of a dialog, the first route or the
	// target, and calls then, at once or later, on any goroutine. nil: the flow of
	// the first request serves the whole dialog.
	Route func(next sip.Uri, now *transport.Flow, then func(*transport.Flow, error))

	Allow   string                // methods that are announced, "" those of a plain call
	Agent   string                // User-Agent and Server, "" for none
	Log     *slog.Logger          // nil: discard
	Metrics prometheus.Registerer // nil: not registered
	Name    string                // label of the metrics
}

// UA is one user agent. It is safe for concurrent use.
type UA struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics

	mu       sync.Mutex
	sessions map[string]*Session // by each of our tags, which nobody can guess
}

// New makes a user agent.
func New(c Config) (*UA, error) {
	if c.Transactions == nil || c.Local == nil {
		return nil, errors.New("dialog: Config.Transactions and Config.Local are needed")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Allow == "" {
		c.Allow = basics
	}
	m, err := newMetrics(c.Metrics, c.Name)
	if err != nil {
		return nil, err
	}
	return &UA{cfg: c, log: c.Log, metrics: m, sessions: make(map[string]*Session)}, nil
}

// Strand makes a strand for sessions of one call.
func (u *UA) Strand() *Strand { return &Strand{log: u.log, panics: u.metrics.panics} }

// Sessions is the number of sessions that are not over.
func (u *UA) Sessions() int { return int(u.metrics.live.Load()) }

// Claims tells whether a request belongs to a session of this user agent.
func (u *UA) Claims(core *wire.Core) bool { return u.find(core) != nil }

// find returns the session that a request inside a dialog belongs to.
func (u *UA) find(core *wire.Core) *Session {
	if core.ToTag == "" {
		return nil
	}
	u.mu.Lock()
	s := u.sessions[core.ToTag]
	u.mu.Unlock()
	if s == nil || s.callID != core.CallID {
		return nil
	}
	return s
}

// Serve gives a request inside a dialog to its session; it answers 481 where
// there is none (RFC 3261 §12.2.2). tx is nil for ACK, and then nothing is
// answered.
func (u *UA) Serve(in *transaction.Incoming, tx *transaction.Server) {
	i := &Incoming{Incoming: in, tx: tx, ua: u}
	s := u.find(&in.Core)
	if s == nil {
		i.Reply(sip.StatusCallTransactionDoesNotExists, "")
		return
	}
	if !s.strand.Do(func() { s.serve(i) }) {
		u.metrics.dropped.Inc()
		i.Reply(sip.StatusServiceUnavailable, "", wire.H("Retry-After", "5"))
	}
}

// enter makes a session findable by a tag.
func (u *UA) enter(tag string, s *Session) {
	u.mu.Lock()
	u.sessions[tag] = s
	u.mu.Unlock()
}

func (u *UA) leave(tag string) {
	u.mu.Lock()
	delete(u.sessions, tag)
	u.mu.Unlock()
}

// hostPort is how the peer of f names us.
func (u *UA) hostPort(f *transport.Flow) string {
	host, port := u.cfg.Local(f)
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// Via makes a Via value with a fresh branch for a request that goes out by f.
func (u *UA) Via(f *transport.Flow) string {
	return "SIP/2.0/" + f.Transport + " " + u.hostPort(f) + ";branch=" + wire.NewBranch() + ";rport"
}

// Contact is our Contact URI for the peer of f.
func (u *UA) Contact(user string, f *transport.Flow) string {
	return "sip:" + user + "@" + u.hostPort(f) + ";transport=" + strings.ToLower(f.Transport)
}

// agent appends the header that names us.
func (u *UA) agent(name string, hs []sip.Header) []sip.Header {
	if u.cfg.Agent == "" {
		return hs
	}
	return append(hs, wire.H(name, u.cfg.Agent))
}

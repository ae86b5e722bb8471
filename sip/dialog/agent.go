package dialog

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// AgentConfig is what an Agent is made of.
type AgentConfig struct {
	// Name labels metrics and logs: "border", "click".
	Name string

	// Server takes what the agent sends: the server's transaction layer.
	Server transport.Handler

	// Stack makes the flow of the agent findable by its ID, as dialog tokens of
	// the proxy name it.
	Stack interface {
		Attach(f *transport.Flow)
		Detach(f *transport.Flow)
		Local(f *transport.Flow) (host string, port int)
	}

	Allow   string // as in Config
	Agent   string // as in Config
	Log     *slog.Logger
	Metrics prometheus.Registerer

	// Incoming is an INVITE outside of dialogs for this agent, with its
	// transaction. It must not block. nil refuses them.
	Incoming func(in *transaction.Incoming, tx *transaction.Server)
}

// Agent is a user agent inside this process. It is safe for concurrent use.
type Agent struct {
	*UA
	cfg   AgentConfig
	layer *transaction.Layer
	near  *transport.Flow // the server's end of the cable
	far   *transport.Flow // the agent's end
	up    *line           // to the server
	down  *line           // to the agent
}

// NewAgent makes an agent and plugs it in.
func NewAgent(c AgentConfig) (*Agent, error) {
	if c.Server == nil || c.Stack == nil {
		return nil, errors.New("dialog: AgentConfig.Server and AgentConfig.Stack are needed")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	a := &Agent{cfg: c, layer: transaction.New(transaction.Config{Logger: c.Log})}
	var err error
	a.UA, err = New(Config{
		Transactions: a.layer,
		Local:        func(*transport.Flow) (string, int) { return c.Stack.Local(a.near) },
		Allow:        c.Allow, Agent: c.Agent, Name: c.Name, Log: c.Log, Metrics: c.Metrics,
	})
	if err != nil {
		return nil, err
	}
	a.up, a.down = a.newLine("server"), a.newLine("agent")
	a.near, a.far = end(a.down, a.up), end(a.up, a.down)
	c.Stack.Attach(a.near)
	a.layer.Serve((*agentUser)(a))
	a.up.run(a.near, c.Server)
	a.down.run(a.far, a.layer)
	return a, nil
}

// Flow is the server's side of the agent: a request that the proxy sends by it
// reaches the agent, and what the agent sends comes by it.
func (a *Agent) Flow() *transport.Flow { return a.near }

// Has tells whether f is the agent's own end, by which it hears the server.
func (a *Agent) Has(f *transport.Flow) bool { return f == a.far }

// Call places a call through the server; Call.Flow is the agent's own.
func (a *Agent) Call(c Call, on Events) *Session {
	c.Flow = a.far
	return a.UA.Call(c, on)
}

// Accept takes an INVITE that Incoming brought.
func (a *Agent) Accept(in *transaction.Incoming, tx *transaction.Server, strand *Strand, on Events) *Session {
	return a.UA.Accept(in, tx, strand, on, nil)
}

// Close unplugs the agent. Sessions that live hear nothing more.
func (a *Agent) Close() {
	a.cfg.Stack.Detach(a.near)
	a.up.close()
	a.down.close()
	a.layer.Close()
}

// agentUser is the agent as the user of its transaction layer.
type agentUser Agent

func (a *agentUser) Request(in *transaction.Incoming) {
	switch {
	case in.Method == "ACK":
		a.UA.Serve(in, nil)
	case in.ToTag == "" && in.Method != "INVITE", in.ToTag == "" && a.cfg.Incoming == nil:
		in.Reply(wire.NewResponse(in.Request, 405, "", wire.H("Allow", a.UA.cfg.Allow)))
	default:
		tx, err := in.Begin()
		switch {
		case errors.Is(err, transaction.ErrOverload):
			in.Reply(wire.NewResponse(in.Request, 503, "", wire.H("Retry-After", "5")))
		case err != nil:
		case in.ToTag == "":
			a.cfg.Incoming(in, tx)
		default:
			a.UA.Serve(in, tx)
		}
	}
}

func (a *agentUser) Malformed(*transport.Flow, *wire.Error) {}
func (a *agentUser) Closed(*transport.Flow)                 {}

// maxLine bounds the messages that wait on a line. A sender beyond it learns that
// the flow is full, and its transaction fails at once.
const maxLine = 16384

// line carries messages one way, in their order: a queue and one goroutine.
type line struct {
	name    string
	log     *slog.Logger
	dropped prometheus.Counter
	panics  prometheus.Counter

	mu      sync.Mutex
	come    sync.Cond
	waiting [][]byte
	closed  bool
}

func (a *Agent) newLine(to string) *line {
	l := &line{name: to, log: a.cfg.Log, dropped: a.metrics.dropped, panics: a.metrics.panics}
	l.come.L = &l.mu
	return l
}

// end is one end of the cable: out is where it sends, in what it receives. In
// process nobody listens, so it counts as secure.
func end(out, in *line) *transport.Flow {
	here := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 5061)
	return transport.NewFlow(&transport.Flow{Transport: transport.TLS, Local: here, Remote: here}, plug{out, in})
}

// plug is the link of an end.
type plug struct{ out, in *line }

func (p plug) Send(b []byte) error { return p.out.put(b) }
func (p plug) Open() bool          { return p.out.isOpen() }
func (p plug) Close(string)        {} // the cable stays: nobody in this process hangs

func (l *line) put(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return transport.ErrClosed
	}
	if len(l.waiting) >= maxLine {
		l.dropped.Inc()
		return transport.ErrQueueFull
	}
	l.waiting = append(l.waiting, slices.Clone(b))
	l.come.Signal()
	return nil
}

func (l *line) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.closed
}

func (l *line) close() {
	l.mu.Lock()
	l.closed = true
	l.come.Signal()
	l.mu.Unlock()
}

// run gives what comes to h, as if it had arrived by f.
func (l *line) run(f *transport.Flow, h transport.Handler) {
	go func() {
		for batch := l.take(); batch != nil; batch = l.take() {
			for _, b := range batch {
				l.deliver(f, h, b)
			}
		}
	}()
}

// take waits for messages and returns all; nil at the end.
func (l *line) take() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) == 0 && !l.closed {
		l.come.Wait()
	}
	if l.closed {
		return nil
	}
	batch := l.waiting
	l.waiting = nil
	return batch
}

func (l *line) deliver(f *transport.Flow, h transport.Handler, b []byte) {
	defer func() {
		if p := recover(); p != nil { // DESIGN.md law 6
			l.panics.Inc()
			l.log.Error("a message of an agent was lost to a panic", "to", l.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	m, err := wire.Parse(b)
	if err != nil {
		l.log.Error("a message of our own cannot be read", "to", l.name, "error", err)
		return
	}
	if req, ok := m.(*sip.Request); ok {
		wire.Stamp(req, f.Remote)
	}
	h.Message(f, m)
}

package transaction

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Errors of transactions.
var (
	// ErrTimeout is the end of a client transaction that got no final response
	// (Timer B or F, or 64*T1 after a CANCEL).
	ErrTimeout = errors.New("transaction: no final response in time")
	// ErrTransport is the end of a client transaction whose flow broke.
	ErrTransport = errors.New("transaction: the flow is gone")
	// ErrOverload refuses a transaction beyond Config.MaxTransactions.
	ErrOverload = errors.New("transaction: too many transactions, try again later")
	// ErrRetransmission tells that a request is the repetition of one that has a
	// transaction by now; it has been dealt with.
	ErrRetransmission = errors.New("transaction: the request already has a transaction")
	// ErrAnswered tells that a response came too late and was not sent.
	ErrAnswered = errors.New("transaction: a final response was sent before")
)

// Config sets the layer up. The zero value is RFC 3261 Table 4.
type Config struct {
	T1, T2, T4      time.Duration // 500 ms, 4 s and 5 s when zero
	MaxTransactions int           // of both kinds together; 200,000 when zero
	Logger          *slog.Logger
	Registerer      prometheus.Registerer // nil for no metrics
}

// User is the transaction user (RFC 3261 §5), the layer above. Its methods are
// called on flow goroutines and must not block.
type User interface {
	// Request is a request that belongs to no transaction; also an ACK to a
	// 2xx and a CANCEL that matches nothing.
	Request(in *Incoming)
	// Malformed is a request that failed wire's checks; the layer has already
	// answered it statelessly. For counting and banning.
	Malformed(f *transport.Flow, e *wire.Error)
	// Closed is the end of a flow.
	Closed(f *transport.Flow)
}

// Layer is the transaction layer. It is a transport.Handler.
type Layer struct {
	t1, t2, t4 time.Duration
	limit      int64
	log        *slog.Logger
	user       User

	live    atomic.Int64
	servers *table[*Server]
	clients *table[*Client]
	flows   *flowIndex
	wheel   *wheel
	metrics *metrics
	scratch sync.Pool // *[]byte in which messages are written
}

// New returns a layer. Call Serve before the first message arrives, and Close
// at the end.
func New(c Config) *Layer {
	l := &Layer{
		t1: c.T1, t2: c.T2, t4: c.T4,
		limit:   int64(c.MaxTransactions),
		log:     c.Logger,
		servers: newTable[*Server](),
		clients: newTable[*Client](),
		flows:   newFlowIndex(),
		metrics: newMetrics(c.Registerer),
	}
	if l.t1 == 0 {
		l.t1 = 500 * time.Millisecond
	}
	if l.t2 == 0 {
		l.t2 = 4 * time.Second
	}
	if l.t4 == 0 {
		l.t4 = 5 * time.Second
	}
	if l.limit == 0 {
		l.limit = 200_000
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.scratch.New = func() any { b := make([]byte, 0, 2048); return &b }
	l.wheel = newWheel()
	return l
}

// Serve names the user. The parts above the layer send through it, so it exists
// before they do.
func (l *Layer) Serve(u User) { l.user = u }

// Close stops the timers. Transactions that are alive hear nothing more.
func (l *Layer) Close() { l.wheel.close() }

// Live is the number of transactions.
func (l *Layer) Live() int { return int(l.live.Load()) }

// Unfinished is how many transactions still wait for their final response:
// ours to requests from outside, and others' to requests of ours. All other
// transactions only absorb repetitions; nothing is lost when they are cut off.
func (l *Layer) Unfinished() (received, sent int) {
	waiting := func(k kind) int {
		states := &l.metrics.live[k]
		return int(states[calling].Load() + states[trying].Load() + states[proceeding].Load())
	}
	return waiting(server) + waiting(inviteServer), waiting(client) + waiting(inviteClient)
}

// Message takes a message from transport: into its transaction, or up.
func (l *Layer) Message(f *transport.Flow, m sip.Message) {
	switch m := m.(type) {
	case *sip.Request:
		l.request(f, m)
	case *sip.Response:
		l.response(f, m)
	}
}

// Malformed answers what could not be parsed and tells the user.
func (l *Layer) Malformed(f *transport.Flow, e *wire.Error) {
	// RFC 3261 §17.1.1.3: there is no response to ACK
	if e.Request != nil && e.Request.Method != sip.ACK {
		l.metrics.sent(e.Status)
		_ = l.write(f, wire.NewResponse(e.Request, e.Status, e.Reason)) // a flow that broke needs no answer
	}
	l.user.Malformed(f, e)
}

// Closed ends the client transactions that wait for this flow.
func (l *Layer) Closed(f *transport.Flow) {
	for _, tx := range l.flows.take(f.ID) {
		tx.flowClosed()
	}
	l.user.Closed(f)
}

// SendACK sends an ACK to a 2xx (or any request that has no transaction).
func (l *Layer) SendACK(req *sip.Request, f *transport.Flow) error {
	return l.write(f, req)
}

func (l *Layer) request(f *transport.Flow, req *sip.Request) {
	core, bad := wire.Examine(req)
	if bad != nil {
		l.Malformed(f, bad)
		return
	}
	in := &Incoming{Request: req, Core: core, Flow: f, layer: l}
	if l.absorb(in) || in.cancel() {
		return
	}
	l.user.Request(in)
}

// absorb gives a request to the server transaction it belongs to, if any.
func (l *Layer) absorb(in *Incoming) bool {
	var room [keyRoom]byte
	tx, ok := l.servers.find(appendServerKey(room[:0], in, matchMethod(&in.Core)))
	return ok && tx.receive(in)
}

func (l *Layer) response(f *transport.Flow, res *sip.Response) {
	core, err := wire.ExamineResponse(res)
	if err != nil {
		l.log.Debug("response dropped", "flow", f.ID, "error", err)
		return
	}
	l.metrics.received(res.StatusCode)
	var room [keyRoom]byte
	tx, ok := l.clients.find(appendClientKey(room[:0], core.Via.Branch, core.CSeqMethod))
	if !ok || !tx.receive(res) {
		l.metrics.strays.Add(1) // RFC 6026 §8: nobody forwards what has no transaction
	}
}

// reserve counts a transaction in; false when there are too many.
func (l *Layer) reserve() bool {
	if l.live.Add(1) > l.limit {
		l.live.Add(-1)
		l.metrics.overloads.Add(1)
		return false
	}
	return true
}

// encode writes m into a buffer; release gives it back after Send, which does
// not keep it.
func (l *Layer) encode(m sip.Message) *[]byte {
	p := l.scratch.Get().(*[]byte)
	*p = wire.Append((*p)[:0], m)
	return p
}

func (l *Layer) release(p *[]byte) { l.scratch.Put(p) }

func (l *Layer) write(f *transport.Flow, m sip.Message) error {
	p := l.encode(m)
	defer l.release(p)
	return f.Send(*p)
}

// survive is deferred around calls of a user, whose panic hurts nobody else
// (DESIGN.md law 6).
func (l *Layer) survive() {
	if p := recover(); p != nil {
		l.metrics.panics.Add(1)
		l.log.Error("a transaction's user panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
}

func (l *Layer) guard(call func()) {
	defer l.survive()
	call()
}

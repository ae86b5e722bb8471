package transaction

import (
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Client is a client transaction. It is safe for concurrent use.
type Client struct {
	layer *Layer
	flow  *transport.Flow
	key   string
	on    func(*Client, *sip.Response, error)

	// neighbours among the transactions of the flow, owned by flowIndex
	before, after *Client
	indexed       bool

	mu       sync.Mutex
	kind     kind
	state    state
	due      int64 // when the alarm is meant to ring, 0 for never
	alarm    alarm
	interval time.Duration // Timer A or E
	giveUp   int64         // tick of Timer B or F
	req      *sip.Request  // what is retransmitted; nil after the final response
	ack      []byte        // and then this, for INVITE over UDP
	failure  error         // to be told at the next alarm
	stopped  bool
	cancel   *cancellation

	telling bool    // somebody is in on
	waiting []event // for whoever is in on
}

// event is one call of a user.
type event struct {
	res *sip.Response
	err error
}

// Send starts a client transaction: req (with our Via on top, its branch unique)
// goes out on f. on gets each response, in order, and once an error instead
// of a final response: ErrTimeout (Timer B or F), ErrTransport (the flow
// broke; also when Send could not write) or ErrOverload. on is never called
// twice at once, never on the caller's stack, but perhaps before Send returns;
// it must not block.
//
// An INVITE that was answered with a provisional response waits for ever; end
// it with Cancel (RFC 3261 §16.8 tells a proxy when).
func (l *Layer) Send(req *sip.Request, f *transport.Flow, on func(*Client, *sip.Response, error)) *Client {
	tx := &Client{layer: l, flow: f, on: on, req: req, kind: client, state: trying}
	if req.Method == sip.INVITE {
		tx.kind, tx.state = inviteClient, calling
	}
	tx.alarm.owner = tx
	var room [keyRoom]byte
	tx.key = string(appendClientKey(room[:0], branchOf(wire.Header(req, "Via")), string(req.Method)))
	if !l.reserve() {
		tx.refuse(ErrOverload)
		return tx
	}
	if _, ok := l.clients.add(tx.key, tx); !ok {
		l.live.Add(-1)
		l.log.Error("a branch was used twice, the request is not sent", "method", req.Method)
		tx.refuse(ErrTransport)
		return tx
	}
	tx.begin()
	return tx
}

// branchOf reads the branch of a Via value that we wrote.
func branchOf(via string) string {
	_, branch, _ := strings.Cut(via, ";branch=")
	if i := strings.IndexAny(branch, ";, "); i >= 0 {
		branch = branch[:i]
	}
	return branch
}

// refuse tells the user at once, but not on its stack. The transaction is in no
// table.
func (tx *Client) refuse(err error) {
	tx.mu.Lock()
	tx.state = terminated
	tx.failure = err
	tx.arm(0)
	tx.mu.Unlock()
}

// begin sends the request and starts its clock.
func (tx *Client) begin() {
	l := tx.layer
	p := l.encode(tx.req)
	defer l.release(p)
	tx.mu.Lock()
	l.metrics.enter(tx.kind, tx.state)
	tx.giveUp = l.wheel.after(64 * l.t1) // Timers B and F
	if tx.flow.Reliable() {
		l.flows.add(tx)
		tx.arm(64 * l.t1)
	} else {
		tx.interval = l.t1
		tx.arm(tx.interval) // Timers A and E
	}
	tx.mu.Unlock()
	if tx.flow.Send(*p) != nil {
		tx.failSoon()
	}
}

// failSoon lets the wheel tell the user that the flow is broken.
func (tx *Client) failSoon() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.state.pending() {
		tx.failure = ErrTransport
		tx.arm(0)
	}
}

// Stop forgets the transaction without telling its user anything more. An
// INVITE that got a negative final response goes on acknowledging it.
func (tx *Client) Stop() {
	tx.mu.Lock()
	tx.stopped = true
	tx.waiting = nil
	if tx.kind != inviteClient || tx.state != completed {
		tx.end()
	}
	tx.mu.Unlock()
}

// receive takes a response. false gives it to the layer's user as a stray.
func (tx *Client) receive(res *sip.Response) bool {
	tx.mu.Lock()
	if tx.kind == inviteClient {
		return tx.receiveInvite(res)
	}
	// RFC 3261 Figure 6
	switch {
	case !tx.state.pending():
		tx.mu.Unlock()
		tx.layer.metrics.resentToUs.Add(1)
		return true
	case res.StatusCode < 200:
		if tx.state == trying {
			tx.enter(proceeding)
		}
		tx.tell(event{res: res})
		return true
	}
	if tx.flow.Reliable() {
		tx.end() // Timer K is zero
	} else {
		tx.req = nil
		tx.enter(completed)
		tx.arm(tx.layer.t4) // Timer K
	}
	tx.tell(event{res: res})
	return true
}

func (tx *Client) expire(due int64) {
	tx.mu.Lock()
	if tx.due != due {
		tx.mu.Unlock()
		return
	}
	tx.due = 0
	if tx.failure != nil {
		tx.fail(tx.failure)
		return
	}
	if !tx.state.pending() {
		tx.end() // Timers D, K and M
		tx.mu.Unlock()
		return
	}
	left := tx.layer.wheel.until(tx.giveUp)
	if left <= 0 {
		tx.layer.metrics.timeout(tx.kind)
		tx.fail(ErrTimeout) // Timers B and F
		return
	}
	tx.again(left)
}

// again retransmits the request. tx.mu is held and released.
func (tx *Client) again(left time.Duration) {
	req := tx.req
	switch {
	case tx.flow.Reliable(), tx.kind == inviteClient && tx.state == proceeding:
		req = nil
		tx.interval = left
	case tx.kind == inviteClient:
		tx.interval *= 2 // Timer A
	case tx.state == proceeding:
		tx.interval = tx.layer.t2 // Timer E
	default:
		tx.interval = min(2*tx.interval, tx.layer.t2)
	}
	tx.arm(min(tx.interval, left))
	tx.mu.Unlock()
	if req == nil {
		return
	}
	tx.layer.metrics.resentByUs.Add(1)
	if tx.layer.write(tx.flow, req) != nil {
		tx.failSoon()
	}
}

// fail ends the transaction with an error. tx.mu is held and released.
func (tx *Client) fail(err error) {
	tx.failure = nil
	tx.end()
	tx.tell(event{err: err})
}

// flowClosed is the end of the flow: fatal while a final response is awaited.
func (tx *Client) flowClosed() {
	tx.mu.Lock()
	if tx.state.pending() {
		tx.fail(ErrTransport)
		return
	}
	tx.end()
	tx.mu.Unlock()
}

// tell calls the user, or leaves the event to whoever is calling it right now.
// tx.mu is held and released.
func (tx *Client) tell(e event) {
	if tx.stopped {
		tx.mu.Unlock()
		return
	}
	if tx.telling {
		tx.waiting = append(tx.waiting, e)
		tx.mu.Unlock()
		return
	}
	tx.telling = true
	for {
		tx.mu.Unlock()
		tx.call(e)
		tx.mu.Lock()
		if len(tx.waiting) == 0 {
			break
		}
		e, tx.waiting = tx.waiting[0], tx.waiting[1:]
	}
	tx.telling = false
	tx.mu.Unlock()
}

func (tx *Client) call(e event) {
	defer tx.layer.survive()
	tx.on(tx, e.res, e.err)
}

// end forgets the transaction. tx.mu is held.
func (tx *Client) end() {
	if tx.state == terminated {
		return
	}
	tx.layer.metrics.leave(tx.kind, tx.state)
	tx.state = terminated
	tx.disarm()
	tx.req, tx.ack, tx.cancel = nil, nil, nil
	tx.layer.clients.remove(tx.key)
	if tx.flow.Reliable() {
		tx.layer.flows.remove(tx)
	}
	tx.layer.live.Add(-1)
}

// enter changes the state: a response came, whatever the flow said before.
func (tx *Client) enter(s state) {
	tx.layer.metrics.move(tx.kind, tx.state, s)
	tx.state = s
	tx.failure = nil
}

func (tx *Client) arm(d time.Duration) { tx.due = tx.layer.wheel.arm(&tx.alarm, d) }

func (tx *Client) disarm() {
	tx.due = 0
	tx.layer.wheel.disarm(&tx.alarm)
}

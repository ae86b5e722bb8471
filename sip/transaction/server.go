package transaction

import (
	"bytes"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Server is a server transaction. It is safe for concurrent use.
//
// While it waits for Timer J or L it holds its key and, over UDP, the last
// response in wire form; the request and what belongs to it are let go with the
// final response.
type Server struct {
	layer *Layer
	flow  *transport.Flow
	key   string

	mu     sync.Mutex
	kind   kind
	state  state
	due    int64 // when the alarm is meant to ring, 0 for never
	alarm  alarm
	packet []byte    // the last response, nil over reliable transports
	open   *Incoming // nil after the final response

	interval time.Duration // Timer G
	giveUp   int64         // tick of Timer H
}

func newServer(l *Layer, in *Incoming, key string) *Server {
	tx := &Server{layer: l, flow: in.Flow, key: key, kind: server, state: trying, open: in}
	if in.Method == sip.INVITE {
		tx.kind, tx.state = inviteServer, proceeding
	}
	tx.alarm.owner = tx
	return tx
}

// begin starts the clock for the 100 that the layer sends for a slow user.
func (tx *Server) begin() {
	tx.layer.metrics.enter(tx.kind, tx.state)
	if tx.kind == inviteServer {
		tx.arm(timer100)
		return
	}
	tx.arm(tx.layer.patience())
}

// patience is how long a request other than INVITE may go unanswered before it
// gets a 100: when the client's Timer E reaches T2 (RFC 4320 §4.1).
func (l *Layer) patience() (d time.Duration) {
	for e := l.t1; e < l.t2; e *= 2 {
		d += e
	}
	return d
}

// Respond sends a provisional or the final response. After a final response
// only a further 2xx to INVITE is sent; for everything else the error is
// ErrAnswered. Other errors are those of the flow; the transaction is over then.
func (tx *Server) Respond(res *sip.Response) error {
	p := tx.layer.encode(res)
	defer tx.layer.release(p)
	tx.mu.Lock()
	step := tx.answer
	if tx.kind == inviteServer {
		step = tx.answerInvite
	}
	done := step(res.StatusCode, *p)
	tx.mu.Unlock()

	var err error
	if done&send != 0 {
		tx.layer.metrics.sent(res.StatusCode)
		err = tx.flow.Send(*p)
	}
	if done&over != 0 || err != nil {
		tx.terminate()
	}
	if done&late != 0 {
		return ErrAnswered
	}
	return err
}

// outcome is what a step of a server transaction asks for.
type outcome uint8

const (
	send outcome = 1 << iota // write the response
	over                     // the transaction is terminated
	late                     // the response came too late, or never had a right to be sent
)

// answer is the step of RFC 3261 Figure 8 for a response of the user.
func (tx *Server) answer(status int, b []byte) outcome {
	switch {
	case tx.state != trying && tx.state != proceeding:
		return late
	case status == 100:
		tx.enter(proceeding)
		tx.keep(b)
		return send
	case status < 200:
		return late // RFC 4320 §4.1: no provisional response but 100
	}
	tx.open = nil
	tx.packet = nil
	tx.enter(completed)
	done := send
	if status == 408 {
		done = 0 // RFC 4320 §4.2: it would come too late for anybody
	} else {
		tx.keep(b)
	}
	if tx.flow.Reliable() {
		return done | over // Timer J is zero
	}
	tx.arm(64 * tx.layer.t1) // Timer J
	return done
}

// keep holds the response for retransmissions.
func (tx *Server) keep(b []byte) {
	if !tx.flow.Reliable() {
		tx.packet = bytes.Clone(b)
	}
}

// OnCancel sets what happens when a CANCEL for this INVITE arrives (called at
// once when it already has).
func (tx *Server) OnCancel(f func()) {
	tx.mu.Lock()
	cancelled := tx.open != nil && tx.open.cancelled
	if tx.open != nil {
		tx.open.onCancel = f
	}
	tx.mu.Unlock()
	if cancelled {
		f()
	}
}

// receive takes a request that matches: a retransmission or an ACK. false gives
// it to the layer's user.
func (tx *Server) receive(in *Incoming) bool {
	if in.CSeqMethod == "ACK" {
		return tx.acknowledge()
	}
	tx.layer.metrics.resentToUs.Add(1)
	tx.mu.Lock()
	packet := tx.packet
	tx.mu.Unlock()
	if packet != nil {
		tx.layer.metrics.resentByUs.Add(1)
		_ = tx.flow.Send(packet) // only over UDP, where the next retransmission asks again
	}
	return true
}

// CancelReason returns the Reason header (RFC 3326) of the CANCEL that came, ""
// for none. Ask for it before the final response.
func (tx *Server) CancelReason() string {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.open == nil {
		return ""
	}
	return tx.open.reason
}

func (tx *Server) cancel(reason string) {
	tx.mu.Lock()
	var f func()
	if o := tx.open; o != nil && !o.cancelled {
		o.cancelled, o.reason = true, reason
		f = o.onCancel
	}
	tx.mu.Unlock()
	if f != nil {
		tx.layer.guard(f)
	}
}

func (tx *Server) expire(due int64) {
	tx.mu.Lock()
	if tx.due != due {
		tx.mu.Unlock()
		return
	}
	tx.due = 0
	step := tx.expireOther
	if tx.kind == inviteServer {
		step = tx.expireInvite
	}
	packet, done := step()
	tx.mu.Unlock()
	if done&send != 0 && tx.flow.Send(packet) != nil {
		done |= over
	}
	if done&over != 0 {
		tx.terminate()
	}
}

func (tx *Server) expireOther() ([]byte, outcome) {
	if tx.state != trying {
		return nil, over // Timer J, or a user that never answered
	}
	tx.enter(proceeding)
	tx.arm(64*tx.layer.t1 - tx.layer.patience())
	return tx.trying(), send
}

// trying makes the 100 for a user that is slow.
func (tx *Server) trying() []byte {
	tx.layer.metrics.sent(100)
	b := wire.Append(nil, wire.NewResponse(tx.open.Request, 100, ""))
	tx.keep(b)
	return b
}

// terminate forgets the transaction.
func (tx *Server) terminate() {
	tx.mu.Lock()
	if tx.state == terminated {
		tx.mu.Unlock()
		return
	}
	tx.layer.metrics.leave(tx.kind, tx.state)
	tx.state = terminated
	tx.disarm()
	tx.packet, tx.open = nil, nil
	tx.mu.Unlock()
	tx.layer.servers.remove(tx.key)
	tx.layer.live.Add(-1)
}

func (tx *Server) enter(s state) {
	tx.layer.metrics.move(tx.kind, tx.state, s)
	tx.state = s
}

func (tx *Server) arm(d time.Duration) { tx.due = tx.layer.wheel.arm(&tx.alarm, d) }

func (tx *Server) disarm() {
	tx.due = 0
	tx.layer.wheel.disarm(&tx.alarm)
}

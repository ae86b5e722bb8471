package transaction

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// Incoming is a request for which nothing is kept yet.
type Incoming struct {
	*sip.Request
	wire.Core
	Flow *transport.Flow

	layer     *Layer
	cancelled bool   // guarded by the mutex of its transaction, like those below
	onCancel  func() // see Server.OnCancel
	reason    string // see Server.CancelReason
}

// Begin makes the server transaction, once. ErrOverload when the bound on
// transactions is reached: answer 503 statelessly. ErrRetransmission when a
// copy of the request was quicker: do nothing. Not for ACK, which has no
// transaction.
func (in *Incoming) Begin() (*Server, error) {
	l := in.layer
	if !l.reserve() {
		return nil, ErrOverload
	}
	var room [keyRoom]byte
	key := appendServerKey(room[:0], in, in.CSeqMethod)
	tx := newServer(l, in, string(key))
	tx.mu.Lock()
	if other, ok := l.servers.add(tx.key, tx); !ok {
		tx.mu.Unlock()
		l.live.Add(-1)
		other.receive(in)
		return nil, ErrRetransmission
	}
	tx.begin()
	tx.mu.Unlock()
	return tx, nil
}

// Reply answers without keeping anything. It never answers an ACK.
func (in *Incoming) Reply(res *sip.Response) {
	if in.Method == sip.ACK {
		return
	}
	in.layer.metrics.sent(res.StatusCode)
	_ = in.layer.write(in.Flow, res) // a flow that broke needs no answer
}

// cancel carries a CANCEL out (RFC 3261 §9.2) and reports whether its INVITE was
// there.
func (in *Incoming) cancel() bool {
	if in.CSeqMethod != "CANCEL" {
		return false
	}
	var room [keyRoom]byte
	tx, ok := in.layer.servers.find(appendServerKey(room[:0], in, "INVITE"))
	if !ok {
		return false
	}
	in.Reply(wire.NewResponse(in.Request, 200, ""))
	tx.cancel(wire.Header(in.Request, "Reason"))
	return true
}

package transaction

import (
	"bytes"

	"github.com/emiago/sipgo/sip"
)

// The INVITE client transaction: RFC 3261 §17.1.1 as corrected by RFC 6026 §7.2.

// receiveInvite takes a response to INVITE. tx.mu is held and released.
func (tx *Client) receiveInvite(res *sip.Response) bool {
	isSuccess := res.StatusCode >= 200 && res.StatusCode < 300
	switch {
	case tx.state == terminated:
		tx.mu.Unlock()
		return false
	case res.StatusCode < 200:
		tx.provisional(res)
	case isSuccess:
		tx.success(res)
	case tx.state.pending():
		tx.refused(res)
	case tx.state == completed:
		tx.repeatACK()
	default:
		tx.mu.Unlock() // a negative response after a 2xx: another fork's
	}
	return true
}

func (tx *Client) provisional(res *sip.Response) {
	if !tx.state.pending() {
		tx.mu.Unlock() // late, the transaction has its final response
		return
	}
	if tx.state == calling {
		tx.enter(proceeding)
		tx.disarm() // Timers A and B
	}
	cancel := tx.cancel.release(tx)
	tx.tell(event{res: res})
	cancel()
}

// success passes every 2xx on, of every fork, repeated ones too: who called has
// to acknowledge each (RFC 6026 §7.2).
func (tx *Client) success(res *sip.Response) {
	if tx.state.pending() {
		tx.enter(accepted)
		tx.req, tx.cancel = nil, nil
		tx.arm(64 * tx.layer.t1) // Timer M
	}
	tx.tell(event{res: res})
}

// refused acknowledges a negative final response by itself, before the user
// hears of it: another INVITE that he sends for it must not overtake the ACK.
func (tx *Client) refused(res *sip.Response) {
	ack := tx.layer.encode(newACK(tx.req, res))
	defer tx.layer.release(ack)
	if tx.flow.Reliable() {
		tx.end() // Timer D is zero
	} else {
		tx.enter(completed)
		tx.req, tx.cancel = nil, nil
		tx.ack = bytes.Clone(*ack)
		tx.arm(max(64*tx.layer.t1, timerD))
	}
	tx.mu.Unlock()
	_ = tx.flow.Send(*ack) // when it is lost, the repeated response asks again
	tx.mu.Lock()
	tx.tell(event{res: res})
}

// repeatACK answers a repeated negative response.
func (tx *Client) repeatACK() {
	ack := tx.ack
	tx.mu.Unlock()
	tx.layer.metrics.resentToUs.Add(1)
	if ack != nil {
		tx.layer.metrics.resentByUs.Add(1)
		_ = tx.flow.Send(ack)
	}
}

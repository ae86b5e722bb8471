package transaction

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// cancellation is a Cancel that waits for the first provisional response.
type cancellation struct {
	reason string
	sent   bool
}

// Cancel cancels an INVITE (RFC 3261 §9.1): at once when a provisional
// response came, else when the first comes; nothing after a final response.
// reason is the value of a Reason header (RFC 3326), "" for none. When no final
// response follows within 64*T1, the user gets ErrTimeout.
func (tx *Client) Cancel(reason string) {
	tx.mu.Lock()
	if tx.kind != inviteClient || !tx.state.pending() || tx.cancel != nil {
		tx.mu.Unlock()
		return
	}
	tx.cancel = &cancellation{reason: reason}
	send := func() {}
	if tx.state == proceeding {
		send = tx.cancel.release(tx)
	}
	tx.mu.Unlock()
	send()
}

// release prepares the CANCEL, once, and returns what sends it. tx.mu is held;
// the returned function is called without it.
func (c *cancellation) release(tx *Client) func() {
	if c == nil || c.sent {
		return func() {}
	}
	c.sent = true
	tx.giveUp = tx.layer.wheel.after(64 * tx.layer.t1) // RFC 3261 §9.1
	tx.arm(64 * tx.layer.t1)
	req := newCANCEL(tx.req, c.reason)
	return func() { tx.layer.Send(req, tx.flow, func(*Client, *sip.Response, error) {}) }
}

// newCANCEL makes the CANCEL for an INVITE of ours, RFC 3261 §9.1.
func newCANCEL(invite *sip.Request, reason string) *sip.Request {
	hs := append(sameHop(invite, "CANCEL"), wire.H("To", wire.Header(invite, "To")))
	if reason != "" {
		hs = append(hs, wire.H("Reason", reason))
	}
	return wire.NewRequest("CANCEL", invite.Recipient, nil, hs...)
}

// newACK makes the ACK for a negative response, RFC 3261 §17.1.1.3.
func newACK(invite *sip.Request, res *sip.Response) *sip.Request {
	hs := append(sameHop(invite, "ACK"), wire.H("To", wire.Header(res, "To")))
	return wire.NewRequest("ACK", invite.Recipient, nil, hs...)
}

// sameHop is what an ACK or CANCEL has in common with its INVITE: the topmost
// Via only, Route, From, Call-ID and the number of CSeq.
func sameHop(invite *sip.Request, method string) []sip.Header {
	hs := make([]sip.Header, 0, 10)
	if vias := wire.Values(invite, "Via"); len(vias) > 0 {
		hs = append(hs, wire.H("Via", vias[0]))
	}
	hs = append(hs, wire.H("Max-Forwards", strconv.Itoa(70)))
	for _, route := range wire.Values(invite, "Route") {
		hs = append(hs, wire.H("Route", route))
	}
	number, _, _ := strings.Cut(strings.TrimSpace(wire.Header(invite, "CSeq")), " ")
	return append(hs,
		wire.H("From", wire.Header(invite, "From")),
		wire.H("Call-ID", wire.Header(invite, "Call-ID")),
		wire.H("CSeq", number+" "+method),
	)
}

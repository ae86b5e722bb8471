package transaction

// The INVITE server transaction: RFC 3261 §17.2.1 as corrected by RFC 6026
// §7.1. A 2xx is not retransmitted here: that is the business of the user agent
// that made it (RFC 3261 §13.3.1.4); a proxy passes on what it gets.

// answerInvite is the step of RFC 6026 Figure 7 for a response of the user.
func (tx *Server) answerInvite(status int, b []byte) outcome {
	isSuccess := status >= 200 && status < 300
	switch {
	case tx.state == accepted && isSuccess:
		return send
	case tx.state != proceeding:
		return late
	case status < 200:
		tx.disarm()
		tx.keep(b)
		return send
	}
	tx.open = nil
	tx.packet = nil
	if isSuccess {
		tx.enter(accepted)
		tx.arm(64 * tx.layer.t1) // Timer L, over any transport
		return send
	}
	tx.enter(completed)
	tx.keep(b)
	tx.giveUp = tx.layer.wheel.after(64 * tx.layer.t1) // Timer H
	if tx.flow.Reliable() {
		tx.arm(64 * tx.layer.t1)
	} else {
		tx.interval = tx.layer.t1
		tx.arm(tx.interval) // Timer G
	}
	return send
}

// expireInvite is the step for a timer.
func (tx *Server) expireInvite() ([]byte, outcome) {
	switch tx.state {
	case proceeding:
		return tx.trying(), send
	case completed:
		left := tx.layer.wheel.until(tx.giveUp)
		if left <= 0 {
			tx.layer.metrics.timeout(tx.kind)
			return nil, over
		}
		tx.interval = min(2*tx.interval, tx.layer.t2)
		tx.arm(min(tx.interval, left))
		tx.layer.metrics.resentByUs.Add(1)
		return tx.packet, send
	}
	return nil, over // Timers I and L
}

// acknowledge takes an ACK. One that belongs to a 2xx goes to the user, from
// peers too that give it the branch of the INVITE.
func (tx *Server) acknowledge() bool {
	tx.mu.Lock()
	if tx.state == accepted {
		tx.mu.Unlock()
		return false
	}
	var gone bool
	if tx.state == completed {
		tx.enter(confirmed)
		tx.packet = nil
		if gone = tx.flow.Reliable(); !gone {
			tx.arm(tx.layer.t4) // Timer I absorbs further ACKs
		}
	}
	tx.mu.Unlock()
	if gone {
		tx.terminate()
	}
	return true
}

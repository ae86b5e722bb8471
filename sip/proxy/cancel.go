package proxy

// callerCancelled is RFC 3261 §16.10: the CANCEL was answered by the transaction
// layer, the INVITE gets its final response when the branches have ended.
func (c *responseContext) callerCancelled() { c.take(event{kind: cancelled}, nil) }

// giveUp cancels the client transaction of a branch, at once or as soon as it
// is known.
func (b *branch) giveUp(reason string) {
	c := b.context
	c.mu.Lock()
	b.cancel, b.reason = true, reason
	client := b.client
	c.mu.Unlock()
	if client != nil {
		client.Cancel(reason)
	}
}

// send forwards the request to a branch's target, if the watcher lets it.
func (c *responseContext) send(b *branch) {
	req, refusal := c.request(b)
	if refusal != nil {
		b.refusal = refusal
		c.take(event{kind: failed, branch: b.index, status: refusal.Status}, nil)
		return
	}
	if c.fork.invite {
		c.proxy.ringing.add(b)
	}
	c.proxy.metrics.forwarded.Inc()
	client := c.proxy.cfg.Transactions.Send(req, b.flow, b.on)
	c.mu.Lock()
	b.client = client
	cancel, reason := b.cancel, b.reason
	c.mu.Unlock()
	if cancel {
		client.Cancel(reason)
	}
}

package transport

import (
	"strings"
	"time"
)

// RFC 5626 §3.5.1: a double CRLF asks, a single one answers.
const (
	ping = "\r\n\r\n"
	pong = "\r\n"
)

// pongTimeout is how long a peer that has answered before may take to answer
// (RFC 5626 §4.4.1).
const pongTimeout = 10 * time.Second

// answerPings owes a pong to each ping, in order with other writes.
func (c *conn) answerPings(n int) {
	if n > 0 {
		// A failure closes the flow, which the reader notices by itself.
		_ = c.enqueue([]byte(strings.Repeat(pong, n)))
	}
}

// keepAlive asks whether a quiet peer that we dialled is still there.
func (c *conn) keepAlive(now int64) {
	every := int64(c.flow.stack.cfg.KeepAlive)
	if !c.flow.Outbound || c.phase.Load() != phaseOpen || now-max(c.heard.Load(), c.asked.Load()) < every {
		return
	}
	c.asked.Store(now)
	if c.pongs.Load() {
		c.pinged.Store(now)
	}
	_ = c.enqueue([]byte(ping))
}

// notePong remembers that the peer knows RFC 5626 and can be held to it.
func (c *conn) notePong(b []byte) {
	if c.flow.Outbound && string(b) == pong && !c.framer.Partial() {
		c.pongs.Store(true)
	}
}

package auth

import (
	"encoding/binary"
	"strconv"
	"sync"
	"time"
)

// nonceShards spreads the locks of the replay windows.
const nonceShards = 16

// window is how far nonce counts may overtake each other (over UDP).
const window = 64

// nonceCounts remembers which nonce counts were used, so that no credentials
// are accepted twice (RFC 7616 §3.4, nc). Only a right answer is remembered,
// so only users can fill it. When it is full, nonces that it no longer knows
// are stale: their users are challenged again, and nothing is replayed.
type nonceCounts struct {
	shards [nonceShards]nonceShard
}

// nonceShard keeps two generations; the older is dropped when the younger is
// full or as old as a nonce may get.
type nonceShard struct {
	mu       sync.Mutex
	limit    int           // of a generation
	lifetime time.Duration // of a nonce
	young    map[nonceID]counts
	old      map[nonceID]counts
	since    time.Time // when young began
	floor    time.Time // a nonce made before this and not known is stale
	newest   [2]time.Time
}

// counts is a sliding window: bit i of seen is count max-i.
type counts struct {
	max   uint32
	seen  uint64
	print uint64 // of the request that used max, 0 when it is never repeated
}

// usage is what a nonce count was found to be.
type usage uint8

const (
	replayed usage = iota // it was used before, or this is not known any more
	repeated              // it was used by this very request
	fresh
)

func newNonceCounts(limit int, lifetime time.Duration) *nonceCounts {
	n := &nonceCounts{}
	for i := range n.shards {
		s := &n.shards[i]
		s.limit = max(limit/nonceShards/2, 1)
		s.lifetime = lifetime
		s.young = make(map[nonceID]counts)
	}
	return n
}

// use takes count nc of the nonce for the request with that fingerprint.
func (n *nonceCounts) use(id nonceID, issued time.Time, nc string, print uint64) usage {
	count, err := strconv.ParseUint(nc, 16, 32)
	if err != nil || count == 0 {
		return replayed
	}
	s := &n.shards[binary.BigEndian.Uint32(id[8:])%nonceShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotate(time.Now())
	c, known := s.young[id]
	if !known {
		c, known = s.old[id]
	}
	if !known && !issued.After(s.floor) {
		return replayed
	}
	if known && c.max == uint32(count) && c.print == print && print != 0 {
		return repeated
	}
	if !c.take(uint32(count)) {
		return replayed
	}
	if c.max == uint32(count) {
		c.print = print
	}
	s.young[id] = c
	if issued.After(s.newest[0]) {
		s.newest[0] = issued
	}
	return fresh
}

// rotate drops the older generation when it is time. What lived for a whole
// lifetime in it has expired anyway; what has not raises the floor.
func (s *nonceShard) rotate(now time.Time) {
	aged := now.Sub(s.since) > s.lifetime
	if !aged && len(s.young) < s.limit {
		return
	}
	if !aged && s.newest[1].After(s.floor) {
		s.floor = s.newest[1]
	}
	s.old, s.young = s.young, make(map[nonceID]counts)
	s.newest[1], s.newest[0] = s.newest[0], time.Time{}
	s.since = now
}

// take marks a count as used; false when it was, or is too far behind to know.
func (c *counts) take(count uint32) bool {
	switch {
	case count > c.max:
		ahead := count - c.max
		if ahead >= window {
			c.seen = 0
		} else {
			c.seen <<= ahead
		}
		c.seen |= 1
		c.max = count
		return true
	case c.max-count >= window:
		return false
	}
	bit := uint64(1) << (c.max - count)
	if c.seen&bit != 0 {
		return false
	}
	c.seen |= bit
	return true
}

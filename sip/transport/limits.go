package transport

import (
	"net/netip"
	"sync"
	"time"
)

// Limits bound what peers can make us hold. A zero field means its default.
type Limits struct {
	MaxConnections int // open connections in all, UDP not counted; default 50,000
	MaxPerAddress  int // open connections from one IPv4 address or IPv6 /64; default 2,000
	MaxQueue       int // bytes waiting for one peer; default 1 MiB

	HandshakeTimeout    time.Duration // a TLS handshake must be over; default 5 s
	FirstMessageTimeout time.Duration // an accepted connection must have brought a SIP message; default 10 s
	MessageTimeout      time.Duration // a message that has begun must be complete; default 10 s
	WriteTimeout        time.Duration // one write of at most 16 KiB must be over; default 10 s
	IdleTimeout         time.Duration // a byte must have come, a keep-alive will do; default 15 min
}

func (l Limits) withDefaults() Limits {
	orInt := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	orTime := func(v *time.Duration, def time.Duration) {
		if *v == 0 {
			*v = def
		}
	}
	orInt(&l.MaxConnections, 50_000)
	orInt(&l.MaxPerAddress, 2_000)
	orInt(&l.MaxQueue, 1<<20)
	orTime(&l.HandshakeTimeout, 5*time.Second)
	orTime(&l.FirstMessageTimeout, 10*time.Second)
	orTime(&l.MessageTimeout, 10*time.Second)
	orTime(&l.WriteTimeout, 10*time.Second)
	orTime(&l.IdleTimeout, 15*time.Minute)
	return l
}

// Why a connection was refused, as the metric names it.
const (
	refusedBanned     = "banned"
	refusedTotal      = "total"
	refusedPerAddress = "per_address"
	refusedDraining   = "draining"
)

// census counts the accepted connections by the address they come from.
type census struct {
	mu    sync.Mutex
	total int
	from  map[netip.Addr]int
}

// enter takes a place for addr, or says which limit is reached.
func (c *census) enter(addr netip.Addr, l *Limits) (refused string) {
	addr = subscriber(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.total >= l.MaxConnections:
		return refusedTotal
	case c.from[addr] >= l.MaxPerAddress:
		return refusedPerAddress
	}
	c.total++
	c.from[addr]++
	return ""
}

// leave gives the place back.
func (c *census) leave(addr netip.Addr) {
	addr = subscriber(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.from[addr]--; c.from[addr] <= 0 {
		delete(c.from, addr)
	}
}

// subscriber is the part of an address that one customer of a network can not
// vary: the whole IPv4 address, the /64 of an IPv6 address.
func subscriber(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is4() {
		return addr
	}
	p, _ := addr.WithZone("").Prefix(64)
	return p.Addr()
}

// table is all connections by flow id, in shards so that a scan of one does not
// hold up the others.
type table [64]struct {
	mu sync.RWMutex
	m  map[uint64]*conn
}

func (t *table) put(c *conn) {
	s := &t[c.flow.ID%uint64(len(t))]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = make(map[uint64]*conn)
	}
	s.m[c.flow.ID] = c
}

func (t *table) get(id uint64) *conn {
	s := &t[id%uint64(len(t))]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[id]
}

func (t *table) remove(id uint64) {
	s := &t[id%uint64(len(t))]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, id)
}

// all calls f for each connection, without holding a lock meanwhile.
func (t *table) all(f func(*conn) bool) {
	var batch []*conn
	for i := range t {
		s := &t[i]
		batch = batch[:0]
		s.mu.RLock()
		for _, c := range s.m {
			batch = append(batch, c)
		}
		s.mu.RUnlock()
		for _, c := range batch {
			if !f(c) {
				return
			}
		}
	}
}

// reapEvery is how exact the time limits are. One scan a second is cheaper than
// a timer a connection that is set again at each read and write.
const reapEvery = time.Second

// reap ends the connections that are over a time limit, until the stack closes.
func (s *Stack) reap() {
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-tick.C:
		}
		now := nanotime()
		s.conns.all(func(c *conn) bool {
			if cause := c.overdue(now, &s.cfg.Limits); cause != "" {
				c.kill(cause)
			} else {
				c.keepAlive(now)
			}
			return true
		})
	}
}

// overdue names the limit that c has passed, "" for none.
func (c *conn) overdue(now int64, l *Limits) string {
	late := func(since int64, limit time.Duration) bool {
		return since != 0 && now-since > int64(limit)
	}
	phase, entered := c.phase.Load(), c.entered.Load()
	switch {
	case late(c.writing.Load(), l.WriteTimeout):
		return causeWrite
	case phase == phaseHandshake && late(entered, l.HandshakeTimeout):
		return causeHandshake
	case phase == phaseFirst && late(entered, l.FirstMessageTimeout):
		return causeFirst
	case phase == phaseLinger && late(entered, lingerTime):
		return causeLocal
	case late(c.begun.Load(), l.MessageTimeout):
		return causeMessage
	case late(c.pinged.Load(), pongTimeout):
		return causePong
	case late(c.heard.Load(), l.IdleTimeout):
		return causeIdle
	}
	return ""
}

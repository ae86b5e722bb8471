package auth

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// BanPolicy says when an address is dropped. The zero value means the defaults.
type BanPolicy struct {
	Failures int           // wrong answers within Window that ban; 0 means 10, negative never
	Window   time.Duration // 0 means 1 minute
	First    time.Duration // length of the first ban; 0 means 5 minutes
	Longest  time.Duration // each further ban doubles up to this; 0 means 1 hour
	Table    int           // addresses remembered; 0 means 65536

	// Exempt addresses are never banned, for a gateway or a load balancer that
	// many users share. nil for none.
	Exempt func(netip.Addr) bool
}

// withDefaults fills the fields that are zero.
func (p BanPolicy) withDefaults() BanPolicy {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&p.Window, time.Minute)
	set(&p.First, 5*time.Minute)
	set(&p.Longest, time.Hour)
	if p.Failures == 0 {
		p.Failures = 10
	}
	if p.Table == 0 {
		p.Table = 65536
	}
	return p
}

// bans counts wrong answers by address. Nobody is banned by name: the owner of
// an account is not locked out by those who guess its password.
type bans struct {
	policy BanPolicy
	active atomic.Int64 // records with until in the future or just past: 0 makes banned free

	mu      sync.RWMutex
	records map[netip.Addr]*record
	swept   time.Time
}

// record is what is known against one address.
type record struct {
	failures int
	since    time.Time     // of the first of failures
	until    time.Time     // end of the ban, zero without one
	last     time.Duration // length of the last ban
}

func newBans(p BanPolicy) *bans {
	return &bans{policy: p.withDefaults(), records: make(map[netip.Addr]*record)}
}

// source is what is counted and banned: an IPv4 address, or the /64 that one
// IPv6 host may choose from.
func source(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// banned tells whether the address is dropped now.
func (b *bans) banned(a netip.Addr) bool {
	if b.active.Load() == 0 {
		return false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	r := b.records[source(a)]
	return r != nil && time.Now().Before(r.until)
}

// fail counts a wrong answer and tells whether it began a ban.
func (b *bans) fail(a netip.Addr) bool {
	if b.policy.Failures < 0 || b.policy.Exempt != nil && b.policy.Exempt(a.Unmap()) {
		return false
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(now)
	r := b.record(source(a))
	if now.Sub(r.since) > b.policy.Window {
		r.since, r.failures = now, 0
	}
	r.failures++
	if r.failures < b.policy.Failures || now.Before(r.until) {
		return false
	}
	if r.until.IsZero() {
		b.active.Add(1)
	}
	r.last = min(max(2*r.last, b.policy.First), b.policy.Longest)
	r.until = now.Add(r.last)
	r.failures = 0
	return true
}

// succeed forgets the failures of the address, but not how long its last ban
// was: a NAT of good phones stays open, and who guesses from behind it is
// banned for longer the next time.
func (b *bans) succeed(a netip.Addr) {
	a = source(a)
	b.mu.RLock()
	r := b.records[a]
	b.mu.RUnlock()
	if r == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.records[a]; r != nil {
		r.failures = 0
	}
}

// record returns the record of a, made when there is none. A full table loses
// an arbitrary record that is not a ban, or else any.
func (b *bans) record(a netip.Addr) *record {
	if r := b.records[a]; r != nil {
		return r
	}
	if len(b.records) >= b.policy.Table {
		b.evict()
	}
	r := &record{}
	b.records[a] = r
	return r
}

// evict makes room for one record. It looks at a few only: the order of a map
// is arbitrary, and bans are few among those who failed.
func (b *bans) evict() {
	looked := 0
	for a, r := range b.records {
		looked++
		if r.until.IsZero() || looked == 8 {
			b.remove(a, r)
			return
		}
	}
}

// sweep drops, once in a window, what has no meaning any more: failures out of
// the window, and bans that ended so long ago that the next is a first again.
func (b *bans) sweep(now time.Time) {
	if now.Sub(b.swept) < b.policy.Window {
		return
	}
	b.swept = now
	for a, r := range b.records {
		if now.Sub(r.since) > b.policy.Window && now.Sub(r.until) > b.policy.Longest {
			b.remove(a, r)
		}
	}
}

func (b *bans) remove(a netip.Addr, r *record) {
	if !r.until.IsZero() {
		b.active.Add(-1)
	}
	delete(b.records, a)
}

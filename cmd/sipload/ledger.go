//go:build linux

package main

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/crowd"
)

// ledger is what was written, and what of it came to which phone.
type ledger struct {
	seed  maphash.Seed
	posts []post // by number; the first ones are taken first
	taken atomic.Int64

	delivered atomic.Int64 // first arrivals at a phone
	due       atomic.Int64 // deliveries of what was answered 2xx
	other     atomic.Int64 // arrivals that are no posts: notices

	mu     sync.Mutex
	delays []time.Duration // from a post to its last arrival
}

// post is a message that somebody wrote.
type post struct {
	group  int
	writer int // number of the user
	at     time.Time
	left   atomic.Int32  // phones that have not got it
	done   chan struct{} // closed with the last arrival; nil: nobody waits
}

// inbox is what came to one phone.
type inbox struct {
	group int

	mu        sync.Mutex
	got       []received // in the order of the first arrivals
	seen      []uint64   // bits by number
	repeated  int        // arrivals with the same identity as the first
	doubled   int        // with another
	misshapen int        // posts that are not CPIM at a room device, or are elsewhere
}

// received is a post as it came.
type received struct {
	number   uint32
	gid      uint64
	identity uint64 // hash of what a phone drops repetitions by
}

func newLedger(posts int) *ledger {
	return &ledger{seed: maphash.MakeSeed(), posts: make([]post, posts)}
}

// open takes the next number for a post of a user to so many phones.
func (l *ledger) open(group, writer, phones int) int {
	number := int(l.taken.Add(1)) - 1
	p := &l.posts[number]
	p.group, p.writer, p.at = group, writer, time.Now()
	p.left.Store(int32(phones))
	return number
}

// lastDelays are the times from a message to its last device, sorted.
func (l *ledger) lastDelays() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.delays))
}

// backlog is how many deliveries of what was answered 2xx are to come.
func (l *ledger) backlog() int64 { return max(0, l.due.Load()-l.delivered.Load()) }

// arrived takes a message at a phone.
func (l *ledger) arrived(p *crowd.Phone, m crowd.Message) {
	box := p.Data.(*inbox)
	number, ok := numberIn(m.Body)
	if !ok || number >= int(l.taken.Load()) {
		l.other.Add(1)
		return
	}
	gid, _ := strconv.ParseUint(string(m.ID), 16, 64)
	a := received{uint32(number), gid, maphash.Bytes(l.seed, identityOf(m))}
	if !box.take(a, isCPIM(m.Body) == p.Room) {
		return
	}
	l.delivered.Add(1)
	post := &l.posts[number]
	if post.left.Add(-1) != 0 {
		return
	}
	if post.done != nil {
		close(post.done)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delays = append(l.delays, time.Since(post.at))
}

// take notes an arrival, fitting in a form that the phone shows, and tells whether
// it is the first one of its post.
func (b *inbox) take(a received, fitting bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !fitting {
		b.misshapen++
	}
	word, bit := int(a.number/64), uint64(1)<<(a.number%64)
	if word >= len(b.seen) {
		b.seen = append(b.seen, make([]uint64, word+1-len(b.seen))...)
	}
	if b.seen[word]&bit == 0 {
		b.seen[word] |= bit
		b.got = append(b.got, a)
		return true
	}
	for i := len(b.got) - 1; i >= 0; i-- {
		if b.got[i].number == a.number && b.got[i].identity == a.identity {
			b.repeated++
			return false
		}
	}
	b.doubled++
	return false
}

// numberText begins the text of post n.
func numberText(n int) string { return "#" + strconv.Itoa(1_000_000+n) + "# " }

// numberIn finds the number of a post in what came.
func numberIn(body []byte) (int, bool) {
	_, rest, ok := bytes.Cut(body, []byte("#1"))
	if !ok || len(rest) < 7 || rest[6] != '#' {
		return 0, false
	}
	n, err := strconv.Atoi(string(rest[:6]))
	return n, err == nil
}

// isCPIM tells whether a body is CPIM as far as we know one.
func isCPIM(body []byte) bool { return bytes.Contains(body, []byte("imdn.Message-ID: ")) }

// identityOf is what phones drop repetitions by: the Message-ID of CPIM
// (RFC 5438 §6.3), else the Call-ID.
func identityOf(m crowd.Message) []byte {
	if _, rest, ok := bytes.Cut(m.Body, []byte("imdn.Message-ID: ")); ok {
		id, _, _ := bytes.Cut(rest, []byte("\r\n"))
		return id
	}
	return m.CallID
}

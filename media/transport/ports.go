package transport

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"time"
)

// ports are the port pairs of one address: free, taken, or at rest.
type ports struct {
	first int           // the even port of the first pair
	count int           // pairs
	rest  time.Duration // of a pair that was given back
	now   func() int64

	mu    sync.Mutex
	busy  []uint64 // a bit a pair: taken or at rest
	taken int
	tired []tired // at rest, the longest first
}

// tired is a pair at rest.
type tired struct {
	pair  int
	since int64
}

// shortRest is what a pair gets at least. The full rest alone would let a range of
// 8,192 pairs begin no more than 136 calls a second.
const shortRest = 2 * time.Second

// pairsOf is how many pairs of an even port and the next one a range holds.
func pairsOf(first, last int) int { return max(0, last-evenFrom(first)+1) / 2 }

// evenFrom is the first even port of a range. RFC 3550 §11: RTP has the even one.
func evenFrom(first int) int { return first + first&1 }

func newPorts(first, last int, rest time.Duration, now func() int64) *ports {
	count := pairsOf(first, last)
	return &ports{first: evenFrom(first), count: count, rest: rest, now: now, busy: make([]uint64, (count+63)/64)}
}

// take gives the even port of a free pair at a random place. When none is free it
// is the one that has rested longest, if for shortRest at least; otherwise false.
func (p *ports) take() (port int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakeRested()
	if p.taken == p.count && p.nearlyRested() > 0 {
		p.wake()
	}
	if p.taken == p.count {
		return 0, false
	}
	pair := p.freeFrom(rand.IntN(p.count))
	p.busy[pair/64] |= 1 << (pair % 64)
	p.taken++
	return p.first + 2*pair, true
}

// freeFrom is the first free pair from a place on, round the end. There is one.
func (p *ports) freeFrom(start int) int {
	if pair := p.scan(start); pair < p.count {
		return pair
	}
	return p.scan(0)
}

// scan is the first free pair from a place on, count or more when there is none.
func (p *ports) scan(start int) int {
	ignored := uint64(1)<<(start%64) - 1 // below start in its word
	for i := start / 64; i < len(p.busy); i++ {
		if free := ^(p.busy[i] | ignored); free != 0 {
			return 64*i + bits.TrailingZeros64(free)
		}
		ignored = 0
	}
	return p.count
}

// release lets a pair rest: late packets of its call must not reach the next one.
func (p *ports) release(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tired = append(p.tired, tired{(port - p.first) / 2, p.now()})
}

// holds tells whether a port belongs to a pair that is taken and not at rest.
func (p *ports) holds(port int) bool {
	pair := (port - p.first) / 2
	if port < p.first || pair >= p.count {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy[pair/64]&(1<<(pair%64)) != 0 &&
		!slices.ContainsFunc(p.tired, func(t tired) bool { return t.pair == pair })
}

// restore gives a pair back that was never bound.
func (p *ports) restore(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear((port - p.first) / 2)
}

// free is how many pairs can be taken now.
func (p *ports) free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakeRested()
	return p.count - p.taken + p.nearlyRested()
}

// wakeRested frees the pairs that have rested for long enough.
func (p *ports) wakeRested() {
	before := p.now() - int64(p.rest)
	for len(p.tired) > 0 && p.tired[0].since <= before {
		p.wake()
	}
}

// wake frees the pair that has rested longest.
func (p *ports) wake() {
	p.clear(p.tired[0].pair)
	p.tired = p.tired[1:]
}

// nearlyRested is how many pairs could be taken before their time.
func (p *ports) nearlyRested() int {
	before := p.now() - int64(shortRest)
	return sort.Search(len(p.tired), func(i int) bool { return p.tired[i].since > before })
}

func (p *ports) clear(pair int) {
	p.busy[pair/64] &^= 1 << (pair % 64)
	p.taken--
}

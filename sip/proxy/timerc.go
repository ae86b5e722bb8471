package proxy

import (
	"sync"
	"time"
)

// timerC is Timer C of every ringing branch (RFC 3261 §16.6 step 11, §16.8).
// All of them last equally long, so they stand in a queue by deadline, and one
// clock waits for its head.
type timerC struct {
	after time.Duration
	clock *time.Timer

	mu         sync.Mutex
	ticking    bool // clock fires for the head, or for one that left before
	head, tail *branch
}

// ringing is the place of a branch in the queue.
type ringing struct {
	queued     bool
	deadline   time.Time
	prev, next *branch
}

func newTimerC(after time.Duration) *timerC {
	t := &timerC{after: after}
	t.clock = time.AfterFunc(after, t.fire)
	t.clock.Stop()
	return t
}

// ringFor keeps Timer C of a branch up to date: news from the phone start it
// again (§16.7 step 2), the end stops it.
func (b *branch) ringFor(e event) {
	if !b.context.fork.invite {
		return
	}
	t := b.context.proxy.ringing
	switch {
	case e.kind == response && e.status == 100:
	case e.kind == response && e.status < 200:
		t.restart(b)
	default:
		t.remove(b)
	}
}

// add puts b at the end of the queue.
func (t *timerC) add(b *branch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.push(b)
}

// restart moves b to the end of the queue, unless it has left it.
func (t *timerC) restart(b *branch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b.ring.queued {
		t.unlink(b)
		t.push(b)
	}
}

func (t *timerC) remove(b *branch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b.ring.queued {
		t.unlink(b)
	}
}

// fire takes out everybody whose time is up and tells them.
func (t *timerC) fire() {
	now := time.Now()
	var due []*branch
	t.mu.Lock()
	for b := t.head; b != nil && !b.ring.deadline.After(now); b = t.head {
		t.unlink(b)
		due = append(due, b)
	}
	if t.ticking = t.head != nil; t.ticking {
		t.clock.Reset(t.head.ring.deadline.Sub(now))
	}
	t.mu.Unlock()
	for _, b := range due {
		b.rangTooLong()
	}
}

func (b *branch) rangTooLong() {
	p := b.context.proxy
	defer p.caught(nil)
	p.metrics.timedOut.Inc()
	b.context.take(event{kind: timerFired, branch: b.index}, nil)
}

func (t *timerC) push(b *branch) {
	b.ring = ringing{queued: true, deadline: time.Now().Add(t.after), prev: t.tail}
	if t.tail == nil {
		t.head = b
	} else {
		t.tail.ring.next = b
	}
	t.tail = b
	if !t.ticking {
		t.ticking = true
		t.clock.Reset(t.after)
	}
}

func (t *timerC) unlink(b *branch) {
	if b.ring.prev == nil {
		t.head = b.ring.next
	} else {
		b.ring.prev.ring.next = b.ring.next
	}
	if b.ring.next == nil {
		t.tail = b.ring.prev
	} else {
		b.ring.next.ring.prev = b.ring.prev
	}
	b.ring = ringing{}
}

package transaction

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

const (
	tick      = 10 * time.Millisecond
	slots     = 4096 // one turn is 41 s: longer than 64*T1, so one level is enough
	slotWords = slots / 64
	never     = math.MaxInt64
)

// expirer is woken by its alarm. due is what arm returned; an expirer that has
// been armed or disarmed since must compare it and do nothing.
type expirer interface{ expire(due int64) }

// alarm is one entry of a wheel. It lives inside its owner, so setting it
// allocates nothing.
type alarm struct {
	prev, next *alarm // nil when not set
	due        int64  // in ticks since the wheel began
	owner      expirer
}

// wheel is a hashed timer wheel: setting and clearing an alarm costs the same
// however many there are. One goroutine serves it, asleep until the next slot
// that holds an alarm. Alarms never ring early, and at most one tick late.
type wheel struct {
	began time.Time

	mu     sync.Mutex
	slot   [slots]alarm      // heads of rings
	used   [slotWords]uint64 // which slots are not empty
	armed  int
	served int64 // ticks up to here have rung
	wakeAt int64 // when the goroutine will look again

	poke chan struct{} // something earlier than wakeAt was set
	stop chan struct{}
	done chan struct{}
}

func newWheel() *wheel {
	w := &wheel{
		began:  time.Now(),
		wakeAt: never,
		poke:   make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	for i := range w.slot {
		w.slot[i].prev, w.slot[i].next = &w.slot[i], &w.slot[i]
	}
	go w.run()
	return w
}

// close ends the goroutine; alarms that are set never ring.
func (w *wheel) close() {
	close(w.stop)
	<-w.done
}

// after is the tick at which d will have passed; until is the way back.
func (w *wheel) after(d time.Duration) int64 {
	return int64((time.Since(w.began) + d + tick - 1) / tick)
}

func (w *wheel) until(t int64) time.Duration {
	return time.Duration(t)*tick - time.Since(w.began)
}

// arm sets a (again) to ring d from now and returns the tick at which it will.
func (w *wheel) arm(a *alarm, d time.Duration) int64 {
	due := w.after(d)
	w.mu.Lock()
	w.unlink(a)
	a.due = max(due, w.served+1)
	w.link(a)
	due = a.due
	earlier := due < w.wakeAt
	if earlier {
		w.wakeAt = due
	}
	w.mu.Unlock()
	if earlier {
		select {
		case w.poke <- struct{}{}:
		default:
		}
	}
	return due
}

// disarm clears a.
func (w *wheel) disarm(a *alarm) {
	w.mu.Lock()
	w.unlink(a)
	w.mu.Unlock()
}

func (w *wheel) link(a *alarm) {
	i := a.due % slots
	head := &w.slot[i]
	a.prev, a.next = head.prev, head
	a.prev.next, head.prev = a, a
	w.used[i/64] |= 1 << (i % 64)
	w.armed++
}

func (w *wheel) unlink(a *alarm) {
	if a.next == nil {
		return
	}
	a.prev.next, a.next.prev = a.next, a.prev
	a.prev, a.next = nil, nil
	w.armed--
	i := a.due % slots
	if head := &w.slot[i]; head.next == head {
		w.used[i/64] &^= 1 << (i % 64)
	}
}

func (w *wheel) run() {
	defer close(w.done)
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for {
		t.Reset(w.pause())
		select {
		case <-t.C:
		case <-w.poke:
			continue
		case <-w.stop:
			return
		}
		w.ring()
	}
}

// pause tells how long nothing will ring.
func (w *wheel) pause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakeAt = w.next()
	if w.wakeAt == never {
		return time.Hour
	}
	return w.until(w.wakeAt)
}

// next is the tick of the first slot in use after what was served; its alarms
// may belong to a later turn.
func (w *wheel) next() int64 {
	if w.armed == 0 {
		return never
	}
	first := (w.served + 1) % slots
	for n := int64(0); n <= slotWords; n++ {
		i := (first/64 + n) % slotWords
		word := w.used[i]
		if n == 0 {
			word &= ^uint64(0) << (first % 64)
		}
		if word != 0 {
			at := i*64 + int64(bits.TrailingZeros64(word))
			return w.served + 1 + (at-first+slots)%slots
		}
	}
	return never
}

// ring calls the owners of all alarms that are due, outside the lock.
func (w *wheel) ring() {
	var due []*alarm
	var at []int64
	w.mu.Lock()
	now := int64(time.Since(w.began) / tick)
	for w.served < now {
		t := w.next()
		if t > now {
			w.served = now
			break
		}
		w.served = t
		head := &w.slot[t%slots]
		for a := head.next; a != head; {
			following := a.next
			if a.due <= now {
				w.unlink(a)
				due, at = append(due, a), append(at, a.due)
			}
			a = following
		}
	}
	w.mu.Unlock()
	for i, a := range due {
		a.owner.expire(at[i])
	}
}

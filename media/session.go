package media

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
)

// Session is the media of one call. Its methods and those of its legs are safe
// for concurrent use.
//
// What was said (offers, answers, who is connected) stands behind mu; what the
// packets go through belongs to the goroutine of the loop. The methods hand
// changes to the loop and do not wait for it, and the loop never takes mu.
type Session struct {
	engine *Engine
	worker *worker
	on     func(Event)

	mu       sync.Mutex
	legs     []*Leg
	closed   bool
	together int           // callers of Together
	gathered []func()      // changes that the loop gets when they are done
	urgent   bool          // some of which must not wait for a packet
	over     chan struct{} // closed on the loop when nothing is measured any more; nil before Close

	// On the loop.
	live    []*Leg // that have ports
	entered bool   // the worker looks after it
	place   int    // among the sessions of the worker
	untold  bool   // its media failed and its owner does not know yet
	assault assault
}

// NewLeg makes a leg. It opens no port before its first offer or answer.
func (s *Session) NewLeg(p Profile) *Leg {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := newLeg(s, p)
	if s.closed {
		l.closed = true
		return l
	}
	s.legs = append(s.legs, l)
	s.engine.metrics.legs.Add(1)
	return l
}

// Connect lets media flow between two legs of the session, and no longer between
// them and whomever they were connected to. It lasts: what the legs agree later
// changes how packets flow between them. Who connects them once more, at the
// answer after early media, gives both their full time until EventSilent.
func (s *Session) Connect(a, b *Leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || a.closed || b.closed || a == b || a.session != s || b.session != s {
		return
	}
	now := s.engine.network.Now()
	if a.other == b {
		s.do([]func(){func() { a.since, b.since = now, now }})
		return
	}
	var changes []func()
	changes = append(changes, a.part()...)
	changes = append(changes, b.part()...)
	a.other, b.other = b, a
	changes = append(changes, func() { a.since, b.since = now, now })
	s.do(append(changes, a.join()...))
}

// Together hands what f changes by several methods to the loop at once, which is
// woken once.
func (s *Session) Together(f func()) {
	s.mu.Lock()
	s.together++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.together--; s.together == 0 {
			changes := s.gathered
			s.gathered = nil
			s.do(changes)
		}
	}()
	f()
}

// do makes changes on the loop, now or with others of Together. mu is held.
func (s *Session) do(changes []func()) {
	if s.together > 0 {
		s.gathered = append(s.gathered, changes...)
		return
	}
	s.hand(changes)
}

// hand makes changes on the loop, all between two packets: before the next one, or
// with the next tick if none comes, when nobody could tell the difference. Waking
// the loop for them would cost more than most of them do. What the caller does next
// on the loop comes after it. The changes use nothing that mu guards, which is held.
func (s *Session) hand(changes []func()) {
	if len(changes) == 0 {
		return
	}
	enqueue := s.worker.loop.Later
	if s.urgent {
		s.urgent, enqueue = false, s.worker.loop.Go
	}
	enqueue(func() {
		defer s.survive()
		for _, change := range changes {
			change()
		}
	})
}

// survive is deferred where the loop does something for one session: what goes
// wrong in it ends that session only.
func (s *Session) survive() {
	if r := recover(); r != nil {
		s.engine.config.Log.Error("a change of a session failed", "error", r, "stack", string(debug.Stack()))
		s.fail(r)
	}
}

// Close gives every port back, within the next tick. Reports of the legs are about
// the whole call from then on.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true // so that nothing is gathered any more
	var changes []func()
	for _, l := range s.legs {
		changes = append(changes, l.end()...)
	}
	s.hand(append(s.gathered, changes...))
	s.gathered = nil
	s.over = make(chan struct{})
	if over := s.over; !s.worker.loop.Later(func() { close(over) }) {
		close(over)
	}
	s.engine.forget(s)
}

// ended is closed when the loop has done with the session; nil before Close.
func (s *Session) ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// enter makes a leg known to the loop, which looks after it from now on.
func (s *Session) enter(l *Leg) {
	if len(s.live) == 0 {
		s.worker.enter(s)
	}
	if !slices.Contains(s.live, l) {
		s.live = append(s.live, l)
	}
}

// exit forgets a leg that has ended.
func (s *Session) exit(l *Leg) {
	s.live = slices.DeleteFunc(s.live, func(other *Leg) bool { return other == l })
	if len(s.live) == 0 {
		s.worker.leave(s)
	}
}

// fail ends the media of a session that panicked.
func (s *Session) fail(reason any) {
	s.engine.config.Log.Error("the media of a session ended by an internal error", "error", fmt.Sprint(reason))
	s.engine.metrics.failures.Add(1)
	s.untold = true
	for _, l := range s.live {
		for _, k := range slices.Clone(l.links) {
			k.close()
		}
	}
	s.live = nil // what failed is not tried again
	s.worker.enter(s)
}

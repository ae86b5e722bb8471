package registrar

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sparkleim/sparkle/store"
)

// How many users' devices may be looked up at a time, and how many requests
// may wait for it. Many at a time let the store share one commit among them.
const (
	touchesAtATime = 32
	touchesWaiting = 8192
)

// serial runs jobs that block: those of one user one after another in the
// order given, those of different users side by side.
type serial struct {
	limit, bound int

	waiting atomic.Int64 // jobs that are not done

	mu      sync.Mutex
	jobs    map[store.UserID][]func() // a user is in here while a worker has or will have him
	ready   []store.UserID            // users that no worker has taken
	workers int
}

func newSerial(limit, bound int) *serial {
	return &serial{limit: limit, bound: bound, jobs: make(map[store.UserID][]func())}
}

// do runs job later. The error is store.ErrUnavailable when too many wait.
func (s *serial) do(u store.UserID, job func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.waiting.Load(); n >= int64(s.bound) {
		return fmt.Errorf("%w: %d registrations are waiting", store.ErrUnavailable, n)
	}
	s.waiting.Add(1)
	jobs, busy := s.jobs[u]
	s.jobs[u] = append(jobs, job)
	if busy {
		return nil
	}
	s.ready = append(s.ready, u)
	if s.workers < s.limit {
		s.workers++
		go s.work()
	}
	return nil
}

// busy tells whether jobs of the user are waiting or running.
func (s *serial) busy(u store.UserID) bool {
	if s.waiting.Load() == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, busy := s.jobs[u]
	return busy
}

// work runs jobs until no user is ready.
func (s *serial) work() {
	for {
		s.mu.Lock()
		if len(s.ready) == 0 {
			s.ready = nil
			s.workers--
			s.mu.Unlock()
			return
		}
		u := s.ready[0]
		s.ready = s.ready[1:]
		job := s.jobs[u][0]
		s.mu.Unlock()
		job()
		s.finish(u)
	}
}

// finish takes the done job off and lines the user up again for his next.
func (s *serial) finish(u store.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting.Add(-1)
	if rest := s.jobs[u][1:]; len(rest) > 0 {
		s.jobs[u] = rest
		s.ready = append(s.ready, u)
		return
	}
	delete(s.jobs, u)
}

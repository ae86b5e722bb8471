package dialog

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxWaiting bounds what waits on a strand. Every request of the peer and every
// response brings one function, so only a flood gets there.
const maxWaiting = 1024

// Strand runs functions one after the other, in the order in which they came,
// on the goroutine of whoever brought the first. It needs none of its own, and no
// lock is held while a function runs.
type Strand struct {
	log    *slog.Logger
	panics prometheus.Counter

	mu      sync.Mutex
	running bool
	waiting []func()
}

// Do runs f now, or after those that are running and waiting; it reports false
// when too many wait, and f will not be run. A panic of f ends f only.
func (s *Strand) Do(f func()) bool {
	s.mu.Lock()
	if s.running {
		defer s.mu.Unlock()
		if len(s.waiting) >= maxWaiting {
			return false
		}
		s.waiting = append(s.waiting, f)
		return true
	}
	s.running = true
	for {
		s.mu.Unlock()
		s.call(f)
		s.mu.Lock()
		if len(s.waiting) == 0 {
			break
		}
		f, s.waiting = s.waiting[0], s.waiting[1:]
	}
	s.running, s.waiting = false, nil
	s.mu.Unlock()
	return true
}

func (s *Strand) call(f func()) {
	defer func() {
		if p := recover(); p != nil { // DESIGN.md law 6
			s.panics.Inc()
			s.log.Error("a call's handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	f()
}

// After runs f on the strand when d has passed, unless the timer is stopped.
func (s *Strand) After(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { s.Do(f) })
}

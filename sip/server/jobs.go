package server

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sparkleim/sparkle/store"
)

// Jobs runs what may block, for services whose handlers may not: the jobs of one
// user one after another in their order, those of different users side by side.
type Jobs struct {
	limits JobLimits

	waiting atomic.Int64 // jobs that are not done

	mu      sync.Mutex
	of      map[store.UserID][]func() // a user is in here while a worker has or will have him
	ready   []store.UserID            // users that no worker has taken
	workers int
	closed  bool
	running sync.WaitGroup
}

// JobLimits bound jobs. Whoever has Each jobs waiting leaves the rest of Waiting to
// others.
type JobLimits struct {
	AtATime int // that run at the same time
	Waiting int // that are not done, of all users together
	Each    int // that are not done, of one user
}

// NewJobs makes jobs within limits. Nothing runs while there are none.
func NewJobs(limits JobLimits) *Jobs {
	return &Jobs{limits: limits, of: make(map[store.UserID][]func())}
}

// Do runs job later. The error is a 503 when too many of the user's jobs wait, or of
// all users together, or after Close.
func (j *Jobs) Do(u store.UserID, job func()) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	own, busy := j.of[u]
	switch n := j.waiting.Load(); {
	case j.closed:
		return &Error{Status: 503, RetryAfter: 10, Warning: "server is going down"}
	case len(own) >= j.limits.Each:
		return &Error{Status: 503, RetryAfter: soon(), Warning: fmt.Sprintf("%d requests of yours are waiting; send fewer at a time", len(own))}
	case n >= int64(j.limits.Waiting):
		return &Error{Status: 503, RetryAfter: soon(), Warning: fmt.Sprintf("%d requests are waiting; try again", n)}
	}
	j.waiting.Add(1)
	j.of[u] = append(own, job)
	if busy {
		return nil
	}
	j.ready = append(j.ready, u)
	if j.workers < j.limits.AtATime {
		j.workers++
		j.running.Go(j.work)
	}
	return nil
}

// Busy tells whether jobs of the user are waiting or running.
func (j *Jobs) Busy(u store.UserID) bool {
	if j.waiting.Load() == 0 {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, busy := j.of[u]
	return busy
}

// work runs jobs until no user is ready.
func (j *Jobs) work() {
	for {
		j.mu.Lock()
		if len(j.ready) == 0 {
			j.ready = nil
			j.workers--
			j.mu.Unlock()
			return
		}
		u := j.ready[0]
		j.ready = j.ready[1:]
		job := j.of[u][0]
		j.mu.Unlock()
		job()
		j.finish(u)
	}
}

// finish takes the done job off and lines the user up again for his next.
func (j *Jobs) finish(u store.UserID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting.Add(-1)
	if rest := j.of[u][1:]; len(rest) > 0 {
		j.of[u] = rest
		j.ready = append(j.ready, u)
		return
	}
	delete(j.of, u)
}

// Close takes no more jobs. It does not wait for those that were taken.
func (j *Jobs) Close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
}

// Wait waits for the jobs that were taken, after Close.
func (j *Jobs) Wait() { j.running.Wait() }

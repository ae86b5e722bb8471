package focus

import (
	"fmt"
	"sync"

	"github.com/sparkleim/sparkle/store"
)

// jobs runs what blocks: the jobs of one user one after another in their order,
// those of different users side by side.
type jobs struct {
	limit, bound int

	mu      sync.Mutex
	waiting int                       // that are not done
	of      map[store.UserID][]func() // a user is in here while a worker has or will have him
	ready   []store.UserID            // users that no worker has taken
	workers int
	closed  bool
}

func newJobs(limit, bound int) *jobs {
	return &jobs{limit: limit, bound: bound, of: map[store.UserID][]func(){}}
}

// do runs job later. The error is store.ErrUnavailable when too many wait.
func (j *jobs) do(u store.UserID, job func()) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || j.waiting >= j.bound {
		return fmt.Errorf("%w: %d requests of groups are waiting", store.ErrUnavailable, j.waiting)
	}
	j.waiting++
	own, busy := j.of[u]
	j.of[u] = append(own, job)
	if busy {
		return nil
	}
	j.ready = append(j.ready, u)
	if j.workers < j.limit {
		j.workers++
		go j.work()
	}
	return nil
}

// work runs jobs until no user is ready.
func (j *jobs) work() {
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
func (j *jobs) finish(u store.UserID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting--
	if rest := j.of[u][1:]; len(rest) > 0 {
		j.of[u] = rest
		j.ready = append(j.ready, u)
		return
	}
	delete(j.of, u)
}

// close takes no more jobs. It does not wait for those that were taken.
func (j *jobs) close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
}

package server

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// refusedJob tells whether a job was refused as a request that comes too early is.
func refusedJob(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == 503 && e.RetryAfter > 0
}

// Jobs of one user keep their order, others overtake them, and there is an end.
func TestJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := NewJobs(JobLimits{AtATime: 2, Waiting: 6, Each: 3})
		var order []string
		job := func(u store.UserID, n int) {
			if err := j.Do(u, func() {
				time.Sleep(time.Duration(u) * time.Second)
				j.mu.Lock()
				order = append(order, fmt.Sprint(u, ".", n))
				j.mu.Unlock()
			}); err != nil {
				t.Error(err)
			}
		}
		for n := range 2 {
			job(5, n)
			job(1, n)
			job(2, n)
		}
		if err := j.Do(9, func() {}); !refusedJob(err) {
			t.Errorf("one too many: %v", err)
		}
		if !j.Busy(5) || j.Busy(9) {
			t.Error("who is busy is not known")
		}
		j.Close()
		j.Wait()
		if got, want := fmt.Sprint(order), "[1.0 2.0 1.1 5.0 2.1 5.1]"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if err := j.Do(9, func() {}); !refusedJob(err) {
			t.Errorf("after the end: %v", err)
		}
		if len(j.of) != 0 || j.workers != 0 || j.Busy(5) {
			t.Errorf("%d left, %d workers", len(j.of), j.workers)
		}
	})
}

// One user cannot keep the others from being served.
func TestJobsOfOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := NewJobs(JobLimits{AtATime: 2, Waiting: 100, Each: 3})
		var one, other atomic.Int32
		refused := 0
		for range 200 {
			if err := j.Do(1, func() { time.Sleep(time.Second); one.Add(1) }); err != nil {
				if !refusedJob(err) {
					t.Error(err)
				}
				refused++
			}
		}
		if err := j.Do(2, func() { other.Add(1) }); err != nil {
			t.Errorf("another user: %v", err)
		}
		j.Close()
		j.Wait()
		if refused != 197 || one.Load() != 3 || other.Load() != 1 {
			t.Errorf("%d refused, done %d and %d", refused, one.Load(), other.Load())
		}
	})
}

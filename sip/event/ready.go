package event

import (
	"sync"
	"time"
)

// ready is the line of subscriptions to which something has happened. Each stands
// there once at most, so it is never longer than there are subscriptions.
type ready struct {
	mu     sync.Mutex
	some   sync.Cond
	line   []*subscription
	closed bool
}

func (q *ready) init() { q.some.L = &q.mu }

// add puts subscriptions into the line whose inbox was filled.
func (q *ready) add(list ...*subscription) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range list {
		if !s.inLine {
			s.inLine = true
			q.line = append(q.line, s)
			q.some.Signal()
		}
	}
}

// serve calls do for one after the other until close. A subscription has left the
// line by then, so that what happens from now on brings it there again.
func (q *ready) serve(do func(*subscription)) {
	for {
		s := q.next()
		if s == nil {
			return
		}
		do(s)
	}
}

func (q *ready) next() *subscription {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.line) == 0 && !q.closed {
		q.some.Wait()
	}
	if q.closed {
		return nil
	}
	s := q.line[0]
	q.line[0] = nil
	q.line = q.line[1:]
	s.inLine = false
	return s
}

func (q *ready) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.some.Broadcast()
}

// expire tells subscriptions that their time is up, by one timer for all.
func (n *Notifier) expire() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-timer.C:
		case <-n.table.sooner:
		}
		due, next := n.table.due(time.Now())
		for _, s := range due {
			s.in.expire()
		}
		n.ready.add(due...)
		timer.Reset(next)
	}
}

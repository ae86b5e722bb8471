package chat

import "sync"

// line is where work waits for a worker. What may stand in it more than once, or
// without end, is bounded by who puts it there.
type line[T any] struct {
	mu     sync.Mutex
	wake   sync.Cond
	work   []T
	closed bool
}

func (l *line[T]) init() { l.wake.L = &l.mu }

func (l *line[T]) add(w T) {
	l.mu.Lock()
	l.work = append(l.work, w)
	l.mu.Unlock()
	l.wake.Signal()
}

// serve gives the work to do, one piece after the other, until close.
func (l *line[T]) serve(do func(T)) {
	var none T
	for {
		l.mu.Lock()
		for len(l.work) == 0 && !l.closed {
			l.wake.Wait()
		}
		if l.closed {
			l.mu.Unlock()
			return
		}
		w := l.work[0]
		l.work[0] = none
		l.work = l.work[1:]
		l.mu.Unlock()
		do(w)
	}
}

func (l *line[T]) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.wake.Broadcast()
}

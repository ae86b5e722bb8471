package focus

import "sync"

// line is where devices stand that something may be owed to. A device stands in it
// at most once. It moves while fewer than limit requests are under way.
type line struct {
	limit int

	mu       sync.Mutex
	wake     sync.Cond
	waiting  []*device
	underWay int
	closed   bool
}

func newLine(limit int) *line {
	l := &line{limit: limit}
	l.wake.L = &l.mu
	return l
}

// add puts a device at the end; who calls it keeps that once.
func (l *line) add(d *device) {
	l.mu.Lock()
	l.waiting = append(l.waiting, d)
	l.mu.Unlock()
	l.wake.Signal()
}

// take waits for a device that may be sent a request, which counts as under way
// from now on; nil at the end.
func (l *line) take() *device {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && (len(l.waiting) == 0 || l.underWay >= l.limit) {
		l.wake.Wait()
	}
	if l.closed {
		return nil
	}
	d := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	if len(l.waiting) == 0 {
		l.waiting = nil
	}
	l.underWay++
	return d
}

// done is the end of a request, or that there was none.
func (l *line) done() {
	l.mu.Lock()
	l.underWay--
	l.mu.Unlock()
	l.wake.Signal()
}

func (l *line) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.wake.Broadcast()
}

// load tells how many devices wait and how many requests are under way.
func (l *line) load() (waiting, underWay int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting), l.underWay
}

package server

import (
	"sync"
	"sync/atomic"

	"github.com/sparkleim/sparkle/sip/auth"
)

// maxLine bounds the requests that wait on one flow behind one whose sender is
// being looked up; one more is answered 503.
const maxLine = 256

// lines keeps the requests of a flow in their order (DESIGN.md law 2) while the
// first of them waits for the authenticator. A flow has a line only meanwhile.
type lines struct {
	count atomic.Int64 // of flows with a line; 0 is the usual case and needs no lock
	mu    sync.Mutex
	flow  map[uint64][]*Request
}

func newLines() *lines { return &lines{flow: make(map[uint64][]*Request)} }

type place uint8

const (
	first place = iota // nobody waits: go ahead
	waits              // in line, will be called
	full               // the line is too long
)

// join puts r behind those of its flow who wait.
func (l *lines) join(r *Request) place {
	if l.count.Load() == 0 {
		return first
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	line, ok := l.flow[r.Flow.ID]
	switch {
	case !ok:
		return first
	case len(line) >= maxLine:
		return full
	}
	l.flow[r.Flow.ID] = append(line, r)
	return waits
}

// open begins a line behind r, unless r came from one. It is called on the
// goroutine of the flow, so nothing can have overtaken r.
func (l *lines) open(r *Request) {
	if r.lined {
		return
	}
	r.lined = true
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flow[r.Flow.ID] = nil
	l.count.Add(1)
}

// leave returns who is next behind r; nil when there is no line or it ends.
func (l *lines) leave(r *Request) *Request {
	if !r.lined {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.flow[r.Flow.ID]
	if len(line) == 0 {
		delete(l.flow, r.Flow.ID)
		l.count.Add(-1)
		return nil
	}
	next := line[0]
	next.lined = true
	l.flow[r.Flow.ID] = line[1:]
	return next
}

// pause is where a result that may come before or after its request is ready
// to wait for it meets that request.
type pause struct {
	mu     sync.Mutex
	parked bool
	early  *auth.Result
}

// park begins to wait; the result when it is there already.
func (p *pause) park() (auth.Result, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.early != nil {
		return *p.early, true
	}
	p.parked = true
	return auth.Result{}, false
}

// wake brings the result; false when nobody waits yet.
func (p *pause) wake(r auth.Result) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.parked {
		p.early = &r
	}
	return p.parked
}

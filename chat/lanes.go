package chat

import (
	"sync"
	"sync/atomic"
)

// Bounds of the messages that wait for the one before them.
const (
	maxLane  = 256  // of one flow
	maxLanes = 4096 // of all flows
)

// lanes keep the messages of one flow in order where one of them has to wait
// for an answer from the store: who comes later lines up behind it. A flow
// without anybody waiting has no lane and costs one atomic read.
type lanes struct {
	step func(*submission) bool // false: it waits, and whoever ends the wait calls resume
	open atomic.Int64           // lanes that exist
	mu   sync.Mutex
	flow map[uint64][]*submission // the first of a line is the one that waits for the store
	size int                      // of all lines
}

// enter takes the next message of a flow; calls for one flow come one after
// the other. false when its lane is full.
func (l *lanes) enter(sub *submission) bool {
	if l.open.Load() > 0 {
		if queued, full := l.lineUp(sub); queued || full {
			return !full
		}
	}
	if !l.step(sub) {
		l.begin(sub)
	}
	return true
}

// lineUp puts sub at the end of its flow's lane, if there is one.
func (l *lanes) lineUp(sub *submission) (queued, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, ok := l.flow[sub.origin.flow.ID]
	if !ok {
		return false, false
	}
	if len(line) >= maxLane || l.size >= maxLanes {
		return false, true
	}
	l.size++
	l.flow[sub.origin.flow.ID] = append(line, sub)
	return true, false
}

// begin opens a lane behind sub unless the answer for it was faster.
func (l *lanes) begin(sub *submission) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sub.placed {
		return
	}
	if l.flow == nil {
		l.flow = make(map[uint64][]*submission)
	}
	l.flow[sub.origin.flow.ID] = []*submission{sub}
	l.size++
	l.open.Add(1)
}

// resume goes on with sub, for which the store has answered, and with those
// behind it.
func (l *lanes) resume(sub *submission) {
	for sub != nil && l.step(sub) {
		sub = l.leave(sub)
	}
}

// leave takes sub out of its lane and returns who is next.
func (l *lanes) leave(sub *submission) *submission {
	l.mu.Lock()
	defer l.mu.Unlock()
	sub.placed = true
	line := l.flow[sub.origin.flow.ID]
	if len(line) == 0 {
		return nil
	}
	l.size--
	if line = line[1:]; len(line) == 0 {
		delete(l.flow, sub.origin.flow.ID)
		l.open.Add(-1)
		return nil
	}
	l.flow[sub.origin.flow.ID] = line
	return line[0]
}

package chat

import "time"

// Bounds of a device's queue.
const (
	maxBacklog      = 256       // messages in memory; beyond them the archive keeps the rest
	maxBacklogBytes = 256 << 10 // of their bodies
	pageSize        = 16        // messages read from the archive at once
	maxMeanwhile    = 64        // messages that arrive while that is done

	minBackoff = 30 * time.Second
	maxBackoff = 10 * time.Minute

	// roomPatience is how long a message waits until its device is in the room: what
	// others write to its user waits behind it.
	roomPatience = 90 * time.Second
)

// action is what a queue wants to be done now.
type action int8

const (
	actNothing action = iota
	actSend           // the head of the backlog
	actDrain          // read a page from the archive
	actWait           // call retry after pause
	actHold           // call tired after pause
)

// outcome is what became of the head of the backlog.
type outcome int8

const (
	settled outcome = iota // delivered, or passed over for good
	later                  // keep it and try again
	away                   // the device cannot be reached now
	held                   // keep it until the device has come into the group's room
)

// queue decides the order of things for one device. It is a pure state machine:
// every method is an event, its result the action to take. It does not lock,
// send, read or look at a clock.
//
// Its invariant: a message for the device that the archive holds is before the
// cursor, in the backlog, or more is true.
//
//	         more                page                 head
//	actDrain ────→ (draining) ────→ backlog, actSend ────→ (busy) ─→ settled, next
//	                                                         │
//	                              (waiting) ←─────── later ──┴─ away ─→ (parked)
type queue struct {
	backlog  []*item
	one      [1]*item // the memory of a backlog of one
	bytes    int      // of the bodies in the backlog
	more     bool     // the archive may hold messages that are not in the backlog
	draining bool     // a page is being read
	busy     bool     // the head is under way
	waiting  bool     // a retry is due later
	holding  bool     // and what is waited for is a room
	parked   bool     // until the device is reachable again
	again    bool     // the device became reachable while the head was under way
	failures int      // in a row
	pause    time.Duration

	meanwhile []*item // what arrived while a page is being read; forgotten when more is true

	// seen is the highest GID in a page of the archive: a message up to it that
	// arrives was in that page or before. What came from memory says nothing of
	// others, for messages of different conversations overtake one another.
	seen int64
}

// next is the action that the state allows.
func (q *queue) next() action {
	switch {
	case q.busy, q.draining, q.waiting, q.parked:
		return actNothing
	case len(q.backlog) > 0:
		q.busy = true
		return actSend
	case q.more:
		q.more, q.draining = false, true
		return actDrain
	}
	return actNothing // up to date: the next message comes from memory
}

// arrive is a message that was just committed. reachable tells whether the
// device was there a moment ago: true ends parking, false proves nothing, for a
// REGISTER may have come meanwhile. Whether it is there the attempt will show.
func (q *queue) arrive(it *item, reachable bool) action {
	if reachable {
		q.parked = false
	}
	switch {
	case it.msg.GID <= q.seen: // a page of the archive already held it
	case q.draining && !q.more && len(q.meanwhile) < maxMeanwhile:
		q.meanwhile = append(q.meanwhile, it)
	case q.more, q.draining, q.full():
		q.more = true
	default:
		q.push(it)
	}
	return q.next()
}

// drained is the answer to actDrain: the oldest messages after the cursors, at
// most a page. When there are no more of them, what arrived while the archive was
// read follows: otherwise a device in a busy group, for which something always
// arrives meanwhile, would be served from the archive for ever.
func (q *queue) drained(page []*item, err error) action {
	meanwhile := q.meanwhile
	q.draining, q.meanwhile = false, nil
	if err != nil {
		return q.wait()
	}
	q.more = q.more || len(page) == pageSize
	for _, it := range page {
		q.push(it)
		q.seen = max(q.seen, it.msg.GID)
	}
	for _, it := range meanwhile {
		if !q.more && it.msg.GID > q.seen {
			q.push(it)
		}
	}
	return q.next()
}

func (q *queue) push(it *item) {
	if len(q.backlog) == 0 {
		q.backlog = q.one[:0]
	}
	q.backlog = append(q.backlog, it)
	q.bytes += len(it.msg.Body)
}

func (q *queue) full() bool { return len(q.backlog) >= maxBacklog || q.bytes >= maxBacklogBytes }

// settle is what became of the head.
func (q *queue) settle(o outcome) action {
	q.busy = false
	again := q.again
	q.again = false
	switch {
	case o == settled:
		q.pass()
	case again:
		q.failures = 0
	case o == later:
		return q.wait()
	case o == away:
		q.park()
	case o == held:
		return q.hold()
	}
	return q.next()
}

// pass takes the head off the backlog.
func (q *queue) pass() {
	q.bytes -= len(q.backlog[0].msg.Body)
	q.backlog[0] = nil
	q.backlog = q.backlog[1:]
	if len(q.backlog) == 0 {
		q.backlog = nil
	}
	q.failures = 0
}

// reachable is a REGISTER of the device, or that it has come into a room.
func (q *queue) reachable() action {
	q.again = q.busy
	q.waiting, q.holding, q.parked, q.failures = false, false, false, 0
	return q.next()
}

// recheck is a doubt whether the archive holds something new.
func (q *queue) recheck() action {
	q.more = true
	return q.next()
}

// retry is the end of a pause.
func (q *queue) retry() action {
	q.waiting = false
	return q.next()
}

// hold waits for the device to come into a room: reachable tells, or will not.
func (q *queue) hold() action {
	q.waiting, q.holding = true, true
	q.pause = roomPatience
	return actHold
}

// tired is the end of the patience with a room; gaveUp is false when it was not
// waited for any more.
func (q *queue) tired() (gaveUp bool, act action) {
	if !q.holding {
		return false, actNothing
	}
	q.waiting, q.holding = false, false
	return true, q.next()
}

// park leaves everything to the archive until the device registers again.
func (q *queue) park() {
	q.backlog, q.bytes = nil, 0
	q.more, q.parked, q.waiting = true, true, false
}

// wait is a pause that grows with the failures in a row.
func (q *queue) wait() action {
	q.more = q.more || len(q.backlog) == 0
	q.pause = min(maxBackoff, minBackoff<<min(q.failures, 5))
	q.failures++
	q.waiting = true
	return actWait
}

// idle tells whether the queue can be forgotten when the device is not there.
func (q *queue) idle() bool { return !q.busy && !q.draining }

package chat

import "github.com/sparkleim/sparkle/group"

// maxWaiting is how many messages of a group wait for their delivery in memory.
// What comes beyond them the devices of the members are told to fetch from the
// archive.
const maxWaiting = 256

// step is a stretch of a group's conversation, seqs from first to before next,
// and what is to be done for it: a message to be given to the members, a change
// of the group with its notices, or, with neither, a reason for their devices to
// look into the archive. A step without a stretch has first and next equal; both
// are 0 when it has no place at all.
type step struct {
	first, next int64
	it          *item
	event       *group.Event
	passing     bool // it is not kept: for who is there now
	behind      bool // event: its notices are known from the archive already
}

// sequence brings what happens to a group into the order of its conversation.
// Messages are told by the archive, changes by package group, each in their
// order, but neither in that of the other; seq is dense, so a gap tells that
// something is still to come. It is what makes sure that nobody gets what was
// written after he left, and that who has come gets what is before it first.
//
// It is a pure state machine: it does not lock, send, or look at a clock.
type sequence struct {
	expected int64  // the seq that comes next, 0 when that is not known
	waiting  []step // by their places; messages among them at most maxWaiting
	messages int    // of waiting
	lastMade int64  // next of the last change that was put
}

// put takes a step. merged tells that the message in it was left to the archive.
func (q *sequence) put(st step) (merged bool) {
	switch {
	case st.event != nil && st.first == 0: // behind the change before it
		st.first = max(q.expected, q.lastMade)
		st.next = st.first
		fallthrough
	case st.event != nil:
		q.lastMade = st.next
	case st.passing && q.messages >= maxWaiting:
		return false // its moment is over
	case st.it != nil && q.messages >= maxWaiting:
		st.it, merged = nil, true
	}
	at := len(q.waiting)
	for at > 0 && q.waiting[at-1].first > st.first {
		at--
	}
	if merged && at > 0 && q.waiting[at-1].look() && q.waiting[at-1].next == st.first {
		q.waiting[at-1].next = st.next
		return true
	}
	if st.it != nil {
		q.messages++
	}
	q.waiting = append(q.waiting, step{})
	copy(q.waiting[at+1:], q.waiting[at:])
	q.waiting[at] = st
	return merged
}

// look tells whether the step makes devices look into the archive.
func (st *step) look() bool { return st.it == nil && st.event == nil }

// take returns the step that is due; false when there is none yet. After a step
// that came out of nowhere (the first one, or one after a doubt) the members have
// to look into the archive for what was before it.
func (q *sequence) take() (st step, ok bool) {
	for len(q.waiting) > 0 {
		st := q.waiting[0]
		known := q.expected != 0
		if known && st.first > q.expected {
			return step{}, false // something before it is still to come
		}
		q.drop()
		switch {
		case st.look() && st.first == 0:
			q.expected = 0 // what comes next is not known any more
			return st, true
		case st.first == st.next: // nothing of the conversation
			return st, true
		case known && st.first < q.expected && st.event == nil:
			continue // the members have looked at a later one already
		case st.event != nil && (!known || st.first < q.expected):
			st.behind = true
		case !known:
			st.it = nil
		}
		q.expected = max(q.expected, st.next)
		return st, true
	}
	return step{}, false
}

// drop takes the first step off.
func (q *sequence) drop() {
	if q.waiting[0].it != nil {
		q.messages--
	}
	q.waiting[0] = step{}
	if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
}

// giveUp ends the wait for what does not come.
func (q *sequence) giveUp() { q.expected = 0 }

// covers tells whether a message at seq has been given to the members, or will
// be.
func (q *sequence) covers(seq int64) bool {
	if q.expected != 0 && seq < q.expected {
		return true
	}
	for i := range q.waiting {
		if st := &q.waiting[i]; st.first <= seq && seq < st.next {
			return true
		}
	}
	return false
}

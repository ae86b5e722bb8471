package sqldb

import (
	"strings"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// maxRelaxed bounds what waits: beyond it, new traces and bindings are dropped
// (and counted). Cursors are never dropped: there is one a device and
// conversation, and losing one sends messages again.
const maxRelaxed = 1 << 17

// maxCalls bounds the call records that wait, as maxRelaxed does for traces;
// one is some 2 kB.
const maxCalls = 1 << 15

// callPatience is how much longer than other relaxed operations a call record
// may wait: a second has to do for both and the commit. Company is what it waits
// for: a save takes about 24 µs of a processor with 14 in a transaction, 14 µs
// with 35 and 11 µs with 140 (BenchmarkSaveCall).
const callPatience = 500 * time.Millisecond

type cursorKey struct {
	device store.DeviceID
	conv   store.ConversationID
}

// bindingKey is the primary key of a binding.
type bindingKey struct {
	user     store.UserID
	instance string
	regID    int
	contact  string // only without an instance
}

func keyOf(b *store.Binding) bindingKey {
	k := bindingKey{user: b.User, instance: b.Instance, regID: b.RegID}
	if b.Instance == "" {
		k.contact = b.Contact
	}
	return k
}

// progress is how far a device is in a conversation, and the number of its last
// span; 0 for none.
type progress struct {
	seq  int64
	span int
}

// relaxedSet holds relaxed operations, merged.
type relaxedSet struct {
	cursors  map[cursorKey]progress
	spans    []span
	spansCut int                           // spans that were taken away from the front: the first has the number after it
	bindings map[bindingKey]*store.Binding // nil: remove
	starts   map[store.DeviceID]int64
	replays  map[replay]struct{} // to be removed
	tokens   map[int64]time.Time // last use
	calls    map[int64]*store.CallRecord

	reads         map[readKey]int64
	rooms         map[roomKey]*store.RoomDevice           // nil: remove
	subscriptions map[subscriptionKey]*store.Subscription // nil: remove
}

func newRelaxedSet() *relaxedSet {
	return &relaxedSet{
		cursors:  make(map[cursorKey]progress),
		bindings: make(map[bindingKey]*store.Binding),
		starts:   make(map[store.DeviceID]int64),
		replays:  make(map[replay]struct{}),
		tokens:   make(map[int64]time.Time),
		calls:    make(map[int64]*store.CallRecord),

		reads:         make(map[readKey]int64),
		rooms:         make(map[roomKey]*store.RoomDevice),
		subscriptions: make(map[subscriptionKey]*store.Subscription),
	}
}

func (s *relaxedSet) len() int {
	return len(s.cursors) + len(s.spans) + len(s.bindings) + len(s.starts) + len(s.replays) + len(s.tokens) + len(s.calls) +
		len(s.reads) + len(s.rooms) + len(s.subscriptions)
}

// move takes up to n entries from s into a set of their own.
func (s *relaxedSet) move(n int) *relaxedSet {
	if s.len() <= n {
		out := *s
		*s = *newRelaxedSet()
		return &out
	}
	out := newRelaxedSet()
	room := func() bool { return out.len() < n }
	moveSome(out.calls, s.calls, room) // first: settleCalls counts on it
	moveSome(out.cursors, s.cursors, room)
	moveSome(out.bindings, s.bindings, room)
	moveSome(out.starts, s.starts, room)
	moveSome(out.replays, s.replays, room)
	moveSome(out.tokens, s.tokens, room)
	moveSome(out.reads, s.reads, room)
	moveSome(out.rooms, s.rooms, room)
	moveSome(out.subscriptions, s.subscriptions, room)
	k := min(len(s.spans), n-out.len())
	out.spans = s.spans[:k:k]
	s.spans = s.spans[k:]
	s.spansCut += k
	return out
}

func moveSome[K comparable, V any](to, from map[K]V, room func() bool) {
	for k, v := range from {
		if !room() {
			return
		}
		to[k] = v
		delete(from, k)
	}
}

// giveBack merges a set that could not be written under what has come since.
func (s *relaxedSet) giveBack(old *relaxedSet) {
	for k, p := range s.cursors {
		s.cursors[k] = progress{seq: p.seq} // the spans get other numbers
	}
	for k, p := range old.cursors {
		s.cursors[k] = progress{seq: max(s.cursors[k].seq, p.seq)}
	}
	for k, seq := range old.reads {
		s.reads[k] = max(s.reads[k], seq)
	}
	for d, gid := range old.starts {
		s.starts[d] = max(s.starts[d], gid)
	}
	keepNewer(s.replays, old.replays)
	keepNewer(s.bindings, old.bindings)
	keepNewer(s.tokens, old.tokens)
	keepNewer(s.calls, old.calls)
	keepNewer(s.rooms, old.rooms)
	keepNewer(s.subscriptions, old.subscriptions)
	s.spans, s.spansCut = append(old.spans, s.spans...), 0
}

func keepNewer[K comparable, V any](newer, older map[K]V) {
	for k, v := range older {
		if _, ok := newer[k]; !ok {
			newer[k] = v
		}
	}
}

// relaxed is where relaxed operations wait for the writer.
type relaxed struct {
	mu      sync.Mutex
	waiting *relaxedSet
	writing *relaxedSet // in the transaction of the moment, nil without one
	since   time.Time   // from when the patience with waiting counts; zero exactly when it is empty
}

func newRelaxed() *relaxed { return &relaxed{waiting: newRelaxedSet()} }

// add runs put on the waiting set and tells whether it was empty before: then
// the writer must be woken to set its clock.
func (r *relaxed) add(put func(*relaxedSet)) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	put(r.waiting)
	return r.begin(0)
}

// save is add for a call record, which may wait longer. It is not kept when too
// many wait.
func (r *relaxed) save(c *store.CallRecord) (first, kept bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, merged := r.waiting.calls[c.ID]; !merged && len(r.waiting.calls) >= maxCalls {
		return false, false
	}
	r.waiting.calls[c.ID] = c
	return r.begin(callPatience), true
}

// hurry makes what waits due at once, and tells how many transactions it takes
// until the call records in it are written.
func (r *relaxed) hurry() (transactions int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.waiting.calls); n > 0 {
		r.since = time.Now().Add(-relaxedWait)
		return (n + relaxedChunk - 1) / relaxedChunk
	}
	if r.writing != nil && len(r.writing.calls) > 0 {
		return 1
	}
	return 0
}

// deliver is add for a delivery. Its trace is not kept when too many wait.
func (r *relaxed) deliver(k cursorKey, seq int64, d store.Delivery) (first, kept bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept = r.waiting.deliver(k, seq, &d)
	return r.begin(0), kept
}

// begin starts the clock of the waiting set for an entry that may wait longer
// than others by patience. It tells whether the writer must look at it.
func (r *relaxed) begin(patience time.Duration) (first bool) {
	since := time.Now().Add(patience)
	if r.waiting.len() == 0 || !r.since.IsZero() && !since.Before(r.since) {
		return false
	}
	r.since = since
	return true
}

// due returns when operations have waited for d, and those that may wait longer
// for that much longer.
func (r *relaxed) due(d time.Duration) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since.Add(d), !r.since.IsZero()
}

// take moves up to n operations to the transaction of the moment; nil when none
// wait.
func (r *relaxed) take(n int) *relaxedSet {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting.len() == 0 {
		return nil
	}
	r.writing = r.waiting.move(n)
	if r.waiting.len() == 0 {
		r.since = time.Time{}
	}
	return r.writing
}

// finish ends the transaction of the moment.
func (r *relaxed) finish(ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !ok {
		r.waiting.giveBack(r.writing)
		r.since = time.Now()
	}
	r.writing = nil
}

// cursor returns the seq that waits for a device in a conversation, 0 for none.
func (r *relaxed) cursor(k cursorKey) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	seq := r.waiting.cursors[k].seq
	if r.writing != nil {
		seq = max(seq, r.writing.cursors[k].seq)
	}
	return seq
}

// relax adds relaxed operations and wakes the writer when it has none to think
// of.
func (db *DB) relax(put func(*relaxedSet)) {
	if db.relaxed.add(put) {
		db.writer.signal()
	}
}

// applyRelaxed writes a set.
func (w *writer) applyRelaxed(s *relaxedSet) error {
	for k, p := range s.cursors {
		if err := w.hot.cursor.exec(int64(k.device), int64(k.conv), p.seq); err != nil {
			return err
		}
	}
	for i := range s.spans {
		if err := w.applySpan(&s.spans[i]); err != nil {
			return err
		}
	}
	for k, b := range s.bindings {
		if err := w.applyBinding(k, b); err != nil {
			return err
		}
	}
	for device, gid := range s.starts {
		if err := saveStart(w.tx, device, gid); err != nil {
			return err
		}
	}
	if err := w.applyReads(s.reads); err != nil {
		return err
	}
	for k, r := range s.rooms {
		if err := w.applyRoom(k, r); err != nil {
			return err
		}
	}
	for k, sub := range s.subscriptions {
		if err := w.applySubscription(k, sub); err != nil {
			return err
		}
	}
	for r := range s.replays {
		_, err := w.tx.exec(`DELETE FROM device_replay WHERE device_id = $1 AND conv_id = $2 AND from_seq = $3 AND to_seq = $4`,
			int64(r.device), int64(r.conv), r.from, r.to)
		if err != nil {
			return err
		}
	}
	for id, at := range s.tokens {
		if _, err := w.tx.exec(`UPDATE token SET last_used = $1 WHERE id = $2`, at.UnixMilli(), id); err != nil {
			return err
		}
	}
	return w.applyCalls(s.calls)
}

func (w *writer) applyBinding(k bindingKey, b *store.Binding) error {
	if b == nil {
		return w.hot.unbind.exec(int64(k.user), k.instance, int64(k.regID), k.contact)
	}
	return w.hot.binding.exec(int64(k.user), k.instance, int64(k.regID), k.contact, int64(b.Device), b.Contact, b.Params,
		strings.Join(b.Path, "\n"), int64(b.Q), b.CallID, int64(b.CSeq), b.Expires.UnixMilli(), b.Received, b.Local,
		b.UserAgent)
}

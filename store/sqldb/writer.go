package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sparkleim/sparkle/store"
)

const (
	maxBatch      = 128                    // operations of one transaction; more gains nothing and delays the first
	relaxedWait   = 200 * time.Millisecond // a relaxed operation waits at most so long
	relaxedRide   = 100 * time.Millisecond // and so long before it rides in a durable batch, so that more of it merges
	relaxedChunk  = 512                    // rows of relaxed operations in one transaction
	probeInterval = time.Second            // between attempts to write while writing fails
	headsInterval = time.Minute            // between saves of the heads of conversations
	batchesAhead  = 4                      // committed batches that may wait for the completer
)

// operation is something durable that the writer does.
type operation interface {
	// apply runs in the transaction of the batch.
	apply(w *writer) error
	// isolated tells that apply may fail after it has written: it then gets a
	// savepoint, and its failure is its own.
	isolated() bool
	// finish is called once, after the commit, by the completer.
	finish(err error)
}

// batch is what one transaction did.
type batch struct {
	ops  []operation
	errs []error // of ops
}

// writer owns the connection that writes; all but queue, stopping and failure
// belongs to its goroutine.
type writer struct {
	db       *DB
	conn     *sql.Conn
	tx       tx
	hot      *hotStatements
	heads    *heads
	dedup    *dedup
	gids     gidSource
	now      time.Time // of this batch
	began    time.Time // when the last batch with operations did
	relaxing bool      // the connection does not wait for the disk

	queue   queue
	wake    chan struct{} // capacity 1: there is something to do
	batches chan batch
	stopped chan struct{} // closed when both goroutines have ended

	failure   atomic.Pointer[error] // why durable writes fail, nil when they do not
	failedAt  time.Time
	lastWrite atomic.Int64 // when the last batch with operations ended, Unix nanoseconds
	metrics   *metrics
}

func newWriter(db *DB, conn *sql.Conn) (*writer, error) {
	hot, err := prepareHot(conn, db.dialect)
	if err != nil {
		return nil, err
	}
	young, err := recoverDedup(context.Background(), conn)
	if err != nil {
		return nil, err
	}
	return &writer{
		db: db, conn: conn, tx: tx{conn}, hot: hot,
		heads:   newHeads(db.activity, &db.watchers, db.cfg.Now()),
		dedup:   newDedup(young),
		gids:    gidSource{node: int64(db.cfg.Node), last: db.activity.stamp},
		queue:   queue{limit: db.cfg.Queue},
		wake:    make(chan struct{}, 1),
		batches: make(chan batch, batchesAhead),
		stopped: make(chan struct{}),
		metrics: newMetrics(),
	}, nil
}

func (w *writer) start() {
	var both sync.WaitGroup
	both.Go(w.run)
	both.Go(w.complete)
	go func() {
		both.Wait()
		close(w.stopped)
	}()
}

// submit queues an operation, or refuses it when too many wait. It wakes the
// writer for the first of a batch, and for the one that makes it full.
func (w *writer) submit(op operation) error {
	n, err := w.queue.push(op)
	if err != nil {
		w.metrics.refused.Inc()
		return err
	}
	if n == 1 || n == maxBatch {
		w.signal()
	}
	return nil
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *writer) close() error {
	w.queue.close()
	w.signal()
	<-w.stopped
	w.hot.close()
	return w.conn.Close()
}

// run is the writer's goroutine.
func (w *writer) run() {
	defer close(w.batches)
	timer := time.NewTimer(headsInterval)
	defer timer.Stop()
	for !w.queue.done() {
		timer.Reset(w.patience())
		select {
		case <-w.wake:
		case <-timer.C:
		}
		for w.gather(timer); w.step(); w.gather(timer) {
		}
		w.probe()
	}
	w.lastWords()
}

// gather lets operations come together while the last commit is young: what a
// commit costs hardly depends on how many share it. Who comes after a pause, a
// full batch, and the last before the end do not wait.
func (w *writer) gather(timer *time.Timer) {
	for w.queue.worthWaiting() {
		pause := time.Until(w.began.Add(w.db.cfg.Gather))
		if pause <= 0 {
			return
		}
		timer.Reset(pause)
		select {
		case <-w.wake:
		case <-timer.C:
		}
	}
}

// patience is how long the writer may sleep without a signal.
func (w *writer) patience() time.Duration {
	if w.failure.Load() != nil {
		return probeInterval // what is relaxed waits for the probe, too
	}
	d := headsInterval
	if due, ok := w.db.relaxed.due(relaxedWait); ok {
		d = max(0, time.Until(due))
	}
	return d
}

// step commits one batch of what waits; false when nothing does.
func (w *writer) step() bool {
	ops := w.queue.take(maxBatch)
	wait := relaxedWait
	if len(ops) > 0 {
		wait = relaxedRide
	}
	due, ok := w.db.relaxed.due(wait)
	riding := ok && !time.Now().Before(due)
	if len(ops) == 0 && (!riding || w.failure.Load() != nil) {
		return false
	}
	var rel *relaxedSet
	if riding {
		rel = w.db.relaxed.take(relaxedChunk)
	}
	w.commit(batch{ops: ops, errs: make([]error, len(ops))}, rel)
	return true
}

// commit runs a batch and hands it to the completer.
func (w *writer) commit(b batch, rel *relaxedSet) {
	start := time.Now()
	if len(b.ops) > 0 {
		w.began = start
	}
	w.now = w.db.cfg.Now()
	err := w.transact(b, rel)
	if err != nil {
		w.heads.rollback()
		w.dedup.rollback()
		for i := range b.errs {
			b.errs[i] = err
		}
	} else {
		w.heads.committed(w.gids.last)
		w.dedup.committed(w.heads.newest)
	}
	if rel != nil {
		w.db.relaxed.finish(err == nil)
	}
	w.observe(len(b.ops), time.Since(start), err)
	if len(b.ops) > 0 {
		w.lastWrite.Store(time.Now().UnixNano())
		w.batches <- b
	}
}

// transact is one transaction. Its error is for every operation of the batch;
// those of single operations are in b.errs.
func (w *writer) transact(b batch, rel *relaxedSet) error {
	if err := w.begin(len(b.ops) > 0); err != nil {
		return unavailable(err)
	}
	err := w.apply(b)
	if err == nil && rel != nil {
		err = w.applyRelaxed(rel)
	}
	if err == nil {
		err = w.heads.save(w)
	}
	if err == nil {
		err = w.dedup.save(w)
	}
	if err != nil {
		w.rollback()
		return unavailable(err)
	}
	if err := w.hot.commit.exec(); err != nil {
		w.rollback()
		if w.db.dialect.fault(err) == faultRetry {
			return unavailable(err)
		}
		return fmt.Errorf("%w: commit: %w", store.ErrUnknown, err)
	}
	return nil
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", store.ErrUnavailable, err) }

// begin starts a transaction of the class that the batch needs.
func (w *writer) begin(durable bool) error {
	if w.relaxing == durable {
		mode := w.db.dialect.relaxed
		if durable {
			mode = w.db.dialect.durable
		}
		if _, err := w.tx.exec(mode); err != nil {
			return err
		}
		w.relaxing = !durable
	}
	return w.hot.begin.exec()
}

// rollback ends the transaction; where SQLite has already undone it, there is
// nothing left to end.
func (w *writer) rollback() { w.tx.exec("ROLLBACK") }

// apply runs the operations. It returns an error only when the transaction
// cannot go on.
func (w *writer) apply(b batch) error {
	for i, op := range b.ops {
		err := w.applyOne(op)
		if err == nil {
			continue
		}
		if !op.isolated() && !errors.Is(err, store.ErrInvalid) || w.db.dialect.fault(err) != faultNone {
			return err
		}
		b.errs[i] = err
	}
	return nil
}

func (w *writer) applyOne(op operation) error {
	if !op.isolated() {
		return op.apply(w)
	}
	if _, err := w.tx.exec("SAVEPOINT op"); err != nil {
		return err
	}
	known := len(w.heads.fresh)
	err := op.apply(w)
	if err != nil && w.db.dialect.fault(err) == faultNone {
		if _, err := w.tx.exec("ROLLBACK TO op"); err != nil {
			return err
		}
		w.heads.forget(known)
	}
	if _, releaseErr := w.tx.exec("RELEASE op"); err == nil {
		err = releaseErr
	}
	return err
}

// observe keeps the health and tells when it changes.
func (w *writer) observe(ops int, took time.Duration, err error) {
	if err == nil {
		w.metrics.commit.Observe(took.Seconds())
		if ops > 0 {
			w.metrics.batch.Observe(float64(ops))
		}
		if w.failure.Swap(nil) != nil {
			w.db.log.Info("the store writes again")
		}
		return
	}
	w.metrics.failures.Inc()
	w.failedAt = time.Now()
	if w.failure.Swap(&err) == nil {
		w.db.log.Error("the store cannot write; nothing is accepted until it can: check the free space and the disk", slog.Any("error", err))
	}
}

// probe writes a mark while writing fails, so that the store recovers without
// traffic. It pretends to no operation.
func (w *writer) probe() {
	if w.failure.Load() == nil || time.Since(w.failedAt) < probeInterval {
		return
	}
	op := &call{reply: make(chan error, 1), fn: func(t tx) error {
		_, err := t.exec(`UPDATE mark SET value = value + 1 WHERE name = 'probe'`)
		return err
	}}
	w.commit(batch{ops: []operation{op}, errs: make([]error, 1)}, nil)
}

// lastWords writes what is still relaxed and the heads.
func (w *writer) lastWords() {
	for rel := w.db.relaxed.take(relaxedChunk); rel != nil; rel = w.db.relaxed.take(relaxedChunk) {
		w.commit(batch{}, rel)
		if w.failure.Load() != nil {
			break
		}
	}
	w.heads.saveNow = true
	w.commit(batch{}, nil)
}

// complete is the completer's goroutine: it answers in the order of the
// commits while the writer goes on.
func (w *writer) complete() {
	for b := range w.batches {
		for i, op := range b.ops {
			op.finish(b.errs[i])
		}
	}
}

// call is an operation that somebody waits for.
type call struct {
	fn    func(tx) error
	state atomic.Int32 // callWaiting, callTaken or callGivenUp
	reply chan error   // capacity 1
}

const (
	callWaiting = iota
	callTaken
	callGivenUp
)

func (c *call) apply(w *writer) error {
	if !c.state.CompareAndSwap(callWaiting, callTaken) {
		return nil
	}
	return c.fn(w.tx)
}

func (c *call) isolated() bool   { return true }
func (c *call) finish(err error) { c.reply <- err }

// write runs fn in a transaction of the writer and returns after its commit.
// fn may run again only in another call. When ctx ends before fn began, nothing
// was done.
func (db *DB) write(ctx context.Context, fn func(tx) error) error {
	c := &call{fn: fn, reply: make(chan error, 1)}
	if err := db.writer.submit(c); err != nil {
		return err
	}
	select {
	case err := <-c.reply:
		return err
	case <-ctx.Done():
		if c.state.CompareAndSwap(callWaiting, callGivenUp) {
			return ctx.Err()
		}
		return <-c.reply
	}
}

// queue holds the operations that wait for the writer.
type queue struct {
	mu     sync.Mutex
	ops    []operation
	limit  int
	closed bool
}

// push returns how many wait now.
func (q *queue) push(op operation) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, fmt.Errorf("%w: it is closed", store.ErrUnavailable)
	}
	if len(q.ops) >= q.limit {
		return 0, fmt.Errorf("%w: %d operations wait for the disk; try again later", store.ErrUnavailable, len(q.ops))
	}
	q.ops = append(q.ops, op)
	return len(q.ops), nil
}

// take removes up to n operations.
func (q *queue) take(n int) []operation {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.ops))
	if n == 0 {
		return nil
	}
	taken := make([]operation, n)
	copy(taken, q.ops)
	rest := copy(q.ops, q.ops[n:])
	clear(q.ops[rest:])
	q.ops = q.ops[:rest]
	return taken
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// worthWaiting tells that operations wait, and more may join their batch.
func (q *queue) worthWaiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.closed && len(q.ops) > 0 && len(q.ops) < maxBatch
}

// done tells that the queue is closed and empty.
func (q *queue) done() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && len(q.ops) == 0
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops)
}

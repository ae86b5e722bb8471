package sqldb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/store"
)

// Healthy implements store.Maintenance.
func (db *DB) Healthy() error {
	if err := db.writer.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Stats implements store.Maintenance. Messages are as of the last save of the
// conversations' ends plus what is known since.
func (db *DB) Stats(ctx context.Context) (store.Stats, error) {
	s := store.Stats{Queue: db.writer.queue.len()}
	err := db.reader.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM users WHERE removed = 0), (SELECT count(*) FROM device WHERE revoked IS NULL),
		(SELECT count(*) FROM message), (SELECT count(*) FROM message WHERE gid > $1)`, db.index.indexed.Load()).
		Scan(&s.Users, &s.Devices, &s.Messages, &s.IndexLag)
	if err != nil {
		return store.Stats{}, fmt.Errorf("stats: %w", err)
	}
	s.Bytes = db.bytes()
	return s, nil
}

func (db *DB) bytes() int64 {
	var n int64
	for _, name := range []string{"main.db", "main.db-wal", "search.db", "search.db-wal"} {
		if info, err := os.Stat(filepath.Join(db.cfg.Dir, name)); err == nil {
			n += info.Size()
		}
	}
	return n
}

type metrics struct {
	commit, batch              prometheus.Histogram
	refused, failures, dropped prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sparkle_store_commit_seconds", Help: "Time of a transaction of the writer.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2.5, 12)}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sparkle_store_batch_operations", Help: "Durable operations in a transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 8)}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sparkle_store_refused_total", Help: "Operations refused because too many waited for the writer."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sparkle_store_failed_commits_total", Help: "Transactions that failed: disk full, locked, I/O error."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sparkle_store_dropped_total", Help: "Delivery traces, bindings and call records dropped because too many waited."}),
	}
}

func (db *DB) registerMetrics() {
	if db.cfg.Registerer == nil {
		return
	}
	m := db.writer.metrics
	db.cfg.Registerer.MustRegister(m.commit, m.batch, m.refused, m.failures, m.dropped,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sparkle_store_queue", Help: "Operations waiting for the writer."},
			func() float64 { return float64(db.writer.queue.len()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sparkle_store_bytes", Help: "Size of the database files."},
			func() float64 { return float64(db.bytes()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sparkle_store_healthy", Help: "1 while durable writes succeed."},
			func() float64 {
				if db.Healthy() != nil {
					return 0
				}
				return 1
			}))
}

package sqldb

import (
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// TestGather: the first message commits at once, those after it wait for a full
// batch, and the last ones are not held up by the end.
func TestGather(t *testing.T) {
	db := openTest(t, Config{Gather: time.Hour})
	l := &load{db: db, pairs: 10}
	answered := make(chan error, 2*maxBatch)
	send := func(n int) {
		for range n {
			db.Append(l.message(), func(_ store.Accepted, err error) { answered <- err })
		}
	}
	expect := func(n int) {
		t.Helper()
		for range n {
			if err := <-answered; err != nil {
				t.Fatal(err)
			}
		}
	}
	send(1)
	expect(1)
	send(maxBatch - 1)
	if n := db.writer.queue.len(); n != maxBatch-1 {
		t.Errorf("%d wait, want %d", n, maxBatch-1)
	}
	send(1)
	expect(maxBatch)
	send(3)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	expect(3)
}

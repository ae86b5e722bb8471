package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The garbage collector runs when the heap has grown by GOGC percent. A fixed
// percentage is wrong at both ends: with 100 a small busy server collects all
// the time, and a server with 50,000 idle connections keeps as much garbage
// again as it has live memory. The governor keeps the room for garbage about
// constant instead.
const (
	gcHeadroom = 96 << 20 // bytes
	minPercent = 30
	maxPercent = 400
	gcInterval = 5 * time.Second
)

// governGC adjusts the collector until ctx ends. Who sets GOGC decides; a
// memory limit (GOMEMLIMIT) holds in any case.
func governGC(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(gcInterval)
	defer tick.Stop()
	current := 0
	for {
		metrics.Read(live)
		if percent := gcPercent(live[0].Value.Uint64()); percent != current {
			debug.SetGCPercent(percent)
			current = percent
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// gcPercent is the growth that leaves gcHeadroom above a live heap.
func gcPercent(live uint64) int {
	percent := uint64(gcHeadroom) * 100 / max(live, 1)
	return int(min(max(percent, minPercent), maxPercent))
}

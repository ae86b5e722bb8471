package main

import (
	"context"
	"os"
	"runtime"
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

// quietAllocation is what a system allocates in an interval in which nobody
// needs it, and garbageWorth what makes a collection worth while then.
const (
	quietAllocation = 4 << 20
	garbageWorth    = 8 << 20
)

// governGC adjusts the collector until ctx ends, and collects once when a busy
// time is over: nothing would start it on a system at rest, and what a storm of
// registrations left behind would stay. Who sets GOGC decides; a memory limit
// (GOMEMLIMIT) holds in any case.
func governGC(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	h := readHeap()
	tick := time.NewTicker(gcInterval)
	defer tick.Stop()
	current := 0
	for {
		if percent := gcPercent(h.live); percent != current {
			debug.SetGCPercent(percent)
			current = percent
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		before := h
		if h = readHeap(); h.isQuietSince(before) {
			runtime.GC()
			h = readHeap()
		}
	}
}

// heap is what the runtime tells of it, in bytes.
type heap struct {
	allocated uint64 // since the start
	live      uint64 // at the last collection
	objects   uint64 // now, garbage included
}

func readHeap() heap {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return heap{s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64()}
}

func (h heap) isQuietSince(before heap) bool {
	return h.allocated-before.allocated < quietAllocation && h.objects > h.live+garbageWorth
}

// gcPercent is the growth that leaves gcHeadroom above a live heap.
func gcPercent(live uint64) int {
	percent := uint64(gcHeadroom) * 100 / max(live, 1)
	return int(min(max(percent, minPercent), maxPercent))
}

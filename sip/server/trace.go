package server

import (
	"sync/atomic"
	"time"
)

// tracer gives trace ids: 16 hex digits that grow with time, unique in this
// process and, as long as the clock does not go back, over restarts.
type tracer struct{ last atomic.Uint64 }

func (t *tracer) next() string {
	now := uint64(time.Now().UnixNano())
	for {
		last := t.last.Load()
		id := max(now, last+1)
		if t.last.CompareAndSwap(last, id) {
			return hex16(id)
		}
	}
}

func hex16(v uint64) string {
	const digits = "0123456789abcdef"
	var b [16]byte
	for i := range b {
		b[15-i] = digits[v>>(4*i)&15]
	}
	return string(b[:])
}

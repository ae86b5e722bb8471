package sqldb

import "time"

// A gid is 41 bits of milliseconds since gidEpoch, 10 bits of node, 12 bits of
// counter. It lasts until 2089.
const (
	gidEpoch       = 1577836800000 // 2020-01-01 in Unix milliseconds
	gidNodeBits    = 10
	gidCounterBits = 12
	gidShift       = gidNodeBits + gidCounterBits
	gidCounterMask = 1<<gidCounterBits - 1
	maxNode        = 1<<gidNodeBits - 1
)

// gidSource gives out gids, each greater than all before. Only the writer uses
// it.
type gidSource struct {
	node int64
	last int64
}

// next returns a gid for the present. When the clock stands still or has
// stepped back it counts on from the last one; a full counter borrows the next
// millisecond.
func (s *gidSource) next(now time.Time) int64 {
	gid := gidAt(now) | s.node<<gidCounterBits
	if last := s.last; gid <= last {
		if last&gidCounterMask < gidCounterMask {
			gid = last>>gidShift<<gidShift | s.node<<gidCounterBits | (last&gidCounterMask + 1)
		} else {
			gid = (last>>gidShift+1)<<gidShift | s.node<<gidCounterBits
		}
	}
	s.last = gid
	return gid
}

// gidAt is the smallest gid of a moment; 0 for moments before gidEpoch.
func gidAt(t time.Time) int64 { return max(0, t.UnixMilli()-gidEpoch) << gidShift }

// gidTime is the moment in a gid. It is the time of a message: with a clock
// that steps back, times stay in the order of the messages.
func gidTime(gid int64) time.Time { return time.UnixMilli(gid>>gidShift + gidEpoch).UTC() }

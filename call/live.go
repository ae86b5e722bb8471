package call

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// Live lists the calls in progress, the oldest first, with their quality so far.
func (s *Service) Live() []store.CallRecord {
	calls := s.all()
	list := make([]store.CallRecord, 0, len(calls))
	for _, c := range calls {
		if r := c.live(); r != nil {
			list = append(list, *r)
		}
	}
	slices.SortFunc(list, func(a, b store.CallRecord) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// LiveCall is the one of that ID that [Service.Live] would list; ErrNotFound when it
// is over. The relay measures no other call for it.
func (s *Service) LiveCall(id int64) (store.CallRecord, error) {
	s.mu.Lock()
	c := s.byID[id]
	s.mu.Unlock()
	if c != nil {
		if r := c.live(); r != nil {
			return *r, nil
		}
	}
	return store.CallRecord{}, store.ErrNotFound
}

// InProgress counts the calls that [Service.Live] would list.
func (s *Service) InProgress() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID)
}

// HangUp ends a call for both sides; by stands in its record. ErrNotFound when
// it is over.
func (s *Service) HangUp(_ context.Context, id int64, by string) error {
	s.mu.Lock()
	c := s.byID[id]
	s.mu.Unlock()
	if c == nil || !c.hangUp(ending{by: "administrator", cause: causeNormal, reason: "ended by " + by}) {
		return store.ErrNotFound
	}
	return nil
}

// expire looks once a second for calls whose session timer ran out, and for those
// that have rung for long enough.
func (s *Service) expire(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			due, impatient := s.due(now)
			for _, c := range due {
				c.hangUp(ending{by: "session timer", cause: causeTimer, reason: "the session was not refreshed"})
			}
			for _, c := range impatient {
				c.fork.MoveOn()
			}
		}
	}
}

// due lists the calls whose time is up: that of their session, and that of those
// who ring.
func (s *Service) due(now time.Time) (due, impatient []*call) {
	at := now.UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.byID {
		if deadline := c.deadline.Load(); deadline != 0 && deadline <= at {
			due = append(due, c)
		}
		if patience := c.patience.Load(); patience != 0 && patience <= at && c.patience.CompareAndSwap(patience, 0) {
			impatient = append(impatient, c)
		}
	}
	return due, impatient
}

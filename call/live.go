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
		list = append(list, *c.snapshot())
	}
	slices.SortFunc(list, func(a, b store.CallRecord) int { return cmp.Compare(a.ID, b.ID) })
	return list
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

// expire ends calls whose session timer ran out, once a second.
func (s *Service) expire(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, c := range s.due(now) {
				c.hangUp(ending{by: "session timer", cause: causeTimer, reason: "the session was not refreshed"})
			}
		}
	}
}

// due lists the calls whose time is up.
func (s *Service) due(now time.Time) (due []*call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.byID {
		if at := c.deadline.Load(); at != 0 && at <= now.UnixNano() {
			due = append(due, c)
		}
	}
	return due
}

package chat

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sparkleim/sparkle/store"
)

// drains is the line of devices for which the archive must be read. A device
// stands in it at most once, so it is bounded by the number of devices.
type drains struct {
	mu     sync.Mutex
	wake   sync.Cond
	line   []*device
	closed bool
}

func (q *drains) init() { q.wake.L = &q.mu }

func (q *drains) add(d *device) {
	q.mu.Lock()
	q.line = append(q.line, d)
	q.mu.Unlock()
	q.wake.Signal()
}

// serve gives the devices to read, one after the other, until close.
func (q *drains) serve(read func(*device)) {
	for {
		q.mu.Lock()
		for len(q.line) == 0 && !q.closed {
			q.wake.Wait()
		}
		if q.closed {
			q.mu.Unlock()
			return
		}
		d := q.line[0]
		q.line[0] = nil
		q.line = q.line[1:]
		q.mu.Unlock()
		read(d)
	}
}

func (q *drains) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake.Broadcast()
}

// drain reads the next page of what the archive holds for d.
func (s *Service) drain(d *device) {
	ctx, cancel := context.WithTimeout(s.ctx, drainTimeout)
	defer cancel()
	page, err := s.page(ctx, d)
	if err != nil && s.ctx.Err() == nil {
		s.log.Warn("cannot read waiting messages, will try again", "user", d.user, "device", d.id, "err", err)
	}
	s.act(d, d.drained(page, err))
}

func (s *Service) page(ctx context.Context, d *device) ([]item, error) {
	if !d.started {
		if err := s.cfg.Archive.StartCursors(ctx, d.user, d.id, 0); err != nil {
			return nil, fmt.Errorf("start cursors: %w", err)
		}
		d.started = true
	}
	msgs, err := s.cfg.Archive.Pending(ctx, d.user, d.id, pageSize)
	if err != nil {
		return nil, fmt.Errorf("read pending messages: %w", err)
	}
	people := make(map[store.UserID]*store.User, 2)
	page := make([]item, len(msgs))
	for i := range msgs {
		m := &msgs[i]
		from, err := s.person(ctx, people, m.From)
		if err != nil {
			return nil, err
		}
		to, err := s.person(ctx, people, m.To)
		if err != nil {
			return nil, err
		}
		page[i] = item{msg: m, from: from, to: to}
	}
	return page, nil
}

// person looks up a user once a page. A user who was removed still has written
// what he wrote.
func (s *Service) person(ctx context.Context, known map[store.UserID]*store.User, id store.UserID) (*store.User, error) {
	if u := known[id]; u != nil {
		return u, nil
	}
	u, err := s.cfg.Users.User(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		u = store.User{ID: id, Username: fmt.Sprintf("removed-%d", id), Domain: s.cfg.Domain}
	case err != nil:
		return nil, fmt.Errorf("look up user %d: %w", id, err)
	}
	known[id] = &u
	return &u, nil
}

package chat

import (
	"context"
	"errors"
	"fmt"

	"github.com/sparkleim/sparkle/store"
)

// drain reads the next page of what the archive holds for d.
func (s *Service) drain(d *device) {
	ctx, cancel := context.WithTimeout(s.ctx, drainTimeout)
	defer cancel()
	page, err := s.page(ctx, d)
	if err != nil && !errors.Is(err, errGone) && s.ctx.Err() == nil {
		s.log.Warn("cannot read waiting messages, will try again", "user", d.user, "device", d.id, "err", err)
	}
	s.act(d, d.drained(page, err))
}

// errGone tells that a device is not there any more, so that it is not known
// what it can show.
var errGone = errors.New("the device is gone")

func (s *Service) page(ctx context.Context, d *device) ([]*item, error) {
	if !d.started {
		if err := s.startCursors(ctx, d); err != nil {
			return nil, err
		}
		d.started = true
	}
	msgs, err := s.cfg.Archive.Pending(ctx, d.user, d.id, pageSize)
	if err != nil {
		return nil, fmt.Errorf("read pending messages: %w", err)
	}
	known := acquaintances{of: d.user, people: make(map[store.UserID]*store.User, 2)}
	page := make([]*item, len(msgs))
	for i := range msgs {
		if page[i], err = s.itemOf(ctx, &known, &msgs[i]); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// startCursors begins a device that may be new. History goes to programs that
// show it under its own date.
func (s *Service) startCursors(ctx context.Context, d *device) error {
	t := targetOf(s.cfg.Locations.Lookup(d.user), d.id)
	if t == nil {
		return errGone
	}
	replay := 0
	if isLinphone(&t.Device) {
		replay = s.cfg.Replay
	}
	if err := s.cfg.Archive.StartCursors(ctx, d.user, d.id, replay); err != nil {
		return fmt.Errorf("start cursors: %w", err)
	}
	return nil
}

// acquaintances are who and what the messages of a page name, looked up once.
type acquaintances struct {
	of     store.UserID // who gets the page
	people map[store.UserID]*store.User
	groups map[store.GroupID]*room
}

// itemOf makes of an archived message what a queue takes. What goes to a whole
// group is shared by who is in it.
func (s *Service) itemOf(ctx context.Context, known *acquaintances, m *store.Message) (*item, error) {
	if m.Group == 0 || m.To != 0 {
		return s.newItem(ctx, known, m)
	}
	r, err := s.groupOf(ctx, known, m.Group)
	if err != nil {
		return nil, err
	}
	if r.snapshot == nil {
		return s.newItem(ctx, known, m)
	}
	if it := s.circulation.find(m.GID); it != nil {
		return it, nil
	}
	it, err := s.newItem(ctx, known, m)
	if err != nil {
		return nil, err
	}
	return s.circulation.add(it), nil
}

func (s *Service) newItem(ctx context.Context, known *acquaintances, m *store.Message) (*item, error) {
	it := &item{msg: m}
	var err error
	if m.From != 0 { // a notice may be from nobody
		if it.from, err = s.person(ctx, known, m.From); err != nil {
			return nil, err
		}
	}
	if m.To != 0 {
		if it.to, err = s.person(ctx, known, m.To); err != nil {
			return nil, err
		}
	}
	if m.Group != 0 {
		it.room, err = s.groupOf(ctx, known, m.Group)
	}
	return it, err
}

// person looks up a user. One who was removed still has written what he wrote.
func (s *Service) person(ctx context.Context, known *acquaintances, id store.UserID) (*store.User, error) {
	if u := known.people[id]; u != nil {
		return u, nil
	}
	u, err := s.cfg.Users.User(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		u = store.User{ID: id, Username: fmt.Sprintf("removed-%d", id), Domain: s.cfg.Domain}
	case err != nil:
		return nil, fmt.Errorf("look up user %d: %w", id, err)
	}
	known.people[id] = &u
	return &u, nil
}

// groupOf looks up a group as the user of the page knows it.
func (s *Service) groupOf(ctx context.Context, known *acquaintances, id store.GroupID) (*room, error) {
	if r := known.groups[id]; r != nil {
		return r, nil
	}
	r, err := s.findRoom(ctx, id, known.of)
	if err != nil {
		return nil, fmt.Errorf("look up group %d: %w", id, err)
	}
	if known.groups == nil {
		known.groups = make(map[store.GroupID]*room, 1)
	}
	known.groups[id] = r
	return r, nil
}

package group

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// Create makes a group. Its first owner is the actor, or the first of members
// when that is an administrator of the server; a fixed group has none until one
// is appointed, and the members of its unit. Of g, Kind, Name, Subject, Policy,
// Picture, Follows count; without a Kind a group with a subject is a manual one
// and one without a discussion. Rooms of two and discussions without a subject
// are found again, when there is one with these members, and not made, unless a
// Name is chosen for them. After store.ErrUnknown the group may be there when the
// service starts the next time.
func (s *Service) Create(ctx context.Context, by Actor, g store.Group, members []store.UserID) (made *Snapshot, err error) {
	start := time.Now()
	defer func() { s.metrics.changed(start, err) }()
	g, err = s.design(by, g)
	if err != nil {
		return nil, err
	}
	members, err = s.firstMembers(ctx, by, g, members)
	if err != nil {
		return nil, err
	}
	if g.Name == "" && (g.Kind == store.GroupPair || g.Kind == store.GroupDiscussion && g.Subject == "") {
		return s.findOrMake(ctx, by, g, members)
	}
	return s.create(ctx, by, g, members)
}

// design judges and completes what is asked for.
func (s *Service) design(by Actor, g store.Group) (store.Group, error) {
	subject, err := s.words.clean(g.Subject, maxSubject, false)
	if err != nil {
		return g, err
	}
	d := store.Group{
		Name: g.Name, Domain: s.cfg.Domain, Kind: g.Kind, Subject: subject, Policy: g.Policy,
		Picture: g.Picture, Created: s.conditions(nil, nil).now, CreatedBy: by.User,
	}
	if d.Kind == "" {
		d.Kind = store.GroupDiscussion
		if subject != "" {
			d.Kind = store.GroupManual
		}
	}
	if err := errors.Join(checkPolicy(g.Policy), checkPicture(g.Picture)); err != nil {
		return g, err
	}
	if d.Name != "" {
		d.Name = strings.ToLower(d.Name)
		if err := checkName(d.Name, s.cfg.Reserved); err != nil {
			return g, err
		}
	}
	switch d.Kind {
	case store.GroupManual:
		if d.Subject == "" {
			return g, deny(s.words.noSubject)
		}
	case store.GroupDiscussion:
	case store.GroupPair:
		d.Subject = "" // it is named after the other one
	case store.GroupFixed:
		d.Follows, err = checkFollows(by, g.Follows)
	default:
		err = fmt.Errorf("%w: a group is manual, discussion, fixed or pair, not %q", store.ErrInvalid, d.Kind)
	}
	return d, err
}

// checkFollows judges what a fixed group shall follow.
func checkFollows(by Actor, f *store.Follows) (*store.Follows, error) {
	switch {
	case !by.System:
		return nil, fmt.Errorf("%w: only an administrator of the server makes fixed groups", store.ErrInvalid)
	case f == nil || f.Unit == 0:
		return nil, fmt.Errorf("%w: a fixed group needs a unit to follow", store.ErrInvalid)
	}
	own := *f
	own.Orphan = cmp.Or(own.Orphan, orphanDissolve)
	if own.Orphan != orphanDissolve && own.Orphan != orphanConvert {
		return nil, fmt.Errorf("%w: when its unit goes, a group can %s or %s, not %q",
			store.ErrInvalid, orphanDissolve, orphanConvert, own.Orphan)
	}
	return &own, nil
}

// firstMembers are the members of a new group, its owner first, each once.
func (s *Service) firstMembers(ctx context.Context, by Actor, g store.Group, members []store.UserID) ([]store.UserID, error) {
	if g.Kind == store.GroupFixed {
		return nil, nil // they come from the tree
	}
	all := make([]store.UserID, 0, len(members)+1)
	if !by.System {
		all = append(all, by.User)
	}
	seen := map[store.UserID]bool{0: true}
	for _, u := range all {
		seen[u] = true
	}
	for _, u := range members {
		if !seen[u] {
			all = append(all, u)
			seen[u] = true
		}
	}
	most := mostMembers(inForce(g.Policy, s.cfg.Defaults), s.cfg.MaxMembers)
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("%w: a group needs a member", store.ErrInvalid)
	case len(all) > most:
		return nil, denyf(s.words.tooMany, most)
	case g.Kind == store.GroupPair && len(all) != 2:
		return nil, deny(s.words.noTwo)
	}
	return all, s.checkPeople(ctx, all)
}

// findOrMake finds the group that stands for its members, or makes it. Two who
// ask at the same time get the same one.
func (s *Service) findOrMake(ctx context.Context, by Actor, g store.Group, members []store.UserID) (*Snapshot, error) {
	key := keyOf(g.Kind, slices.Sorted(slices.Values(members)))
	mine := make(chan struct{})
	for {
		other, busy := s.making.LoadOrStore(key, mine)
		if !busy {
			break
		}
		select {
		case <-other.(chan struct{}):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: the group is being made", store.ErrUnavailable)
		}
	}
	defer func() {
		s.making.Delete(key)
		close(mine)
	}()
	if found, ok := live(s.index.withMembers(key)); ok {
		return found, nil
	}
	return s.create(ctx, by, g, members)
}

// create makes a group that is designed.
func (s *Service) create(ctx context.Context, by Actor, g store.Group, members []store.UserID) (*Snapshot, error) {
	if g.Kind == store.GroupFixed {
		return s.createFixed(ctx, g)
	}
	set := make([]store.Member, 0, len(members))
	for i, u := range members {
		m := store.Member{User: u, Role: store.RoleMember, Joined: g.Created}
		if i == 0 {
			m.Role = store.RoleOwner
		}
		set = append(set, m)
	}
	if by.System || g.Kind == store.GroupPair {
		return s.add(ctx, g, set, false)
	}
	if !s.index.reserve(by.User, s.cfg.MaxGroups) {
		return nil, denyf(s.words.tooManyGroups, s.cfg.MaxGroups)
	}
	made, err := s.add(ctx, g, set, true)
	if err != nil {
		s.index.unreserve(by.User)
	}
	return made, err
}

// add commits a new group and makes it known.
func (s *Service) add(ctx context.Context, g store.Group, set []store.Member, reserved bool) (*Snapshot, error) {
	ctx = context.WithoutCancel(ctx)
	planned := newSnapshot(g, set)
	texts := s.narrator(ctx, nil, planned).creation(planned, g.CreatedBy)
	change := store.GroupChange{
		Group: g, Set: set, Notices: s.notices(texts, 0, g.CreatedBy),
		Events: []store.GroupEvent{{
			Version: 1, At: g.Created, By: g.CreatedBy, Action: ActionCreate, Detail: g.Subject,
		}},
	}
	done, places, err := s.store(ctx, change)
	if err != nil {
		return nil, fmt.Errorf("make a group: %w", err)
	}
	made := newSnapshot(done.Group, done.Set)
	e := newEntry(made)
	e.turn <- struct{}{} // nobody changes it before the observers have heard of it
	defer func() { <-e.turn }()
	s.index.add(e, reserved)
	s.metrics.events.WithLabelValues(ActionCreate).Inc()
	s.observed(Event{After: made, Changes: done.Events, Notices: archived(done.Notices, places)})
	return made, nil
}

// store adds a group under its chosen name, or under one of its own making that
// nobody has.
func (s *Service) store(ctx context.Context, c store.GroupChange) (store.GroupChange, []store.Accepted, error) {
	if c.Group.Name != "" {
		return s.cfg.Store.AddGroup(ctx, c)
	}
	var err error
	for range attempts {
		c.Group.Name = randomName()
		var done store.GroupChange
		var places []store.Accepted
		done, places, err = s.cfg.Store.AddGroup(ctx, c)
		if !errors.Is(err, store.ErrConflict) {
			return done, places, err
		}
	}
	return c, nil, err
}

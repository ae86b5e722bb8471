package group

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sparkleim/sparkle/store"
)

// What becomes of a fixed group when its unit goes: [store.Follows].Orphan.
const (
	orphanDissolve = "dissolve"
	orphanConvert  = "convert"
)

// batch is how many people come or go in one commit: nobody else's message shall
// wait long behind the move of a large unit.
const batch = 500

// Follow brings the fixed groups in line with the tree. It is called at the start
// and after each change of the tree; a group that fails does not keep the others
// from it.
func (s *Service) Follow(ctx context.Context) error {
	t, done, err := s.tree(ctx)
	if err != nil {
		return err
	}
	defer done()
	var failed []error
	for _, g := range s.All() {
		if g.Kind != store.GroupFixed {
			continue
		}
		if err := s.follow(ctx, g, t); err != nil && !errors.Is(err, store.ErrNotFound) {
			failed = append(failed, err)
		}
	}
	s.unitNames = t.names()
	return errors.Join(failed...)
}

// tree reads the organisation. Until done is called nobody else does: an older
// tree must not win.
func (s *Service) tree(ctx context.Context) (t *tree, done func(), err error) {
	select {
	case s.following <- struct{}{}:
		done = func() { <-s.following }
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("%w: the tree is being followed", store.ErrUnavailable)
	}
	units, err := s.cfg.Store.AllUnits(ctx)
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("read the units: %w", err)
	}
	people, err := s.cfg.Store.UnitMembers(ctx)
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("read the members of the units: %w", err)
	}
	return newTree(units, people), done, nil
}

// follow brings one group in line.
func (s *Service) follow(ctx context.Context, g *Snapshot, t *tree) error {
	organisation := Actor{System: true}
	if _, exists := t.units[g.Follows.Unit]; !exists {
		end := Change(Dissolve{})
		if g.Follows.Orphan == orphanConvert {
			end = Convert{}
		}
		_, err := s.Change(ctx, organisation, g.ID, end)
		return err
	}
	join, leave := difference(g, t.wanted(*g.Follows))
	join, err := s.placed(ctx, g, join, g.Size()-len(leave))
	if err != nil {
		return err
	}
	for len(join)+len(leave) > 0 {
		c := follow{leave: leave[:min(len(leave), batch)]}
		c.join = join[:min(len(join), batch-len(c.leave))]
		join, leave = join[len(c.join):], leave[len(c.leave):]
		if _, err := s.Change(ctx, organisation, g.ID, c); err != nil {
			return err
		}
	}
	return s.followName(ctx, g, t.units[g.Follows.Unit])
}

// followName renames a group that was called like its unit and whose unit has
// another name since the tree was followed last. What was called how is forgotten
// with the process; a group that missed it keeps its name until somebody renames it.
func (s *Service) followName(ctx context.Context, g *Snapshot, unit store.Unit) error {
	was, known := s.unitNames[unit.ID]
	if !known || was == unit.Name || g.Subject != shorten(was, maxSubject) {
		return nil
	}
	_, err := s.Change(ctx, Actor{System: true}, g.ID, Rename{shorten(unit.Name, maxSubject)})
	return err
}

// placed are those of the newcomers who have an account, and no more than there
// is room for beside those who stay.
func (s *Service) placed(ctx context.Context, g *Snapshot, users []store.UserID, stay int) ([]store.UserID, error) {
	there, err := s.people.present(ctx, users)
	if err != nil {
		return nil, err
	}
	users = slices.DeleteFunc(users, func(u store.UserID) bool { return !there[u] })
	room := max(0, mostMembers(inForce(g.Policy, s.cfg.Defaults), s.cfg.MaxMembers)-stay)
	if left := len(users) - room; left > 0 {
		s.metrics.left.Add(float64(left))
		s.log.Warn("a fixed group is full: raise the limit of members or follow a smaller unit",
			"group", g.AOR(), "left_out", left)
		users = users[:room]
	}
	return users, nil
}

// createFixed makes a group of a unit, with its members.
func (s *Service) createFixed(ctx context.Context, g store.Group) (*Snapshot, error) {
	t, done, err := s.tree(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	unit, exists := t.units[g.Follows.Unit]
	if !exists {
		return nil, fmt.Errorf("%w: there is no unit %d", store.ErrInvalid, g.Follows.Unit)
	}
	if g.Subject == "" {
		g.Subject = shorten(unit.Name, maxSubject)
	}
	users, err := s.placed(ctx, newSnapshot(g, nil), t.wanted(*g.Follows), 0)
	if err != nil {
		return nil, err
	}
	set := make([]store.Member, 0, len(users))
	for _, u := range users {
		set = append(set, store.Member{User: u, Role: store.RoleMember, Joined: g.Created})
	}
	return s.add(ctx, g, set, false)
}

// shorten cuts a text to a number of characters.
func shorten(text string, most int) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), most)])
}

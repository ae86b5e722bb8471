package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// demoUnit is a part of the demo organisation, with its people and their titles.
type demoUnit struct {
	name, parent string
	people       map[string]string
}

func demoUnits() []demoUnit {
	return []demoUnit{
		{"星火公司", "", nil},
		{"研发部", "星火公司", map[string]string{"zhangsan": "经理", "alice": "工程师"}},
		{"测试组", "研发部", map[string]string{"bob": "测试工程师"}},
		{"销售部", "星火公司", map[string]string{"lisi": "经理", "wangwu": "客户经理", "carol": "客户经理"}},
	}
}

// demoGroup is a group of the demo organisation: of a unit and those below it, or
// of people.
type demoGroup struct {
	name, subject, unit string
	people              []string
}

func demoGroups() []demoGroup {
	return []demoGroup{
		{name: "yanfa", unit: "研发部"},
		{name: "weekend", subject: "周末爬山", people: []string{"alice", "lisi", "bob", "carol"}},
	}
}

// addDemoOrganisation adds the units where there are none yet, and the groups that
// never were: what was changed or removed since stays so.
func (s *Server) addDemoOrganisation(ctx context.Context) error {
	units, err := s.store.AllUnits(ctx)
	if err == nil && len(units) == 0 {
		units, err = s.addDemoUnits(ctx)
	}
	if err != nil {
		return fmt.Errorf("demo units: %w", err)
	}
	for _, g := range demoGroups() {
		if err := s.addDemoGroup(ctx, g, units); err != nil && !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("demo group %s: %w", g.name, err)
		}
	}
	return s.groups.Follow(ctx)
}

func (s *Server) addDemoUnits(ctx context.Context) (units []store.Unit, err error) {
	made := map[string]store.UnitID{}
	for i, d := range demoUnits() {
		u, err := s.store.SetUnit(ctx, store.Unit{Name: d.name, Parent: made[d.parent], Order: i})
		if err != nil {
			return nil, err
		}
		made[d.name] = u.ID
		units = append(units, u)
		for name, title := range d.people {
			id, err := s.demoUser(ctx, name)
			if err == nil && id != 0 {
				err = s.store.SetUnitMember(ctx, store.UnitMember{Unit: u.ID, User: id, Title: title})
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return units, nil
}

// demoUser is 0 for one whose name or number somebody else has.
func (s *Server) demoUser(ctx context.Context, name string) (store.UserID, error) {
	u, err := s.accounts.Find(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return u.ID, err
}

func (s *Server) addDemoGroup(ctx context.Context, d demoGroup, units []store.Unit) error {
	g := store.Group{Name: d.name, Subject: d.subject, Kind: store.GroupManual}
	if d.unit != "" {
		i := slices.IndexFunc(units, func(u store.Unit) bool { return u.Name == d.unit })
		if i < 0 {
			return nil // renamed or removed
		}
		g.Kind, g.Follows = store.GroupFixed, &store.Follows{Unit: units[i].ID, SubUnits: true}
	}
	var members []store.UserID
	for _, name := range d.people {
		id, err := s.demoUser(ctx, name)
		if err != nil {
			return err
		}
		if id != 0 {
			members = append(members, id)
		}
	}
	if d.unit == "" && len(members) == 0 {
		return nil
	}
	_, err := s.groups.Create(ctx, group.Actor{System: true}, g, members)
	return err
}

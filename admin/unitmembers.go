package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

// maxTitle bounds the title of somebody in a unit, in characters.
const maxTitle = 64

// UnitMember is a person in a unit.
type UnitMember struct {
	User   string `json:"user"`
	Name   string `json:"name,omitempty" doc:"Display name of the account."`
	Unit   string `json:"unit" doc:"Path of the unit."`
	Title  string `json:"title,omitempty"`
	Hidden bool   `json:"hidden,omitempty" doc:"Not joined to the groups of the unit."`
}

// UnitPerson is somebody to be put into a unit.
type UnitPerson struct {
	User   string `json:"user" doc:"Username or number."`
	Title  string `json:"title,omitempty" doc:"What he is in the unit."`
	Hidden bool   `json:"hidden,omitempty" doc:"Do not join him to the groups of the unit."`
}

// UnitPeople are all people of a unit.
type UnitPeople struct {
	Members []UnitPerson `json:"members" doc:"Who is not among them leaves the unit."`
}

// UnitPlace is what is told of somebody in a unit.
type UnitPlace struct {
	Title  string `json:"title,omitempty" doc:"What he is in the unit."`
	Hidden bool   `json:"hidden,omitempty" doc:"Do not join him to the groups of the unit."`
}

// ChangedPeople is what has become of the people of units.
type ChangedPeople struct {
	Added   int `json:"added"`
	Updated int `json:"updated"`
	Removed int `json:"removed"`
	Followed
}

// UnitMemberPath names somebody in a unit in a path.
type UnitMemberPath struct {
	UnitPath
	UserPath
}

func (a *API) registerUnitMembers(api huma.API) {
	const members, member = "/v1/units/{unit}/members", "/v1/units/{unit}/members/{user}"
	huma.Register(api, operation(http.MethodGet, members, "list-unit-members", "List the people of a unit"), a.listUnitMembers)
	huma.Register(api, operation(http.MethodPut, members, "set-unit-members", "Set the people of a unit: all of them, for systems that know who is where"), a.setUnitMembers)
	huma.Register(api, operation(http.MethodPut, member, "set-unit-member", "Put somebody into a unit, or change his title there"), a.setUnitMember)
	huma.Register(api, operation(http.MethodDelete, member, "remove-unit-member", "Take somebody out of a unit"), a.removeUnitMember)
}

// listUnitMembers ends a page only between two users: one may be in several units.
func (a *API) listUnitMembers(ctx context.Context, in *struct {
	UnitPath
	SubUnits bool  `query:"sub_units" doc:"With everybody in the units below."`
	Cursor   int64 `query:"cursor"`
	Limit    int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*reply[Page[UnitMember]], error) {
	tree, people, err := a.readOrganisation(ctx)
	var u store.Unit
	if err == nil {
		u, err = tree.find(in.Unit)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	members := slices.Clone(people[u.ID])
	if in.SubUnits {
		for _, below := range tree.below(u.ID) {
			members = append(members, people[below]...)
		}
	}
	slices.SortStableFunc(members, func(x, y store.UnitMember) int { return cmp.Compare(x.User, y.User) })
	page := Page[UnitMember]{Items: []UnitMember{}}
	names := a.newNames()
	last := store.UserID(in.Cursor)
	for _, m := range members {
		if m.User <= store.UserID(in.Cursor) {
			continue
		}
		if len(page.Items) >= in.Limit && m.User != last {
			page.Next = strconv.FormatInt(int64(last), 10)
			break
		}
		last = m.User
		page.Items = append(page.Items, UnitMember{
			User: names.of(ctx, m.User), Name: names.displayName(ctx, m.User), Unit: tree.path(m.Unit), Title: m.Title, Hidden: m.Hidden,
		})
	}
	return &reply[Page[UnitMember]]{page}, nil
}

func (a *API) setUnitMembers(ctx context.Context, in *struct {
	UnitPath
	Body UnitPeople
}) (*reply[ChangedPeople], error) {
	unit, path, err := a.theUnit(ctx, in.Unit)
	var members []store.UnitMember
	if err == nil {
		members, err = a.unitMembers(ctx, unit, in.Body.Members)
	}
	var changed ChangedPeople
	if err == nil {
		changed.Added, changed.Updated, changed.Removed, err = a.Units.SetUnitMembers(ctx, members, []store.UnitID{unit})
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return a.peopleChanged(ctx, "unit.members.set", path, changed, changed)
}

// unitMembers turns names into people of a unit.
func (a *API) unitMembers(ctx context.Context, unit store.UnitID, people []UnitPerson) ([]store.UnitMember, error) {
	members := make([]store.UnitMember, 0, len(people))
	seen := map[store.UserID]bool{}
	for _, p := range people {
		u, err := a.person(ctx, p.User)
		if err == nil {
			err = checkTitle(p.Title)
		}
		if err == nil && seen[u.ID] {
			err = invalid("%s is named twice", u.Username)
		}
		if err != nil {
			return nil, err
		}
		seen[u.ID] = true
		members = append(members, store.UnitMember{Unit: unit, User: u.ID, Title: p.Title, Hidden: p.Hidden})
	}
	return members, nil
}

func checkTitle(title string) error {
	if utf8.RuneCountInString(title) > maxTitle || hasControl(title) {
		return invalid("title: use at most %d characters and no control characters", maxTitle)
	}
	return nil
}

func (a *API) setUnitMember(ctx context.Context, in *struct {
	UnitMemberPath
	Body UnitPlace
}) (*reply[ChangedPeople], error) {
	unit, path, err := a.theUnit(ctx, in.Unit)
	var u store.User
	if err == nil {
		u, err = a.Accounts.Find(ctx, in.User)
	}
	if err == nil {
		err = checkTitle(in.Body.Title)
	}
	var changed ChangedPeople
	if err == nil {
		m := store.UnitMember{Unit: unit, User: u.ID, Title: in.Body.Title, Hidden: in.Body.Hidden}
		changed.Added, changed.Updated, _, err = a.Units.SetUnitMembers(ctx, []store.UnitMember{m}, nil)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return a.peopleChanged(ctx, "unit.member.set", path, changed, aboutMember[UnitPlace]{u.AOR(), in.Body})
}

func (a *API) removeUnitMember(ctx context.Context, in *UnitMemberPath) (*reply[ChangedPeople], error) {
	unit, path, err := a.theUnit(ctx, in.Unit)
	var u store.User
	if err == nil {
		u, err = a.Accounts.Find(ctx, in.User)
	}
	if err == nil {
		err = a.Units.RemoveUnitMember(ctx, unit, u.ID)
		if errors.Is(err, store.ErrNotFound) {
			err = fmt.Errorf("%s in unit %s: %w", u.Username, path, store.ErrNotFound)
		}
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return a.peopleChanged(ctx, "unit.member.remove", path, ChangedPeople{Removed: 1}, map[string]string{"user": u.AOR()})
}

// theUnit finds a unit and its path.
func (a *API) theUnit(ctx context.Context, ref string) (store.UnitID, string, error) {
	tree, err := a.readTree(ctx)
	if err != nil {
		return 0, "", err
	}
	u, err := tree.find(ref)
	return u.ID, tree.path(u.ID), err
}

// peopleChanged has the groups follow, records the change and answers with it.
func (a *API) peopleChanged(ctx context.Context, action, path string, changed ChangedPeople, detail any) (*reply[ChangedPeople], error) {
	changed.Followed = a.groupsFollow(ctx)
	if err := a.audit(ctx, action, path, detail); err != nil {
		return nil, err
	}
	return &reply[ChangedPeople]{changed}, nil
}

package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

const maxUnitName = 64 // characters, as of the name of a group

// Unit is a part of the organisation.
type Unit struct {
	ID      store.UnitID `json:"id"`
	Parent  store.UnitID `json:"parent,omitempty" doc:"Absent: it is at the top."`
	Name    string       `json:"name"`
	Path    string       `json:"path" doc:"The names from the top down, with / between them."`
	Order   int          `json:"order" doc:"Place among its siblings; those with the same are sorted by name."`
	People  int          `json:"people" doc:"How many are in the unit itself."`
	Version int64        `json:"version"`
}

// Followed tells whether fixed groups have followed a change of the tree.
type Followed struct {
	Problem string `json:"problem,omitempty" doc:"The tree is changed, but why groups are not in line with it. The next change of the tree, or start of the server, brings them in line."`
}

// ChangedUnit is a unit after a change.
type ChangedUnit struct {
	Unit
	Followed
}

// NewUnit is a unit to be added.
type NewUnit struct {
	Name   string `json:"name" doc:"Any text without /."`
	Parent string `json:"parent,omitempty" doc:"Path, name or number of the unit that it is a part of; absent: none."`
	Order  *int   `json:"order,omitempty" doc:"Place among its siblings; absent: the last."`
}

// UnitChange says what to change; absent members stay as they are.
type UnitChange struct {
	Name   *string `json:"name,omitempty" doc:"Groups that follow the unit and are called like it are renamed, too."`
	Parent *string `json:"parent,omitempty" doc:"Path, name or number of the unit that it becomes a part of; empty: it goes to the top."`
	Order  *int    `json:"order,omitempty" doc:"Place among its siblings."`
}

// UnitPath names a unit in a path.
type UnitPath struct {
	Unit string `path:"unit" doc:"Number, name when no other unit has it, or path (with %2F for /)."`
}

func (a *API) registerUnits(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/units", "list-units", "List the tree of units: each before what is below it"), a.listUnits)
	add := operation(http.MethodPost, "/v1/units", "add-unit", "Add a unit")
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, a.addUnit)
	huma.Register(api, operation(http.MethodGet, "/v1/units/{unit}", "get-unit", "Show a unit"), a.getUnit)
	huma.Register(api, operation(http.MethodPatch, "/v1/units/{unit}", "change-unit", "Rename or move a unit, with all that is below it"), a.changeUnit)
	huma.Register(api, operation(http.MethodDelete, "/v1/units/{unit}", "remove-unit", "Remove a unit that has no units below it; its people stay users"), a.removeUnit)
	a.registerUnitMembers(api)
	imports := operation(http.MethodPost, "/v1/units/import", "import-units", "Import units and their people from CSV: all of them, or none")
	imports.MaxBodyBytes = maxImport
	imports.BodyReadTimeout = time.Minute
	huma.Register(api, imports, a.importUnits)
}

func (a *API) listUnits(ctx context.Context, in *struct {
	User string `query:"user" doc:"Only units of this user: username or number."`
}) (*reply[Page[Unit]], error) {
	var of store.User
	var err error
	if in.User != "" {
		of, err = a.Accounts.Find(ctx, in.User)
	}
	var tree *unitTree
	var people map[store.UnitID][]store.UnitMember
	if err == nil {
		tree, people, err = a.readOrganisation(ctx)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[Unit]{Items: []Unit{}}
	for _, u := range tree.units {
		if in.User == "" || slices.ContainsFunc(people[u.ID], func(m store.UnitMember) bool { return m.User == of.ID }) {
			page.Items = append(page.Items, tree.show(u, people))
		}
	}
	return &reply[Page[Unit]]{page}, nil
}

// readOrganisation reads the tree and who is in each unit.
func (a *API) readOrganisation(ctx context.Context) (*unitTree, map[store.UnitID][]store.UnitMember, error) {
	tree, err := a.readTree(ctx)
	if err != nil {
		return nil, nil, err
	}
	members, err := a.Units.UnitMembers(ctx)
	people := map[store.UnitID][]store.UnitMember{}
	for _, m := range members {
		people[m.Unit] = append(people[m.Unit], m)
	}
	return tree, people, err
}

func (t *unitTree) show(u store.Unit, people map[store.UnitID][]store.UnitMember) Unit {
	return Unit{ID: u.ID, Parent: u.Parent, Name: u.Name, Path: t.path(u.ID), Order: u.Order, People: len(people[u.ID]), Version: u.Version}
}

func (a *API) getUnit(ctx context.Context, in *UnitPath) (*reply[Unit], error) {
	tree, people, err := a.readOrganisation(ctx)
	var u store.Unit
	if err == nil {
		u, err = tree.find(in.Unit)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[Unit]{tree.show(u, people)}, nil
}

func (a *API) addUnit(ctx context.Context, in *struct{ Body NewUnit }) (*reply[ChangedUnit], error) {
	tree, err := a.readTree(ctx)
	u := store.Unit{Name: strings.TrimSpace(in.Body.Name)}
	if err == nil {
		err = checkUnitName(u.Name)
	}
	if err == nil {
		u.Parent, err = tree.reference(in.Body.Parent)
	}
	if err == nil {
		u.Order = tree.last(u.Parent) + 1
		if in.Body.Order != nil {
			u.Order = *in.Body.Order
		}
		u, err = a.Units.SetUnit(ctx, u)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return a.unitChanged(ctx, "unit.add", u, in.Body)
}

func (a *API) changeUnit(ctx context.Context, in *struct {
	UnitPath
	Body UnitChange
}) (*reply[ChangedUnit], error) {
	tree, err := a.readTree(ctx)
	var u store.Unit
	if err == nil {
		u, err = tree.find(in.Unit)
	}
	if err == nil {
		u, err = in.Body.apply(u, tree)
	}
	if err == nil {
		u, err = a.Units.SetUnit(ctx, u)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return a.unitChanged(ctx, "unit.change", u, in.Body)
}

func (c UnitChange) apply(u store.Unit, tree *unitTree) (store.Unit, error) {
	if c.Name != nil {
		u.Name = strings.TrimSpace(*c.Name)
		if err := checkUnitName(u.Name); err != nil {
			return u, err
		}
	}
	if c.Parent != nil {
		parent, err := tree.reference(*c.Parent)
		if err != nil {
			return u, err
		}
		if parent != u.Parent {
			u.Parent, u.Order = parent, tree.last(parent)+1
		}
	}
	if c.Order != nil {
		u.Order = *c.Order
	}
	return u, nil
}

// checkUnitName returns ErrInvalid for what would be no step of a path, or could be
// no name of a group.
func checkUnitName(name string) error {
	odd := func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' }
	if n := utf8.RuneCountInString(name); n == 0 || n > maxUnitName || strings.Contains(name, separator) {
		return invalid("unit %q: use 1 to %d characters without %s", name, maxUnitName, separator)
	}
	if hasControl(name) || strings.ContainsFunc(name, odd) {
		return invalid("unit %q: use no control characters", name)
	}
	return nil
}

// unitChanged has the groups follow, records the change and answers with the unit.
func (a *API) unitChanged(ctx context.Context, action string, u store.Unit, detail any) (*reply[ChangedUnit], error) {
	followed := a.groupsFollow(ctx)
	tree, people, err := a.readOrganisation(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, action, tree.path(u.ID), detail); err != nil {
		return nil, err
	}
	return &reply[ChangedUnit]{ChangedUnit{tree.show(u, people), followed}}, nil
}

// groupsFollow brings fixed groups in line with the tree, which has changed: to fail here
// undoes nothing, and a client that hangs up must not keep them from it.
func (a *API) groupsFollow(ctx context.Context) Followed {
	err := a.Groups.Follow(context.WithoutCancel(ctx))
	if err == nil {
		return Followed{}
	}
	a.Log.Error("fixed groups are not in line with the units", "error", err)
	_, text := explain(err)
	return Followed{text}
}

func (a *API) removeUnit(ctx context.Context, in *UnitPath) (*reply[Followed], error) {
	tree, err := a.readTree(ctx)
	var u store.Unit
	if err == nil {
		u, err = tree.find(in.Unit)
	}
	if err == nil && len(tree.below(u.ID)) > 0 {
		err = invalid("there are units below %s: move or remove them first", tree.path(u.ID))
	}
	if err == nil {
		err = a.Units.RemoveUnit(ctx, u.ID)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	followed := a.groupsFollow(ctx)
	if err := a.audit(ctx, "unit.remove", tree.path(u.ID), nil); err != nil {
		return nil, err
	}
	return &reply[Followed]{followed}, nil
}

// person finds a user who is named in a request. A name that is nobody's is a
// mistake in the request.
func (a *API) person(ctx context.Context, address string) (store.User, error) {
	u, err := a.Accounts.Find(ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		err = invalid("there is no user %q", address)
	}
	return u, err
}

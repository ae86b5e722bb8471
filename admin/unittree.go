package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// separator stands between the names of units in a path: 公司/研发部/后端.
const separator = "/"

// unitTree is the organisation while one request is answered.
type unitTree struct {
	units  []store.Unit // parents before what is below them
	paths  map[store.UnitID]string
	byPath map[string]store.Unit
}

func (a *API) readTree(ctx context.Context) (*unitTree, error) {
	units, err := a.Units.AllUnits(ctx)
	if err != nil {
		return nil, err
	}
	t := &unitTree{paths: map[store.UnitID]string{}, byPath: map[string]store.Unit{}}
	for _, u := range units {
		t.add(u)
	}
	return t, nil
}

// add adds a unit whose parent is there.
func (t *unitTree) add(u store.Unit) {
	path := u.Name
	if u.Parent != 0 {
		path = t.paths[u.Parent] + separator + u.Name
	}
	t.units = append(t.units, u)
	t.paths[u.ID], t.byPath[path] = path, u
}

// path is the path of a unit; the number of one that was removed.
func (t *unitTree) path(id store.UnitID) string {
	if path, ok := t.paths[id]; ok {
		return path
	}
	return fmt.Sprintf("unit %d (removed)", id)
}

// find finds a unit by its path, by its name when no other unit has it, or by its
// number.
func (t *unitTree) find(ref string) (store.Unit, error) {
	ref = strings.Trim(strings.TrimSpace(ref), separator)
	if u, ok := t.byPath[ref]; ok {
		return u, nil
	}
	var named []store.Unit
	var paths []string
	for _, u := range t.units {
		if u.Name == ref {
			named, paths = append(named, u), append(paths, t.paths[u.ID])
		}
	}
	switch {
	case len(named) == 1:
		return named[0], nil
	case len(named) > 1:
		return store.Unit{}, invalid("several units are called %s: name one by its path: %s", ref, strings.Join(paths, ", "))
	}
	if id, err := strconv.ParseInt(ref, 10, 64); err == nil {
		for _, u := range t.units {
			if u.ID == store.UnitID(id) {
				return u, nil
			}
		}
	}
	return store.Unit{}, fmt.Errorf("unit %q: %w", ref, store.ErrNotFound)
}

// reference finds a unit that is named in a request, 0 for "". A name that is no
// unit's is a mistake in the request.
func (t *unitTree) reference(ref string) (store.UnitID, error) {
	if ref == "" {
		return 0, nil
	}
	u, err := t.find(ref)
	if errors.Is(err, store.ErrNotFound) {
		err = invalid("there is no unit %q", ref)
	}
	return u.ID, err
}

// last is the place of the last part of a unit, 0 when it has none.
func (t *unitTree) last(parent store.UnitID) int {
	last := 0
	for _, u := range t.units {
		if u.Parent == parent {
			last = max(last, u.Order)
		}
	}
	return last
}

// below are the units below a unit, in the order of the tree.
func (t *unitTree) below(top store.UnitID) []store.UnitID {
	inside := map[store.UnitID]bool{top: true}
	var below []store.UnitID
	for _, u := range t.units { // parents come first
		if inside[u.Parent] {
			inside[u.ID] = true
			below = append(below, u.ID)
		}
	}
	return below
}

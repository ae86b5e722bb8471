package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// UnitImport says what an import of units did. With a problem in any row, nothing
// was changed.
type UnitImport struct {
	Units    int    `json:"units" doc:"How many were made."`
	Encoding string `json:"encoding" doc:"UTF-8 or GB18030, as recognised."`
	ChangedPeople
	Problems []ImportRow `json:"problems,omitempty"`
}

// unitRow is a row that keeps every rule. Without a user it only names a unit.
type unitRow struct {
	line int
	path string
	user string
	UnitPlace
}

func (a *API) importUnits(ctx context.Context, in *struct {
	Replace bool   `query:"replace" doc:"Who is in a unit of the file, but not in the file, leaves the unit."`
	RawBody []byte `contentType:"text/csv"`
}) (*reply[UnitImport], error) {
	rows, report, err := parseUnits(in.RawBody)
	if err != nil {
		return nil, a.problem(err)
	}
	users, err := a.usersOf(ctx, rows, &report)
	if err != nil {
		return nil, a.problem(err)
	}
	if len(report.Problems) > 0 {
		slices.SortFunc(report.Problems, func(x, y ImportRow) int { return cmp.Compare(x.Line, y.Line) })
		return nil, importProblem(report.Problems)
	}
	places, err := a.makeUnits(ctx, rows, &report)
	if err == nil {
		err = a.placePeople(ctx, rows, users, places, in.Replace, &report)
	}
	// What was made before the store failed is made: the groups follow it, and the
	// same file again does the rest.
	report.Followed = a.groupsFollow(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "unit.import", "", report); err != nil {
		return nil, err
	}
	return &reply[UnitImport]{report}, nil
}

// usersOf finds the people of the rows; who is nobody is a problem of his row.
func (a *API) usersOf(ctx context.Context, rows []unitRow, report *UnitImport) (map[string]store.UserID, error) {
	users := map[string]store.UserID{}
	for _, row := range rows {
		if row.user == "" {
			continue
		}
		u, err := a.person(ctx, row.user)
		if err != nil && !errors.Is(err, store.ErrInvalid) {
			return nil, err
		}
		if err != nil {
			report.Problems = append(report.Problems, ImportRow{row.line, row.user, rowText(err)})
			continue
		}
		users[row.user] = u.ID
	}
	return users, nil
}

// makeUnits makes the units that are not there yet, each behind its siblings.
func (a *API) makeUnits(ctx context.Context, rows []unitRow, report *UnitImport) (map[string]store.UnitID, error) {
	tree, err := a.readTree(ctx)
	if err != nil {
		return nil, err
	}
	places := map[string]store.UnitID{}
	for _, row := range rows {
		parent, path := store.UnitID(0), ""
		for name := range strings.SplitSeq(row.path, separator) {
			path = strings.TrimPrefix(path+separator+name, separator)
			u, there := tree.byPath[path]
			if !there {
				u, err = a.Units.SetUnit(ctx, store.Unit{Parent: parent, Name: name, Order: tree.last(parent) + 1})
				if err != nil {
					return nil, err
				}
				tree.add(u)
				report.Units++
			}
			parent = u.ID
		}
		places[row.path] = parent
	}
	return places, nil
}

// placePeople puts everybody where he belongs, in one commit.
func (a *API) placePeople(ctx context.Context, rows []unitRow, users map[string]store.UserID, places map[string]store.UnitID, replace bool, report *UnitImport) (err error) {
	var members []store.UnitMember
	var whole []store.UnitID
	for _, row := range rows {
		unit := places[row.path]
		if replace && !slices.Contains(whole, unit) {
			whole = append(whole, unit)
		}
		if row.user != "" {
			members = append(members, store.UnitMember{Unit: unit, User: users[row.user], Title: row.Title, Hidden: row.Hidden})
		}
	}
	report.Added, report.Updated, report.Removed, err = a.Units.SetUnitMembers(ctx, members, whole)
	return err
}

// parseUnits reads rows of unit path,user,title,hidden. A first row that begins with
// "unit" is a heading. Rows that break a rule are in the report.
func parseUnits(file []byte) (rows []unitRow, report UnitImport, err error) {
	taken := map[[2]string]int{} // path and user → line
	headings := []string{"unit", "path", "department", "单位", "部门", "组织", "路径"}
	report.Encoding, err = eachRow(file, headings, func(line int, row []string) {
		r, err := readUnitRow(line, row)
		if first, twice := taken[[2]string{r.path, r.user}]; twice && err == nil && r.user != "" {
			err = invalid("%s is in this unit in line %d already", r.user, first)
		}
		if err != nil {
			report.Problems = append(report.Problems, ImportRow{line, r.user, rowText(err)})
			return
		}
		taken[[2]string{r.path, r.user}] = line
		rows = append(rows, r)
	})
	if err == nil && len(rows) == 0 && len(report.Problems) == 0 {
		err = invalid("the file has no rows: each is unit path,user,title,hidden")
	}
	return rows, report, err
}

func readUnitRow(line int, row []string) (unitRow, error) {
	r := unitRow{line: line, user: strings.ToLower(field(row, 1)), UnitPlace: UnitPlace{Title: field(row, 2)}}
	if len(row) > 4 {
		return r, invalid("%d columns: want unit path,user,title,hidden", len(row))
	}
	var steps []string
	for step := range strings.SplitSeq(strings.Trim(field(row, 0), separator), separator) {
		step = strings.TrimSpace(step)
		if err := checkUnitName(step); err != nil {
			return r, err
		}
		steps = append(steps, step)
	}
	r.path = strings.Join(steps, separator)
	switch hidden := strings.ToLower(field(row, 3)); hidden {
	case "", "0", "no", "false", "n", "否":
	case "1", "yes", "true", "y", "hidden", "是", "隐藏":
		r.Hidden = true
	default:
		return r, invalid("hidden %q: write yes or no", hidden)
	}
	return r, checkTitle(r.Title)
}

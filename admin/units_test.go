package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// tree is the units, each as path:people.
func (f *fixture) tree(t *testing.T) string {
	t.Helper()
	var units []string
	for _, u := range get[Page[Unit]](t, f, "/v1/units").Items {
		units = append(units, fmt.Sprintf("%s:%d", u.Path, u.People))
	}
	return strings.Join(units, " ")
}

func unitURL(ref string) string { return "/v1/units/" + url.PathEscape(ref) }

// TestTreeOfUnits is built, moved about and taken down, and its groups follow.
func TestTreeOfUnits(t *testing.T) {
	f := newFixture(t)
	for _, step := range []struct{ method, path, body, tree string }{
		{"POST", "/v1/units", `{"name":" 后端 ","parent":"研发部"}`, "公司:0 公司/研发部:1 公司/研发部/后端:0 公司/销售部:1"},
		{"POST", "/v1/units", `{"name":"前端","parent":"公司/研发部"}`, "公司:0 公司/研发部:1 公司/研发部/后端:0 公司/研发部/前端:0 公司/销售部:1"}, // behind
		{"PATCH", unitURL("前端"), `{"order":0}`, "公司:0 公司/研发部:1 公司/研发部/前端:0 公司/研发部/后端:0 公司/销售部:1"},
		{"PATCH", unitURL("公司/研发部"), `{"name":"研发中心"}`, "公司:0 公司/研发中心:1 公司/研发中心/前端:0 公司/研发中心/后端:0 公司/销售部:1"},
		{"PATCH", unitURL("后端"), `{"parent":"3"}`, "公司:0 公司/研发中心:1 公司/研发中心/前端:0 公司/销售部:1 公司/销售部/后端:0"},
		{"PATCH", unitURL("研发中心"), `{"parent":""}`, "公司:0 公司/销售部:1 公司/销售部/后端:0 研发中心:1 研发中心/前端:0"},
		{"DELETE", unitURL("前端"), "", "公司:0 公司/销售部:1 公司/销售部/后端:0 研发中心:1"},
	} {
		answer[ChangedUnit](t, f, step.method, step.path, step.body)
		if got := f.tree(t); got != step.tree {
			t.Errorf("%s %s %s:\ngot  %s\nwant %s", step.method, step.path, step.body, got, step.tree)
		}
	}
	if g := get[Group](t, f, "/v1/groups/yanfa"); g.Subject != "研发中心" || g.Follows.Unit != "研发中心" {
		t.Errorf("the group of the unit: %+v %+v", g, g.Follows)
	}
	answer[Followed](t, f, "DELETE", unitURL("研发中心"), "")
	if status, _ := f.refusal(t, "GET", "/v1/groups/yanfa", ""); status != 404 {
		t.Errorf("its unit is gone and the group is not: %d", status)
	}
	if e := f.audit.entries[3]; e.Action+" "+e.Object+" "+e.Detail != `unit.change 公司/研发中心 {"name":"研发中心"}` {
		t.Errorf("audit: %+v", e)
	}
}

func TestUnitErrors(t *testing.T) {
	f := newFixture(t)
	answer[ChangedUnit](t, f, "POST", "/v1/units", `{"name":"研发部"}`) // at the top, too
	before := f.tree(t)
	entries := len(f.audit.entries)
	for _, test := range []struct{ method, path, body, want string }{
		{"GET", unitURL("没有"), "", `404 unit "没有": not found`},
		{"GET", unitURL("公司/研发部"), "", ""},
		{"GET", unitURL("99"), "", `404 unit "99": not found`},
		{"POST", "/v1/units", `{"name":"a/b"}`, `422 unit "a/b": use 1 to 64 characters without /`},
		{"POST", "/v1/units", `{"name":" "}`, `422 unit "": use 1 to 64 characters without /`},
		{"POST", "/v1/units", `{"name":"a\u202eb"}`, `422 unit "a\u202eb": use no control characters`},
		{"POST", "/v1/units", `{"name":"a\nb"}`, `422 unit "a\nb": use no control characters`},
		{"POST", "/v1/units", `{"name":"x","parent":"没有"}`, `422 there is no unit "没有"`},
		{"POST", "/v1/units", `{"name":"销售部","parent":"公司"}`, "409 "},
		{"PATCH", unitURL("公司"), `{"parent":"销售部"}`, "422 unit 公司 cannot be below itself"},
		{"PATCH", unitURL("销售部"), `{"name":"研发部"}`, "409 "},
		{"DELETE", unitURL("公司"), "", "422 there are units below 公司: move or remove them first"},
		{"PUT", unitURL("销售部") + "/members", `{"members":[{"user":"nobody"}]}`, `422 there is no user "nobody"`},
		{"PUT", unitURL("销售部") + "/members", `{"members":[{"user":"alice"},{"user":"1003"}]}`, "422 alice is named twice"},
		{"PUT", unitURL("销售部") + "/members", `{"members":[{"user":"alice","title":"` + strings.Repeat("长", 65) + `"}]}`, "422 title: use at most 64 characters and no control characters"},
		{"PUT", unitURL("销售部") + "/members/nobody", `{}`, `404 user "nobody": not found`},
		{"DELETE", unitURL("销售部") + "/members/alice", "", "404 alice in unit 公司/销售部: not found"},
	} {
		status, text := f.refusal(t, test.method, test.path, test.body)
		if got := fmt.Sprint(status, " ", text); test.want != "" && !strings.HasPrefix(got, test.want) || test.want == "" && status != 200 {
			t.Errorf("%s %s %s: %s, want %s", test.method, test.path, test.body, got, test.want)
		}
	}
	if got := f.tree(t); got != before || len(f.audit.entries) != entries {
		t.Errorf("something was changed: %s, %+v", got, f.audit.entries[entries:])
	}
	answer[ChangedUnit](t, f, "PATCH", unitURL("公司/研发部"), `{"parent":"销售部"}`)
	if status, text := f.refusal(t, "GET", unitURL("部"), ""); status != 404 {
		t.Errorf("by a part of a name: %d %s", status, text)
	}
	answer[ChangedUnit](t, f, "PATCH", unitURL("4"), `{"parent":"公司"}`)
	if status, text := f.refusal(t, "GET", unitURL("研发部"), ""); status != 422 || text != "several units are called 研发部: name one by its path: 公司/销售部/研发部, 公司/研发部" {
		t.Errorf("by a name of two: %d %s", status, text)
	}
}

// people is who is in a unit and below it, each as user:title:unit.
func (f *fixture) people(t *testing.T, unit string) string {
	t.Helper()
	var people []string
	for _, m := range get[Page[UnitMember]](t, f, unitURL(unit)+"/members?sub_units=true").Items {
		name, _, _ := strings.Cut(m.User, "@")
		if m.Hidden {
			name = "(" + name + ")"
		}
		people = append(people, name+":"+m.Title+":"+m.Unit)
	}
	return strings.Join(people, " ")
}

// TestPeopleOfUnits sets them one by one and all at once, and a group follows.
func TestPeopleOfUnits(t *testing.T) {
	f := newFixture(t)
	const yanfa = "/v1/units/2/members"
	for _, step := range []struct {
		method, path, body string
		changed            [3]int
		people             string
		group              int
	}{
		{"PUT", yanfa + "/zhangsan", `{"title":"组长"}`, [3]int{1, 0, 0}, "alice:工程师:公司/研发部 zhangsan:组长:公司/研发部 zhangsan:经理:公司/销售部", 2},
		{"PUT", yanfa + "/zhangsan", `{"title":"组长"}`, [3]int{}, "alice:工程师:公司/研发部 zhangsan:组长:公司/研发部 zhangsan:经理:公司/销售部", 2},
		{"PUT", yanfa + "/1001", `{"hidden":true}`, [3]int{0, 1, 0}, "alice:工程师:公司/研发部 (zhangsan)::公司/研发部 zhangsan:经理:公司/销售部", 1},
		{"PUT", yanfa, `{"members":[{"user":"zhangsan","title":"主任"}]}`, [3]int{0, 1, 1}, "zhangsan:主任:公司/研发部 zhangsan:经理:公司/销售部", 1},
		{"DELETE", yanfa + "/zhangsan", "", [3]int{0, 0, 1}, "zhangsan:经理:公司/销售部", 0},
		{"PUT", yanfa, `{"members":[{"user":"alice"},{"user":"zhangsan"}]}`, [3]int{2, 0, 0}, "alice::公司/研发部 zhangsan::公司/研发部 zhangsan:经理:公司/销售部", 2},
		{"PUT", yanfa, `{"members":[]}`, [3]int{0, 0, 2}, "zhangsan:经理:公司/销售部", 0},
	} {
		got := answer[ChangedPeople](t, f, step.method, step.path, step.body)
		if changed := [3]int{got.Added, got.Updated, got.Removed}; changed != step.changed || got.Problem != "" {
			t.Errorf("%s %s %s: %+v, want %v", step.method, step.path, step.body, got, step.changed)
		}
		if people := f.people(t, "公司"); people != step.people {
			t.Errorf("%s %s %s:\ngot  %s\nwant %s", step.method, step.path, step.body, people, step.people)
		}
		if g := get[Group](t, f, "/v1/groups/yanfa"); g.Members != step.group {
			t.Errorf("%s %s %s: the group has %d members, want %d", step.method, step.path, step.body, g.Members, step.group)
		}
	}
	if e := f.audit.entries[2]; e.Detail != `{"user":"zhangsan@example.com","change":{"hidden":true}}` {
		t.Errorf("audit: %+v", e)
	}
}

// TestPagesOfPeopleEndBetweenUsers: who is in two units is not torn apart.
func TestPagesOfPeopleEndBetweenUsers(t *testing.T) {
	f := newFixture(t)
	answer[ChangedPeople](t, f, "PUT", "/v1/units/3/members/alice", `{}`)
	answer[ChangedPeople](t, f, "PUT", "/v1/units/1/members/zhangsan", `{}`)
	var sizes []int
	for cursor := "0"; cursor != ""; {
		page := get[Page[UnitMember]](t, f, "/v1/units/1/members?sub_units=true&limit=1&cursor="+cursor)
		sizes = append(sizes, len(page.Items))
		cursor = page.Next
	}
	if !slices.Equal(sizes, []int{2, 2}) {
		t.Errorf("pages of %v", sizes)
	}
	if page := get[Page[UnitMember]](t, f, "/v1/units/1/members"); len(page.Items) != 1 {
		t.Errorf("without the units below: %+v", page)
	}
}

// lame is groups that do not follow.
type lame struct{ Groups }

func (lame) Follow(context.Context) error { return store.ErrUnavailable }

// TestGroupsThatDoNotFollow undo nothing: the change is made, recorded and told of
// with the reason.
func TestGroupsThatDoNotFollow(t *testing.T) {
	f := newFixture(t)
	f.Groups = lame{f.organisation}
	const why = "the store cannot write now: try again in some seconds; nothing was changed"
	if u := answer[ChangedUnit](t, f, "POST", "/v1/units", `{"name":"分公司"}`); u.Problem != why || u.Path != "分公司" {
		t.Errorf("%+v", u)
	}
	if p := answer[ChangedPeople](t, f, "PUT", "/v1/units/4/members/alice", `{}`); p.Problem != why || p.Added != 1 {
		t.Errorf("%+v", p)
	}
	if p := answer[Followed](t, f, "DELETE", "/v1/units/4", ""); p.Problem != why {
		t.Errorf("%+v", p)
	}
	if got := f.tree(t); got != "公司:0 公司/研发部:1 公司/销售部:1" {
		t.Error(got)
	}
	if len(f.audit.entries) != 3 {
		t.Errorf("audit: %+v", f.audit.entries)
	}
}

func TestUnitRows(t *testing.T) {
	for _, test := range []struct {
		name, file string
		rows       []unitRow
		problems   []ImportRow
		err        string
	}{
		{"heading", "Unit,User,Title,Hidden\n公司/研发部,Alice,工程师,no\n", []unitRow{{2, "公司/研发部", "alice", UnitPlace{"工程师", false}}}, nil, ""},
		{"Chinese heading", "部门,用户,职务,隐藏\n公司,alice,,是\n", []unitRow{{2, "公司", "alice", UnitPlace{"", true}}}, nil, ""},
		{"a path with too much", "/公司/ 研发部 /,alice\n", []unitRow{{1, "公司/研发部", "alice", UnitPlace{}}}, nil, ""},
		{"a unit alone", "公司\n公司,,\n", []unitRow{{1, "公司", "", UnitPlace{}}, {2, "公司", "", UnitPlace{}}}, nil, ""},
		{"in two units", "a,alice\nb,alice\n", []unitRow{{1, "a", "alice", UnitPlace{}}, {2, "b", "alice", UnitPlace{}}}, nil, ""},
		{"twice in one", "a,alice\na,alice,x\n", []unitRow{{1, "a", "alice", UnitPlace{}}}, []ImportRow{{2, "alice", "alice is in this unit in line 1 already"}}, ""},
		{"no step", "a//b,alice\n", nil, []ImportRow{{1, "alice", `unit "": use 1 to 64 characters without /`}}, ""},
		{"no unit", ",alice\n", nil, []ImportRow{{1, "alice", `unit "": use 1 to 64 characters without /`}}, ""},
		{"hidden or not", "a,alice,,perhaps\n", nil, []ImportRow{{1, "alice", `hidden "perhaps": write yes or no`}}, ""},
		{"too much", "a,alice,b,no,c\n", nil, []ImportRow{{1, "alice", "5 columns: want unit path,user,title,hidden"}}, ""},
		{"a long title", "a,alice," + strings.Repeat("长", 65) + "\n", nil, []ImportRow{{1, "alice", "title: use at most 64 characters and no control characters"}}, ""},
		{"nothing", "unit,user\n", nil, nil, "invalid: the file has no rows: each is unit path,user,title,hidden"},
		{"an open quote", "a,\"alice\n", nil, nil, `invalid: line 1: extraneous or missing " in quoted-field: put texts with commas or quotes in double quotes`},
	} {
		rows, report, err := parseUnits([]byte(test.file))
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != test.err || !slices.Equal(rows, test.rows) || !slices.Equal(report.Problems, test.problems) {
			t.Errorf("%s: %+v %+v %q", test.name, rows, report.Problems, text)
		}
	}
}

// TestImportUnits makes what is missing, and with replace takes out who is not named.
func TestImportUnits(t *testing.T) {
	f := newFixture(t)
	const file = "公司/研发部,zhangsan,组长,\n公司/市场部/海外,alice,经理,是\n公司/市场部/国内,,,\n"
	r := answer[UnitImport](t, f, "POST", "/v1/units/import", file)
	if r.Units != 3 || r.Added != 2 || r.Updated != 0 || r.Removed != 0 || r.Encoding != "UTF-8" {
		t.Errorf("%+v", r)
	}
	if got, want := f.tree(t), "公司:0 公司/研发部:2 公司/销售部:1 公司/市场部:0 公司/市场部/海外:1 公司/市场部/国内:0"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r = answer[UnitImport](t, f, "POST", "/v1/units/import?replace=true", file)
	if r.Units != 0 || r.Added != 0 || r.Updated != 0 || r.Removed != 1 {
		t.Errorf("%+v", r)
	}
	if got, want := f.people(t, "公司"), "(alice):经理:公司/市场部/海外 zhangsan:组长:公司/研发部 zhangsan:经理:公司/销售部"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if g := get[Group](t, f, "/v1/groups/yanfa"); g.Members != 1 {
		t.Errorf("the group has %d members", g.Members)
	}
	before := f.tree(t)
	w := f.unix(t, "POST", "/v1/units/import", "新,alice\n新,nobody\n新//x,alice\n")
	var got struct {
		Detail string
		Errors []struct{ Location, Message, Value string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if w.Code != 422 || len(got.Errors) != 2 || got.Errors[0].Location != "line 2" || got.Errors[0].Message != `there is no user "nobody"` {
		t.Errorf("%d %+v", w.Code, got)
	}
	if now := f.tree(t); now != before || len(f.audit.entries) != 2 {
		t.Errorf("something was imported: %s", now)
	}
}

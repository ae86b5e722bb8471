package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/admin"
)

// demoState is the groups and units of a trial server, each on a line.
func (d *demo) state(t *testing.T) []string {
	t.Helper()
	var groups admin.Page[admin.Group]
	d.call(t, http.MethodGet, "/v1/groups", nil, &groups)
	var units admin.Page[admin.Unit]
	d.call(t, http.MethodGet, "/v1/units", nil, &units)
	var state []string
	for _, g := range groups.Items {
		state = append(state, g.Name+" "+g.Title+" "+d.membersOf(t, g.Name))
	}
	for _, u := range units.Items {
		state = append(state, u.Path)
	}
	return state
}

func (d *demo) membersOf(t *testing.T, group string) string {
	t.Helper()
	var members admin.Page[admin.Member]
	d.call(t, http.MethodGet, "/v1/groups/"+group+"/members", nil, &members)
	var names []string
	for _, m := range members.Items {
		name, _, _ := strings.Cut(m.User, "@")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// TestDemoOrganisation is there at the first start, and later what was made of it.
func TestDemoOrganisation(t *testing.T) {
	dir := t.TempDir()
	d := startDemo(t, dir)
	want := []string{
		"yanfa 研发部 zhangsan alice bob", "weekend 周末爬山 lisi alice bob carol",
		"星火公司", "星火公司/研发部", "星火公司/研发部/测试组", "星火公司/销售部",
	}
	again := func(want []string) {
		t.Helper()
		if got := d.state(t); !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		d = startDemo(t, dir)
		if got := d.state(t); !slices.Equal(got, want) {
			t.Errorf("after a restart\ngot  %q\nwant %q", got, want)
		}
	}
	again(want)
	for _, args := range [][]string{
		{"unit", "rename", "研发部", "研发中心"}, {"unit", "member", "remove", "测试组", "bob"},
		{"unit", "remove", "销售部"}, {"group", "dissolve", "weekend"},
	} {
		if code, _, errOut := d.command(t, "", args...); code != exitDone {
			t.Fatal(errOut)
		}
	}
	again([]string{"yanfa 研发中心 zhangsan alice", "星火公司", "星火公司/研发中心", "星火公司/研发中心/测试组"})
}

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// citation is how code names a standard.
var citation = regexp.MustCompile(`\bRFC[ -]?(\d{3,5})\b`)

// TestCitedStandardsAreListed keeps sip/RFC.md true: code cites only what it
// lists, and each place that it names cites the standard.
func TestCitedStandardsAreListed(t *testing.T) {
	status, places := listedStandards(t)
	cited := map[string][]string{} // packages, by number
	eachGoFile(t, func(path, pkg string) {
		text, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range citation.FindAllStringSubmatch(string(text), -1) {
			number := m[1]
			cited[number] = append(cited[number], pkg)
			if status[number] == "" {
				t.Errorf("%s cites RFC %s, which sip/RFC.md does not list", path, number)
			}
		}
	})
	for number, s := range status {
		if s != "planned" && len(places[number]) == 0 {
			t.Errorf("sip/RFC.md calls RFC %s %s, but not where", number, s)
		}
		for _, place := range places[number] {
			within := func(pkg string) bool { return pkg == place || strings.HasPrefix(pkg, place+"/") }
			if s != "planned" && !slices.ContainsFunc(cited[number], within) {
				t.Errorf("sip/RFC.md says that RFC %s is in %s, but no code there cites it", number, place)
			}
		}
	}
}

// listedStandards reads the table: the status and the folders of each number.
func listedStandards(t *testing.T) (status map[string]string, places map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("../../sip/RFC.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| (\d+) \| ([^|]+) \| (\w+) \| ([^|]*) \|`)
	status, places = map[string]string{}, map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		number, state, where := m[1], m[3], strings.TrimSpace(m[4])
		if status[number] != "" {
			t.Errorf("sip/RFC.md lists RFC %s twice", number)
		}
		if !slices.Contains([]string{"done", "partial", "planned"}, state) {
			t.Errorf("RFC %s: status %q is neither done nor partial nor planned", number, state)
		}
		for place := range strings.FieldsFuncSeq(where, func(r rune) bool { return r == ',' || r == ' ' }) {
			if _, err := os.Stat(filepath.Join("../..", place)); err != nil {
				t.Errorf("RFC %s is said to be in %q, which is no folder", number, place)
			}
			places[number] = append(places[number], place)
		}
		status[number] = state
	}
	if len(status) == 0 {
		t.Fatal("sip/RFC.md has no table")
	}
	return status, places
}

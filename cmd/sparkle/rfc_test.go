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
// lists, and what it calls done is cited somewhere.
func TestCitedStandardsAreListed(t *testing.T) {
	status := listedStandards(t)
	cited := map[string]bool{}
	eachGoFile(t, func(path, _ string) {
		text, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range citation.FindAllStringSubmatch(string(text), -1) {
			number := m[1]
			cited[number] = true
			if status[number] == "" {
				t.Errorf("%s cites RFC %s, which sip/RFC.md does not list", path, number)
			}
		}
	})
	for number, s := range status {
		if s == "done" && !cited[number] {
			t.Errorf("sip/RFC.md calls RFC %s done, but no code cites it", number)
		}
	}
}

// listedStandards reads the table: number → status.
func listedStandards(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../sip/RFC.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| (\d+) \| ([^|]+) \| (\w+) \| ([^|]*) \|`)
	status := map[string]string{}
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
		}
		status[number] = state
	}
	if len(status) == 0 {
		t.Fatal("sip/RFC.md has no table")
	}
	return status
}

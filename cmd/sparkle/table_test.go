package main

import (
	"strings"
	"testing"
	"time"
)

func TestTableLinesUp(t *testing.T) {
	table := newTable("NAME", "NUMBER")
	table.add("Alice", 1003)
	table.add("张三", 1001)
	table.add("e\u0301\x1b[31m", 7) // a combining accent takes no cell, an escape sequence no effect
	var out strings.Builder
	table.write(&out)
	want := "NAME    NUMBER\n" +
		"Alice   1003\n" +
		"张三    1001\n" +
		"e\u0301 [31m  7\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestShorten(t *testing.T) {
	for _, test := range []struct {
		in    string
		limit int
		want  string
	}{
		{"short", 10, "short"},
		{"exactly", 7, "exactly"},
		{"longer than that", 6, "longer…"},
		{"张三李四", 5, "张三…"},
	} {
		if got := shorten(test.in, test.limit); got != test.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", test.in, test.limit, got, test.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"2h":                        now.Add(-2 * time.Hour),
		"2026-05-03":                time.Date(2026, 5, 3, 0, 0, 0, 0, time.UTC),
		"2026-05-03T08:30":          time.Date(2026, 5, 3, 8, 30, 0, 0, time.UTC),
		"2026-05-03T08:30:15+08:00": time.Date(2026, 5, 3, 0, 30, 15, 0, time.UTC),
	} {
		got, err := parseTime(in, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	if _, err := parseTime("yesterday", now); err == nil {
		t.Error("yesterday is a time")
	}
}

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{
		0: maxPercent, 8 << 20: maxPercent, 96 << 20: 100, 192 << 20: 50, 4 << 30: minPercent,
	} {
		if got := gcPercent(live); got != want {
			t.Errorf("gcPercent(%d MiB) = %d, want %d", live>>20, got, want)
		}
	}
}

// A system at rest that holds much garbage is collected; a busy one is left to
// the collector's own pace.
func TestQuiet(t *testing.T) {
	const mib = 1 << 20
	before := heap{allocated: 1000 * mib, live: 20 * mib}
	for want, h := range map[bool]heap{
		true:  {allocated: 1001 * mib, live: 20 * mib, objects: 90 * mib},
		false: {allocated: 1500 * mib, live: 20 * mib, objects: 90 * mib},
	} {
		if got := h.isQuietSince(before); got != want {
			t.Errorf("%+v: quiet is %v", h, got)
		}
	}
	if h := (heap{allocated: 1001 * mib, live: 20 * mib, objects: 21 * mib}); h.isQuietSince(before) {
		t.Error("a collection for 1 MiB of garbage")
	}
}

package assistant

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestWhatIsACommand(t *testing.T) {
	s := New(Config{})
	tests := []struct{ text, command, rest string }{
		{"/members", "members", ""},
		{"  /Members  ", "members", ""},
		{"／成员", "members", ""},
		{"、成员", "members", ""},
		{"/mute 1001 30m", "mute", "1001 30m"},
		{"/禁言\t张三\n30分钟", "mute", "张三\n30分钟"},
		{"/记录20", "history", "20"},
		{"/邀请1001 1002", "add", "1001 1002"},
		{"/announce first line\nsecond  line\n", "announce", "first line\nsecond  line"},
		{"/取消置顶消息 3", "unpinmsg", "3"},

		{"", "", ""},
		{"/", "", ""},
		{"/ members", "", ""},
		{"members", "", ""},
		{"/usr/bin/env", "", ""},
		{"/membership", "", ""},
		{"//members", "", ""},
		{"/history10", "", ""},
		{"see /members", "", ""},
	}
	for _, test := range tests {
		cmd, rest, ok := s.parse(test.text)
		if ok != s.Is(test.text) || ok != (test.command != "") {
			t.Errorf("%q: a command: %v", test.text, ok)
			continue
		}
		if ok && (cmd.command.english[0] != test.command || rest != test.rest) {
			t.Errorf("%q: %s %q, want %s %q", test.text, cmd.command.english[0], rest, test.command, test.rest)
		}
	}
}

// TestNamesAreUnique: no name means two commands, and all can be typed.
func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range commands() {
		if len(c.english) == 0 || len(c.chinese) == 0 || c.purpose.english == "" || c.purpose.chinese == "" || c.do == nil {
			t.Errorf("%v is not complete", c.english)
		}
		for _, n := range slices.Concat(c.english, c.chinese) {
			if seen[n] || n != strings.ToLower(n) || strings.ContainsAny(n, " "+slashes) {
				t.Errorf("the name %q is taken, or cannot be typed", n)
			}
			seen[n] = true
		}
	}
}

func TestDurations(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
	}{
		{"30m", 30 * time.Minute}, {"2h", 2 * time.Hour}, {"1d", day}, {"1w", 7 * day}, {"1.5H", 90 * time.Minute},
		{"1d12h", 36 * time.Hour}, {"90min", 90 * time.Minute}, {"30分钟", 30 * time.Minute}, {"5分", 5 * time.Minute},
		{"2小时", 2 * time.Hour}, {"两个小时", 2 * time.Hour}, {"半小时", 30 * time.Minute}, {"半天", 12 * time.Hour},
		{"一天", day}, {"三天", 3 * day}, {"十分钟", 10 * time.Minute}, {"1小时30分钟", 90 * time.Minute},
		{"1个小时", time.Hour}, {"一周", 7 * day}, {"366d", 366 * day},
		{"", 0}, {"30", 0}, {"m", 0}, {"0m", 0}, {"30s", 0}, {"-5m", 0}, {"367d", 0}, {"1e9d", 0}, {"NaNd", 0}, {"infh", 0},
		{"1..5h", 0}, {"h2", 0}, {"2h张", 0}, {"二十分钟", 0}, {"366d366d", 0}, {"99999999999999999999999d", 0},
	}
	for _, test := range tests {
		got, ok := duration(test.text)
		if ok != (test.want != 0) || ok && got != test.want {
			t.Errorf("%q: %v %v, want %v", test.text, got, ok, test.want)
		}
	}
}

func TestLists(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"", nil}, {" , ，、", nil},
		{"1001", []string{"1001"}},
		{"1001 1002,1003、1004；1005", []string{"1001", "1002", "1003", "1004", "1005"}},
		{"1001，张三, “John  Smith” \"x y\"", []string{"1001", "张三", "John  Smith", "x y"}},
		{"“open", []string{"“open"}},
		{"'' x", []string{"''", "x"}},
	}
	for _, test := range tests {
		if got := list(test.text); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
}

func TestPrefixes(t *testing.T) {
	names, rests := prefixes(" Night  Shift 1001 30m")
	if want := []string{"Night  Shift 1001 30m", "Night  Shift 1001", "Night  Shift", "Night"}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	if want := []string{"", "30m", "1001 30m", "Shift 1001 30m"}; !slices.Equal(rests, want) {
		t.Errorf("rests %q, want %q", rests, want)
	}
	if names, rests = prefixes("“Night Shift” 1001"); !slices.Equal(names, []string{"Night Shift"}) || !slices.Equal(rests, []string{"1001"}) {
		t.Errorf("quoted: %q %q", names, rests)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"/mute 1001 30m", "／禁言 “张 三” 半小时", "、记录10", "/add a,b，c", "/announce \xff\n x", "/#群 \u3000 1d12h", "/pinmsg [12]"} {
		f.Add(seed)
	}
	s := New(Config{})
	f.Fuzz(func(t *testing.T, text string) {
		cmd, rest, ok := s.parse(text)
		if ok && (cmd.command == nil || len(rest) > maxQuestion) {
			t.Fatalf("%q: %v, %d bytes", text, cmd.command, len(rest))
		}
		for _, word := range list(rest) {
			if word == "" || !strings.Contains(rest, word) {
				t.Fatalf("%q: the name %q is not in it", rest, word)
			}
			if d, ok := duration(word); ok && (d < time.Minute || d > maxDuration) {
				t.Fatalf("%q is %v", word, d)
			}
			if n, ok := number(word); ok && n <= 0 {
				t.Fatalf("%q is the number %d", word, n)
			}
		}
		names, rests := prefixes(rest)
		if len(names) != len(rests) || len(names) == 0 || len(names) > maxNameWords {
			t.Fatalf("%q: %q %q", rest, names, rests)
		}
		if head, last := cutLast(rest); len(head)+len(last) > len(rest) {
			t.Fatalf("%q: %q %q", rest, head, last)
		}
		if line := oneLine(text, 20); strings.ContainsAny(line, "\r\n") || utf8.RuneCountInString(line) > 21 {
			t.Fatalf("%q is shown as %q", text, line)
		}
	})
}

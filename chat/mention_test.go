package chat

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sparkleim/sparkle/store"
)

// named yields the names of users 1, 2, 3 …; several of one user are divided by
// a bar.
func named(names ...string) iter.Seq2[store.UserID, string] {
	return func(yield func(store.UserID, string) bool) {
		for i, of := range names {
			for name := range strings.SplitSeq(of, "|") {
				if !yield(store.UserID(i+1), name) {
					return
				}
			}
		}
	}
}

func TestMentions(t *testing.T) {
	members := []string{"张伟|Zhang Wei", "张伟明|小明", "Bob", "Bob Smith|老史", "张伟", "1001", "Allen", "Óscar"}
	tests := []struct {
		text  string
		users []store.UserID
		all   bool
	}{
		{text: "nobody is addressed"},
		{text: "@张伟 在吗", users: []store.UserID{1, 5}}, // both are called that
		{text: "请@张伟明天来", users: []store.UserID{2}},
		{text: "@小明,@老史：开会", users: []store.UserID{2, 4}},
		{text: "＠bob 你好", users: []store.UserID{3}},
		{text: "hi @BOB!", users: []store.UserID{3}},
		{text: "hi @bob smith, and @bob", users: []store.UserID{3, 4}},
		{text: "@bob你好", users: []store.UserID{3}},
		{text: "@zhang wei", users: []store.UserID{1}},
		{text: "@ÓSCAR", users: []store.UserID{8}},
		{text: "@bobby and @bob_ are others"},
		{text: "@1001: call me", users: []store.UserID{6}},
		{text: "@10012"},
		{text: "write to alice@bob or 1@1001, or ann_@bob"},
		{text: "@@bob", users: []store.UserID{3}},
		{text: "@bob@1001", users: []store.UserID{3}}, // as in an address: what comes after a letter is none
		{text: "@ bob"},
		{text: "@"},
		{text: "the end @"},
		{text: "@all", all: true},
		{text: "@All: lunch", all: true},
		{text: "@allen", users: []store.UserID{7}},
		{text: "@allison"},
		{text: "＠所有人 开会", all: true},
		{text: "通知@全体成员，@bob 除外", users: []store.UserID{3}, all: true},
		{text: "@nobody @bob", users: []store.UserID{3}},
	}
	for _, tt := range tests {
		users, all := parseMentions(tt.text, named(members...))
		if !slices.Equal(users, tt.users) || all != tt.all {
			t.Errorf("%q addresses %v, all %v", tt.text, users, all)
		}
	}
}

func TestMentionsOfOddNames(t *testing.T) {
	for name, text := range map[string]string{
		"":                        "@ and @",
		" ":                       "@ and @",
		strings.Repeat("长", 100):  "@" + strings.Repeat("长", 100),
		strings.Repeat("a", 1000): "@" + strings.Repeat("a", 2000),
	} {
		if users, all := parseMentions(text, named(name)); len(users) > 0 || all {
			t.Errorf("%q addresses %v", text, users)
		}
	}
	if users, _ := parseMentions("@all", named("all")); !slices.Equal(users, []store.UserID{1}) {
		t.Errorf("who is called all is not addressed by @all: %v", users)
	}
	if users, _ := parseMentions("@x", named(slices.Repeat([]string{"x"}, 100)...)); len(users) != maxNamesakes {
		t.Errorf("addresses %d namesakes", len(users))
	}
	if users, _ := parseMentions("＠Dr. Who?", named("Dr. Who")); len(users) != 1 {
		t.Errorf("a name with a dot and a blank: %v", users)
	}
}

func TestNoNamesWithoutAt(t *testing.T) {
	parseMentions("nothing, a＃b", func(func(store.UserID, string) bool) { t.Error("the members were asked for") })
	parseMentions("mail a@b.c", func(func(store.UserID, string) bool) { t.Error("the members were asked for") })
}

// FuzzMentions holds that who is addressed stands behind an @ by name.
func FuzzMentions(f *testing.F) {
	f.Add("hi @bob smith, @张伟明天 ＠All", "Bob", "bob smith", "张伟")
	f.Add("@a@b\xff＠", "A", "a\xff", " a ")
	f.Fuzz(func(t *testing.T, text, one, two, three string) {
		members := []string{one, two, three}
		users, all := parseMentions(text, func(yield func(store.UserID, string) bool) {
			for i, name := range members {
				if !yield(store.UserID(i+1), name) {
					return
				}
			}
		})
		if !slices.IsSorted(users) || len(slices.Compact(slices.Clone(users))) != len(users) {
			t.Fatalf("not a sorted set: %v", users)
		}
		if all && !strings.ContainsAny(text, "@＠") {
			t.Fatal("everybody, without an @")
		}
		for _, u := range users {
			name := strings.ToLower(strings.TrimSpace(members[u-1]))
			folded := strings.ToLower(text)
			if !utf8.ValidString(text) || !utf8.ValidString(name) {
				continue
			}
			if !strings.Contains(folded, "@"+name) && !strings.Contains(folded, "＠"+name) {
				t.Fatalf("%q does not address %q", text, name)
			}
		}
	})
}

func BenchmarkMentions(b *testing.B) {
	names := make([]string, 5000)
	for i := range names {
		names[i] = fmt.Sprintf("张伟%d|Zhang Wei %d", i, i)
	}
	var every strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&every, "@%d", i%10)
	}
	for name, text := range map[string]string{
		"none":      strings.Repeat("一段文字，没有。", 2500),
		"one":       "请@张伟4711 来一下",
		"long":      strings.Repeat("一段文字，没有。", 2500) + "@zhang wei 12",
		"everybody": strings.Repeat("@张伟 ", 6000),
		"digits":    every.String(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				parseMentions(text, named(names...))
			}
		})
	}
}

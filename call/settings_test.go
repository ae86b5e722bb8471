package call

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

func withSettings(t testing.TB, setup *fakeSetup) *Service {
	s := &Service{settings: newSettings(setup, []string{"example.com", "example.org"}), cfg: Config{Users: fakeUsers{}}}
	if err := s.settings.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAddresses(t *testing.T) {
	set := withSettings(t, &fakeSetup{}).settings
	for _, tt := range []struct{ written, want string }{
		{"bob", "sip:bob@example.com"},
		{" Bob ", "sip:Bob@example.com"},
		{"张三", "sip:%E5%BC%A0%E4%B8%89@example.com"},
		{"1001", "sip:1001@example.com"},
		{"+49 (89) 123-45", "sip:+498912345@example.com"},
		{"bob@example.org", "sip:bob@example.org"},
		{"sip:bob@EXAMPLE.com?Route=x", "sip:bob@EXAMPLE.com"},
		{"tel:+49-89-12345", "tel:+49-89-12345"},
		{"*21*00", "sip:*21*00@example.com"},
		{"", "an address has 1 to 128 characters"},
		{strings.Repeat("x", 129), "an address has 1 to 128 characters"},
		{"bob@elsewhere.example", `"bob@elsewhere.example" is outside: only addresses of example.com and telephone numbers can be called`},
		{"sip:198.51.100.7", `"sip:198.51.100.7" is no address: use a username, a number, name@example.com or tel:+number`},
		{"http://example.com/", `"http://example.com/" is no address: use a username, a number, name@example.com or tel:+number`},
		{"tel:", `"tel:" is no address: use a username, a number, name@example.com or tel:+number`},
		{"bob@", `"bob@" is no address: use a username, a number, name@example.com or tel:+number`},
	} {
		u, err := set.address(tt.written)
		got := wire.URIString(&u)
		if err != nil {
			got = strings.TrimPrefix(err.Error(), store.ErrInvalid.Error()+": ")
			if !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%q: %v", tt.written, err)
			}
		}
		if got != tt.want {
			t.Errorf("%q is %q, want %q", tt.written, got, tt.want)
		}
	}
}

func TestSetSettings(t *testing.T) {
	s := withSettings(t, &fakeSetup{settings: []store.CallSettings{{User: bob, Locked: true}}})
	if !s.Settings(bob).Locked || s.Settings(alice) != (store.CallSettings{User: alice}) {
		t.Errorf("loaded: %+v, %+v", s.Settings(bob), s.Settings(alice))
	}
	for _, tt := range []struct {
		name string
		set  store.CallSettings
		want string
	}{
		{"a forward to a stranger", store.CallSettings{ForwardBusy: "x@elsewhere.example"}, "forward_busy: "},
		{"too short", store.CallSettings{NoAnswerAfter: 1}, "no_answer_after is 5 to 300 seconds, 0 for 20, not 1"},
		{"too long", store.CallSettings{NoAnswerAfter: 301}, "no_answer_after is"},
		{"less than none", store.CallSettings{MaxCalls: -1}, "max_calls is"},
		{"somebody else's number", store.CallSettings{Caller: "+86102"}, "caller: +86102 is not one of the user's own numbers"},
	} {
		tt.set.User = alice
		if _, err := s.SetSettings(t.Context(), tt.set); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	set, err := s.SetSettings(t.Context(), store.CallSettings{User: alice, ForwardAlways: " bob ", Caller: "+86101", NoAnswerAfter: 5})
	if err != nil || set.Version != 1 || set.ForwardAlways != "bob" || s.Settings(alice) != set {
		t.Errorf("%+v, %v, then %+v", set, err, s.Settings(alice))
	}
	if s.Forget(alice); s.Settings(alice) != (store.CallSettings{User: alice}) || !s.Settings(bob).Locked {
		t.Errorf("after alice was removed: %+v, %+v", s.Settings(alice), s.Settings(bob))
	}
}

func TestHuntGroups(t *testing.T) {
	s := withSettings(t, &fakeSetup{groups: []store.HuntGroup{{Name: "old", Numbers: []string{"600"}, Members: []string{"bob"}}}})
	for _, tt := range []struct {
		name string
		set  store.HuntGroup
		want string
	}{
		{"no name", store.HuntGroup{Members: []string{"bob"}}, "a hunt group needs a name"},
		{"no members", store.HuntGroup{Name: "new"}, "hunt group new has no members: name at least one username or number"},
		{"too many", store.HuntGroup{Name: "new", Members: slices.Repeat([]string{"bob"}, 101)}, "101 members, at most 100 are rung"},
		{"a stranger", store.HuntGroup{Name: "new", Members: []string{"bob", "x@elsewhere.example"}}, "member 2: "},
		{"a group in a group", store.HuntGroup{Name: "new", Members: []string{"600"}}, "600 is a hunt group: a group cannot be a member, name it as overflow"},
		{"rings too long", store.HuntGroup{Name: "new", Members: []string{"bob"}, RingTime: 1000}, "ring_time is"},
		{"overflow to a stranger", store.HuntGroup{Name: "new", Members: []string{"bob"}, Overflow: "sip:x@y"}, "overflow: "},
		{"overflow to itself", store.HuntGroup{Name: "old", Members: []string{"bob"}, Overflow: "600"}, "the group cannot overflow to itself"},
	} {
		if _, err := s.SetHuntGroup(t.Context(), tt.set); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := s.SetHuntGroup(t.Context(), store.HuntGroup{Name: "taken", Members: []string{"bob"}}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a name that the store knows: %v", err)
	}

	reached := func(name string) string {
		u, err := s.settings.address(name)
		if err != nil {
			t.Fatal(err)
		}
		if g := s.settings.group(&u); g != nil {
			return g.Name
		}
		return ""
	}
	if _, err := s.SetHuntGroup(t.Context(), store.HuntGroup{Name: "Sales", Numbers: []string{"+4930", "700"}, Members: []string{"bob"}, Overflow: "old"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"sales": "sales", "SALES": "sales", "700": "sales", "tel:+49-30": "sales", "sip:%37%30%30@example.org": "sales",
		"old": "old", "600": "old", "bob": "", "70": "",
	} {
		if got := reached(name); got != want {
			t.Errorf("%s reaches %q, want %q", name, got, want)
		}
	}
	if _, err := s.SetHuntGroup(t.Context(), store.HuntGroup{Name: "sales", Numbers: []string{"800"}, Members: []string{"bob"}}); err != nil {
		t.Fatal(err)
	}
	if reached("700") != "" || reached("800") != "sales" {
		t.Errorf("after a change: 700 %q, 800 %q", reached("700"), reached("800"))
	}
	if list := s.HuntGroups(); len(list) != 2 || list[0].Name != "old" || list[1].Name != "sales" {
		t.Errorf("list: %+v", list)
	}
	if err := s.RemoveHuntGroup(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if err := s.RemoveHuntGroup(t.Context(), "Sales"); err != nil || reached("800") != "" || reached("sales") != "" {
		t.Errorf("removed: %v, %q", err, reached("800"))
	}
}

// What 50,000 users with settings cost, and what it costs a call to look.
func BenchmarkSettings(b *testing.B) {
	all := make([]store.CallSettings, 50_000)
	for i := range all {
		all[i] = store.CallSettings{User: store.UserID(i + 1), ForwardNoAnswer: fmt.Sprint("user", i)}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := withSettings(b, &fakeSetup{settings: slices.Clone(all)})
	runtime.GC()
	runtime.ReadMemStats(&after)
	for i := 0; b.Loop(); i++ {
		if s.settings.of(store.UserID(i%50_000+1)) == nil {
			b.Fatal("lost")
		}
	}
	runtime.KeepAlive(all)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(all)), "B/user")
}

// Whatever an administrator, a user or a program writes as an address: what comes
// of it is inside or a telephone number, can be written into a message, and means
// the same when it is read again.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"bob", "+49 (89) 123", "sip:bob@example.com;x=y?z=1", "tel:110;phone-context=+86", "张三", "a@b@example.com", "%00", "sips:x@example.com:5061", "a\r\nVia: x"} {
		f.Add(seed)
	}
	set := withSettings(f, &fakeSetup{}).settings
	f.Fuzz(func(t *testing.T, text string) {
		u, err := set.address(text)
		if err != nil {
			return
		}
		written := wire.URIString(&u)
		if u.Scheme != "tel" && !set.serves(u.Host) || u.Headers != nil || strings.ContainsAny(written, "\r\n\x00 <>\"") {
			t.Fatalf("%q became %q", text, written)
		}
		again, err := wire.ParseURI(written)
		if err != nil || telephone(&again) != telephone(&u) || isTelephone(&again) != isTelephone(&u) {
			t.Fatalf("%q became %q, which reads %q (%v)", text, written, telephone(&again), err)
		}
	})
}

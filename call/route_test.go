package call

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/store"
)

func uri(user string) sip.Uri { return sip.Uri{Scheme: "sip", User: user, Host: "example.com"} }

// say is a stage in a word: the address, the trunk or the members of a group, who
// pays and how long it rings.
func (s *stage) say() string {
	words := []string{s.address.User}
	switch {
	case s.trunk != nil:
		words[0] = "trunk-" + s.trunk.Trunk
	case s.group != nil && !s.member:
		words[0] = "all-of-" + s.group.Name
	}
	if s.payer.diverted() {
		words = append(words, "for", s.payer.from)
	}
	if s.ring != 0 {
		words = append(words, s.ring.String())
	}
	return strings.Join(words, " ")
}

// Steps are: "302" ends the stage with that status; "to X" diverts it for bob;
// "hunt" and "serial" expand it to the members m and n, with overflow o; "ways"
// finds the trunks a and b.
func TestRoute(t *testing.T) {
	bobs := payer{user: bob, from: "bob"}
	group := payer{group: "g", from: "g"}
	overflow := uri("o")
	for _, tt := range []struct{ name, steps, want string }{
		{"nobody answers", "480", "x"},
		{"diverted", "to y, 486", "x | y for bob"},
		{"a number, and the first way fails", "ways, 503, 486", "x | trunk-a | trunk-b"},
		{"a number that is busy", "ways, 486", "x | trunk-a"},
		{"a diversion to a number", "to y, ways, 408, 500", "x | y for bob | trunk-a for bob | trunk-b for bob"},
		{"all at once, and the overflow", "hunt, 486, 486", "x | all-of-g for g 7s | o for g"},
		{"one after the other", "serial, 486, 480, 480", "x | m for g 7s | n for g 7s | o for g"},
		{"a member outside who is busy does not end the group", "serial, ways, 486, 480", "x | m for g 7s | trunk-a for g 7s | n for g 7s | o for g"},
		{"five diversions are enough", "to a, to b, to c, to d, to e, to f", "x | a for bob | b for bob | c for bob | d for bob | e for bob | no more"},
		{"groups are diversions too", "hunt, to b, to c, to d, to e, hunt", "x | all-of-g for g 7s | b for bob | c for bob | d for bob | e for bob | no more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dialled := uri("x")
			r := routeTo(&dialled)
			at, _ := r.next(outcome{})
			got := []string{at.say()}
			for step := range strings.SplitSeq(tt.steps, ", ") {
				o, allowed := outcome{}, true
				switch word, rest, _ := strings.Cut(step, " "); word {
				case "to":
					allowed = r.divert(uri(rest), forwardAlways, bobs)
				case "hunt", "serial":
					g := &store.HuntGroup{Name: "g", Serial: word == "serial", RingTime: 7}
					allowed = r.hunt(g, []sip.Uri{uri("m"), uri("n")}, &overflow, group)
				case "ways":
					r.detour(at, []trunk.Route{{Trunk: "a"}, {Trunk: "b"}})
				default:
					o = outcome{at, atoi(word)}
				}
				if !allowed {
					got = append(got, "no more")
					break
				}
				next, ok := r.next(o)
				if at = next; ok {
					got = append(got, at.say())
				}
			}
			if said := strings.Join(got, " | "); said != tt.want {
				t.Errorf("got  %s\nwant %s", said, tt.want)
			}
		})
	}
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

func TestEnter(t *testing.T) {
	var r route
	if !r.enter("a") || !r.enter("b") || r.enter("a") {
		t.Error("an address is tried once")
	}
}

func TestArriving(t *testing.T) {
	all := store.CallSettings{ForwardAlways: "A", ForwardBusy: "B", ForwardNoAnswer: "N", ForwardOffline: "O"}
	with := func(change func(*store.CallSettings)) *store.CallSettings {
		c := all
		change(&c)
		return &c
	}
	without := func(c *store.CallSettings) { c.ForwardAlways = "" }
	for _, tt := range []struct {
		name      string
		settings  *store.CallSettings
		reachable bool
		want      string // ring, or where to
	}{
		{"nothing set", nil, true, "ring"},
		{"nothing set, no phone", nil, false, ""},
		{"always", &all, true, "A"},
		{"always, do not disturb", with(func(c *store.CallSettings) { c.DoNotDisturb = true }), true, "A"},
		{"do not disturb is busy", with(func(c *store.CallSettings) { without(c); c.DoNotDisturb = true }), true, "B"},
		{"or does not answer", with(func(c *store.CallSettings) { without(c); c.DoNotDisturb, c.ForwardBusy = true, "" }), true, "N"},
		{"or is just that", &store.CallSettings{DoNotDisturb: true, ForwardOffline: "O"}, true, ""},
		{"a phone", with(without), true, "ring"},
		{"no phone", with(without), false, "O"},
		{"no phone does not answer", with(func(c *store.CallSettings) { without(c); c.ForwardOffline = "" }), false, "N"},
		{"no phone and busy only", &store.CallSettings{ForwardBusy: "B"}, false, ""},
	} {
		got := arriving(tt.settings, tt.reachable)
		if got.ring {
			got.to = "ring"
		}
		if got.to != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got.to, tt.want)
		}
	}
}

func TestUnanswered(t *testing.T) {
	all := &store.CallSettings{ForwardBusy: "B", ForwardNoAnswer: "N", ForwardOffline: "O"}
	noAnswer := &store.CallSettings{ForwardNoAnswer: "N"}
	for _, tt := range []struct {
		settings *store.CallSettings
		status   int
		rang     bool
		want     string
	}{
		{nil, 486, true, ""},
		{all, 486, true, "B"}, {all, 600, true, "B"}, {all, 603, false, "B"}, {noAnswer, 486, true, ""},
		{all, 480, true, "N"}, {all, 408, true, "N"}, {all, 487, true, "N"},
		{all, 480, false, "O"}, {all, 408, false, "O"}, {all, 503, false, "O"}, {noAnswer, 480, false, "N"},
		{all, 488, false, ""}, {all, 404, false, ""}, {all, 500, false, ""},
	} {
		if got := unanswered(tt.settings, tt.status, tt.rang); got.to != tt.want {
			t.Errorf("%+v, %d, rang %v: %q, want %q", tt.settings, tt.status, tt.rang, got.to, tt.want)
		}
	}
}

func TestRingTime(t *testing.T) {
	if ringTime(0) != 20*time.Second || ringTime(7) != 7*time.Second {
		t.Error(ringTime(0), ringTime(7))
	}
}

func TestTelephone(t *testing.T) {
	for _, tt := range []struct {
		uri    sip.Uri
		want   string
		number bool
	}{
		{uri("+49-89.(1)2345"), "+498912345", true},
		{uri("%2B49%2D89"), "+4989", true},
		{uri("1001;phone-context=x"), "1001", true},
		{uri("*21*00#"), "*21*00#", true},
		{uri("Alice"), "alice", false},
		{uri("+"), "+", false},
		{uri("1001%40x"), "1001@x", false},
		{uri("%252B49"), "%2b49", false},
		{sip.Uri{Scheme: "tel", User: "+49-89"}, "+4989", true},
	} {
		if got := telephone(&tt.uri); got != tt.want || isTelephone(&tt.uri) != tt.number {
			t.Errorf("%s is %q, a number: %v", tt.uri.User, got, isTelephone(&tt.uri))
		}
	}
}

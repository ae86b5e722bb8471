package call

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Users of the tests, by the first letter of their names.
const alice, bob, carol = store.UserID('a'), store.UserID('b'), store.UserID('c')

// fakeSetup keeps settings in memory.
type fakeSetup struct {
	settings []store.CallSettings
	groups   []store.HuntGroup
}

func (f *fakeSetup) AllCallSettings(context.Context) ([]store.CallSettings, error) {
	return f.settings, nil
}

func (f *fakeSetup) SetCallSettings(_ context.Context, s store.CallSettings) (store.CallSettings, error) {
	s.Version++
	return s, nil
}

func (f *fakeSetup) HuntGroups(context.Context) ([]store.HuntGroup, error) { return f.groups, nil }

func (f *fakeSetup) SetHuntGroup(_ context.Context, g store.HuntGroup) (store.HuntGroup, error) {
	if g.Name == "taken" {
		return g, store.ErrConflict
	}
	g.Version++
	return g, nil
}

func (f *fakeSetup) RemoveHuntGroup(_ context.Context, name string) error {
	if name == "nobody" {
		return store.ErrNotFound
	}
	return nil
}

// fakeUsers have one number each: alice +86101, bob +86102, carol +86103.
type fakeUsers struct{}

func (fakeUsers) Numbers(u store.UserID) []string {
	return []string{fmt.Sprint("+8610", u-'a'+1), string(rune(u))}
}

func (fakeUsers) Owner(name string) store.UserID {
	for u := alice; u <= 'd'; u++ {
		if slices.Contains(fakeUsers{}.Numbers(u), name) {
			return u
		}
	}
	return 0
}

// fakeBorder writes down who pays for what. Bob may call +49 only, hunt groups
// and others everywhere. Calls to carriers arrive at the phone "carrier".
type fakeBorder struct {
	w       *world
	mu      sync.Mutex
	paid    []string
	inbound map[string]trunk.Inbound // by Call-ID
	tokens  int
}

func (b *fakeBorder) Emergency(dialled string) bool {
	u, err := wire.ParseURI(dialled)
	return err == nil && telephone(&u) == "110"
}

func (b *fakeBorder) Routes(c trunk.Caller, dialled string) ([]trunk.Route, error) {
	u, _ := wire.ParseURI(dialled)
	n := telephone(&u)
	if n == "110" {
		return []trunk.Route{{Trunk: "a", Number: n, Emergency: true}}, nil
	}
	if rest, ok := strings.CutPrefix(n, "00"); ok {
		n = "+" + rest
	}
	if !strings.HasPrefix(n, "+") {
		n = "+8610" + n
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.paid = append(b.paid, fmt.Sprintf("%s for %s shows %q live %d", strings.Join(c.Numbers, ","), n, c.Shown, c.Live))
	switch {
	case c.Settings.Locked:
		return nil, &server.Error{Status: 403, Warning: "locked"}
	case c.User == bob && !strings.HasPrefix(n, "+49"):
		return nil, &server.Error{Status: 403, Warning: "class of service"}
	}
	return []trunk.Route{{Trunk: "a", Number: n, Shown: c.Shown}, {Trunk: "b", Number: n, Shown: c.Shown}}, nil
}

func (b *fakeBorder) Target(r trunk.Route, c trunk.Caller, _ func(store.CallAttempt)) registrar.Target {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens++
	return registrar.Target{User: c.User, Flow: b.w.Phones["carrier"].Flow, Q: 1000,
		Contact: sip.Uri{Scheme: "sip", User: fmt.Sprintf("t%d%s", b.tokens, r.Trunk), Host: "example.com"}}
}

func (b *fakeBorder) Inbound(callID string) (trunk.Inbound, bool) {
	in, ok := b.inbound[callID]
	return in, ok
}

// withServices runs a story with a carrier, and dave who has two phones.
func withServices(t *testing.T, setup *fakeSetup, test func(w *world, b *fakeBorder)) {
	t.Helper()
	b := &fakeBorder{inbound: map[string]trunk.Inbound{}}
	inWorld(t, func(w *world) {
		b.w = w
		w.Phone("dave", "tls")
		w.Phone("dave2", "tls")
		w.Phone("border", "tls guest")
		w.Phone("carrier", "tls guest")
		w.Targets["erin"] = []registrar.Target{} // no phone
		if err := w.service.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		test(w, b)
	}, func(c *Config) { c.Border, c.Setup, c.Users = b, setup, fakeUsers{} })
}

const answeredByCarol = `
	carol 200 (C)
	alice gets 200 INVITE (C)
	alice ACK
	carol gets ACK
	media A=C
	quiet`

const answeredByCarrier = `
	carrier 200 (plain P)
	alice gets 200 INVITE (plain P)
	alice ACK
	carrier gets ACK
	media A=plain P
	quiet`

// attempts is what a record tells about diversions, devices left out.
func diversions(r store.CallRecord) (list []string) {
	for _, a := range r.Attempts {
		if a.Status == statusForwarded {
			list = append(list, a.Target)
		}
	}
	return list
}

func TestServices(t *testing.T) {
	user := func(u store.UserID, change func(*store.CallSettings)) []store.CallSettings {
		s := store.CallSettings{User: u}
		change(&s)
		return []store.CallSettings{s}
	}
	tests := []struct {
		name   string
		setup  fakeSetup
		script string
		record []string // diversions
		paid   []string
	}{
		{"forward always", fakeSetup{settings: user(bob, func(s *store.CallSettings) { s.ForwardAlways = "carol" })}, `
			alice INVITE bob (A)
			alice gets 181 INVITE
			carol gets INVITE (sdes A)` + answeredByCarol,
			[]string{"forward always of bob@example.com to sip:carol@example.com"}, nil},
		{"forward busy, and all of his phones are asked first", fakeSetup{settings: user('d', func(s *store.CallSettings) { s.ForwardBusy = "carol@example.com" })}, `
			alice INVITE dave (A)
			dave gets INVITE (sdes A)
			dave2 gets INVITE (sdes A)
			dave 486
			dave gets ACK
			dave2 603
			dave2 gets ACK
			alice gets 181 INVITE
			carol gets INVITE (sdes A)` + answeredByCarol,
			[]string{"forward busy of dave@example.com to sip:carol@example.com"}, nil},
		{"forward no answer", fakeSetup{settings: user(bob, func(s *store.CallSettings) { s.ForwardNoAnswer, s.NoAnswerAfter = "carol", 10 })}, `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 180
			alice gets 180 INVITE
			wait 9s
			quiet
			wait 2s
			bob gets CANCEL
			bob 200 CANCEL
			bob 487
			bob gets ACK
			alice gets 181 INVITE
			carol gets INVITE (sdes A)` + answeredByCarol,
			[]string{"forward no answer of bob@example.com to sip:carol@example.com"}, nil},
		{"who answers in time is not forwarded", fakeSetup{settings: user(carol, func(s *store.CallSettings) { s.ForwardNoAnswer = "bob" })}, `
			alice INVITE carol (A)
			carol gets INVITE (sdes A)` + answeredByCarol + `
			wait 40s
			quiet`, nil, nil},
		{"his patience is not that of whom he forwards to", fakeSetup{settings: user(bob, func(s *store.CallSettings) { s.ForwardBusy, s.ForwardNoAnswer = "carol", "dave" })}, `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 486
			bob gets ACK
			alice gets 181 INVITE
			carol gets INVITE (sdes A)
			carol 180
			alice gets 180 INVITE
			wait 30s` + answeredByCarol,
			[]string{"forward busy of bob@example.com to sip:carol@example.com"}, nil},
		{"a phone that rang and gave up", fakeSetup{settings: user(bob, func(s *store.CallSettings) { s.ForwardNoAnswer, s.ForwardOffline = "carol", "dave" })}, `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 180
			alice gets 180 INVITE
			bob 480
			bob gets ACK
			alice gets 181 INVITE
			carol gets INVITE (sdes A)` + answeredByCarol,
			[]string{"forward no answer of bob@example.com to sip:carol@example.com"}, nil},
		{"a phone that could not ring", fakeSetup{settings: user(bob, func(s *store.CallSettings) { s.ForwardNoAnswer, s.ForwardOffline = "dave", "carol" })}, `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 480
			bob gets ACK
			alice gets 181 INVITE
			carol gets INVITE (sdes A)` + answeredByCarol,
			[]string{"forward offline of bob@example.com to sip:carol@example.com"}, nil},
		{"forward offline", fakeSetup{settings: user('e', func(s *store.CallSettings) { s.ForwardOffline = "carol" })}, `
			alice INVITE erin (A)
			alice gets 181 INVITE
			carol gets INVITE (sdes A)` + answeredByCarol,
			[]string{"forward offline of erin@example.com to sip:carol@example.com"}, nil},
		{"do not disturb", fakeSetup{settings: user(bob, func(s *store.CallSettings) { s.DoNotDisturb = true })}, `
			alice INVITE bob (A)
			alice gets 480 INVITE
			quiet`, nil, nil},
		{"but a call for the device comes through", fakeSetup{settings: user(bob, func(s *store.CallSettings) { s.DoNotDisturb, s.ForwardAlways = true, "carol" })}, `
			alice INVITE bob@example.com;gr=urn:uuid:bob (A)
			bob gets INVITE (sdes A)
			bob 486
			bob gets ACK
			alice gets 486 INVITE
			quiet`, nil, nil},
		{"do not disturb, and somebody for the calls", fakeSetup{settings: user(bob, func(s *store.CallSettings) { s.DoNotDisturb, s.ForwardNoAnswer = true, "carol" })}, `
			alice INVITE bob (A)
			alice gets 181 INVITE
			carol gets INVITE (sdes A)` + answeredByCarol,
			[]string{"forward no answer of bob@example.com to sip:carol@example.com"}, nil},
		{"forwards in a circle end", fakeSetup{settings: append(
			user(bob, func(s *store.CallSettings) { s.ForwardAlways = "carol" }),
			user(carol, func(s *store.CallSettings) { s.ForwardAlways = "bob" })...)}, `
			alice INVITE bob (A)
			alice gets 181 INVITE
			alice gets 181 INVITE
			alice gets 480 INVITE
			quiet`,
			[]string{"forward always of bob@example.com to sip:carol@example.com", "forward always of carol@example.com to sip:bob@example.com"}, nil},
		{"bob forwards to where he may call, and pays", fakeSetup{settings: user(bob, func(s *store.CallSettings) { s.ForwardAlways = "0049 (30) 123" })}, `
			alice INVITE bob (A)
			alice gets 181 INVITE
			carrier gets INVITE (plain A)` + answeredByCarrier,
			[]string{"forward always of bob@example.com to sip:004930123@example.com"},
			[]string{`+86102,b for +4930123 shows "+86101" live 0`}},
		{"the second way, when the first fails", fakeSetup{}, `
			alice INVITE 004930123 (A)
			carrier gets INVITE (plain A)
			carrier 503
			carrier gets ACK
			carrier gets INVITE (plain A)` + answeredByCarrier, nil,
			[]string{`+86101,a for +4930123 shows "" live 0`}},
		{"but not when the number is busy", fakeSetup{}, `
			alice INVITE 004930123 (A)
			carrier gets INVITE (plain A)
			carrier 486
			carrier gets ACK
			alice gets 486 INVITE
			quiet`, nil,
			[]string{`+86101,a for +4930123 shows "" live 0`}},
		{"a phone redirects", fakeSetup{}, `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob adds Contact: <sip:carol@example.com?Replaces=x>
			bob 302
			bob gets ACK
			alice gets 181 INVITE
			carol gets INVITE (sdes A)` + answeredByCarol,
			[]string{"redirection of bob@example.com to sip:carol@example.com"}, nil},
		{"a phone redirects while another one rings", fakeSetup{}, `
			alice INVITE dave (A)
			dave gets INVITE (sdes A)
			dave2 gets INVITE (sdes A)
			dave2 180
			alice gets 180 INVITE
			dave adds Contact: <sip:carol@example.com>
			dave 302
			dave gets ACK
			dave2 gets CANCEL
			dave2 200 CANCEL
			dave2 487
			dave2 gets ACK
			alice gets 181 INVITE
			carol gets INVITE (sdes A)` + answeredByCarol,
			[]string{"redirection of dave@example.com to sip:carol@example.com"}, nil},
		{"a phone redirects to a stranger", fakeSetup{}, `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob adds Contact: <sip:carol@elsewhere.example>
			bob 302
			bob gets ACK
			alice gets 480 INVITE
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob adds Contact: <sip:198.51.100.7:5060>
			bob 305
			bob gets ACK
			alice gets 480 INVITE
			quiet`, nil, nil},
		{"a member who does not want to be disturbed", fakeSetup{
			settings: user(bob, func(s *store.CallSettings) { s.DoNotDisturb = true }),
			groups:   []store.HuntGroup{{Name: "sales", Members: []string{"bob", "carol"}}}}, `
			alice INVITE sales (A)
			carol gets INVITE (sdes A)` + answeredByCarol, nil, nil},
		{"a phone redirects too late, and not at the cost of the next", fakeSetup{settings: user(bob, func(s *store.CallSettings) { s.ForwardNoAnswer, s.NoAnswerAfter = "carol", 5 })}, `
			alice INVITE bob (A)
			bob gets INVITE (sdes A)
			bob 180
			alice gets 180 INVITE
			wait 7s
			bob gets CANCEL
			bob 200 CANCEL
			alice gets 181 INVITE
			carol gets INVITE (sdes A)
			bob adds Contact: <sip:+4930@example.com>
			bob 302
			bob gets ACK
			carol 180
			alice gets 180 INVITE` + answeredByCarol,
			[]string{"forward no answer of bob@example.com to sip:carol@example.com"}, nil},
		{"one after the other, and one redirects", fakeSetup{groups: []store.HuntGroup{{Name: "sales", Serial: true, Members: []string{"bob", "carol"}}}}, `
			alice INVITE sales (A)
			bob gets INVITE (sdes A)
			bob adds Contact: <sip:+4930@example.com>
			bob 302
			bob gets ACK
			carol gets INVITE (sdes A)` + answeredByCarol, nil, nil},
		{"a member who redirects is only busy", fakeSetup{groups: []store.HuntGroup{{Name: "sales", Members: []string{"bob", "carol"}}}}, `
			alice INVITE sales (A)
			bob gets INVITE (sdes A)
			carol gets INVITE (sdes A)
			bob adds Contact: <sip:dave@example.com>
			bob 302
			bob gets ACK` + answeredByCarol, nil, nil},
		{"all at once, busy and declined by some", fakeSetup{groups: []store.HuntGroup{{Name: "sales", Numbers: []string{"600"}, Members: []string{"bob", "carol", "+4930", "erin", "alice"}}}}, `
			alice INVITE 600 (A)
			bob gets INVITE (sdes A)
			carol gets INVITE (sdes A)
			carrier gets INVITE (plain A)
			bob 603
			bob gets ACK
			carrier 486
			carrier gets ACK
			carol 180
			alice gets 180 INVITE` + answeredByCarol, nil,
			[]string{`600,sales for +4930 shows "+86101" live 0`}},
		{"one after the other, and nobody in the end", fakeSetup{
			settings: user(bob, func(s *store.CallSettings) { s.ForwardBusy = "alice" }), // not in a group
			groups:   []store.HuntGroup{{Name: "sales", Serial: true, RingTime: 5, Members: []string{"bob", "erin", "carol"}}}}, `
			alice INVITE sales (A)
			bob gets INVITE (sdes A)
			bob 486
			bob gets ACK
			carol gets INVITE (sdes A)
			carol 180
			alice gets 180 INVITE
			wait 7s
			carol gets CANCEL
			carol 200 CANCEL
			carol 487
			carol gets ACK
			alice gets 486 INVITE
			quiet`, nil, nil},
		{"overflow into another group, which has had its turn of bob", fakeSetup{groups: []store.HuntGroup{
			{Name: "sales", Members: []string{"bob"}, Overflow: "office"},
			{Name: "office", Members: []string{"bob", "carol"}, Overflow: "sales"}}}, `
			alice INVITE sales (A)
			bob gets INVITE (sdes A)
			bob 480
			bob gets ACK
			alice gets 181 INVITE
			carol gets INVITE (sdes A)` + answeredByCarol,
			[]string{"overflow of sales@example.com to sip:office@example.com"}, nil},
		{"a group of nobody", fakeSetup{groups: []store.HuntGroup{{Name: "sales", Members: []string{"erin", "alice"}}}}, `
			alice INVITE sales (A)
			alice gets 480 INVITE
			quiet`, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withServices(t, &tt.setup, func(w *world, b *fakeBorder) {
				w.Play(tt.script)
				if got := diversions(w.records.newest()); !slices.Equal(got, tt.record) {
					t.Errorf("the record tells %q", got)
				}
				if !slices.Equal(b.paid, tt.paid) {
					t.Errorf("paid: %q", b.paid)
				}
			})
		})
	}
}

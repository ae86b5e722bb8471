package trunk

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

// S15 and S21: who may call where. The trunk serves everything but satellites.
func TestTollFraud(t *testing.T) {
	tr := line("t", first)
	tr.Deny = []string{"+881"}
	international := func(c *Caller) { c.Settings.Class = "international" }
	locked := func(c *Caller) { c.Settings.Locked = true }
	for _, c := range []struct {
		name    string
		change  func(c *Caller)
		dialled string
		want    string
	}{
		{"the default class calls at home", nil, "0105550000", "+86105550000"},
		{"a mobile", nil, "13912345678", "+8613912345678"},
		{"not abroad", nil, "00498912345", "403 class"},
		{"not with +", nil, "+498912345", "403 class"},
		{"not with an escaped +", nil, "sip:%2B498912345@example.com", "403 class"},
		{"not with an escaped escape", nil, "sip:%252B498912345@example.com", "404 no_trunk"},
		{"not by tel", nil, "tel:+49-89-12345", "403 class"},
		{"not by phone-context", nil, "tel:8912345;phone-context=+49", "403 class"},
		{"not by a parameter of the user", nil, "sip:8912345;phone-context=+49@example.com", "403 class"},
		{"not by a prefix of another country", nil, "011498912345", "+8611498912345"}, // an area code of ours
		{"not by a second prefix", nil, "000498912345", "404 no_trunk"},
		{"not by a premium number at home", nil, "0900555", "403 class"},
		{"a user of another class", international, "00498912345", "+498912345"},
		{"but no premium number", international, "+19005550123", "403 class"},
		{"and no satellite: no trunk has it", international, "+88165551234", "404 no_trunk"},
		{"a class that does not exist allows nothing", func(c *Caller) { c.Settings.Class = "gone" }, "0105550000", "403 class"},
		{"locked", locked, "0105550000", "403 locked"},
		{"locked, an emergency", locked, "110", "110 emergency"},
		{"a forbidden class, an emergency", func(c *Caller) { c.Settings.Class = "gone" }, "119", "119 emergency"},
		{"no number, an emergency", func(c *Caller) { c.Numbers = nil }, "110", "110 emergency"},
		{"too many calls", func(c *Caller) { c.Live = 2 }, "0105550000", "403 user_calls"},
		{"too many calls of his own", func(c *Caller) { c.Live, c.Settings.MaxCalls = 1, 1 }, "0105550000", "403 user_calls"},
		{"too many calls, an emergency", func(c *Caller) { c.Live = 99 }, "110", "110 emergency"},
		{"nonsense", nil, "*21*00498912345#", "404 no_trunk"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, tr)
			defer w.end()
			for _, class := range []store.ClassOfService{
				{Name: "default", Allow: []string{"+86"}, Deny: []string{"+86900"}, MaxCalls: 2},
				{Name: "international", Deny: []string{"+1900"}},
			} {
				if _, err := w.border.SetClass(t.Context(), class); err != nil {
					t.Fatal(err)
				}
			}
			caller := user()
			if c.change != nil {
				c.change(&caller)
			}
			if got := w.routes(caller, c.dialled); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		})
	}
}

// routes is the number of the first route, or the status and the reason.
func (w *world) routes(c Caller, dialled string) string {
	routes, err := w.border.Routes(c, dialled)
	if e, ok := errors.AsType[*server.Error](err); ok {
		for _, d := range denials {
			if d.err.Status == e.Status && d.err.Warning == e.Warning {
				return fmt.Sprint(e.Status, " ", d.reason)
			}
		}
		return err.Error()
	}
	if routes[0].Emergency {
		return routes[0].Number + " emergency"
	}
	return routes[0].Number
}

func TestCallsPerHour(t *testing.T) {
	tr := line("t", first)
	tr.CallsPerHour = 5
	story(t, "of a user and of a trunk", []store.Trunk{tr}, func(t *testing.T, w *world) {
		w.carrier(first, "UDP").answer = says(486)
		if _, err := w.border.SetClass(t.Context(), store.ClassOfService{Name: "default", CallsPerHour: 3}); err != nil {
			t.Fatal(err)
		}
		other := Caller{User: 8, Numbers: []string{"1235"}}
		status := 0
		for _, step := range []struct {
			c    Caller
			want string
		}{
			{user(), "+498912345"}, {user(), "+498912345"}, {user(), "+498912345"}, {user(), "403 user_hour"},
			{other, "+498912345"}, {other, "+498912345"}, {other, "503 trunk_hour"},
		} {
			if got := w.routes(step.c, "+498912345"); got != step.want {
				t.Fatalf("%s, want %s", got, step.want)
			}
			if step.want[0] == '+' {
				w.by(Route{Trunk: "t", Number: "+498912345", own: "+86105551234"}, step.c, failing(&status))
			}
			pass(time.Second)
		}
		if got := w.routes(user(), "110"); got != "110 emergency" {
			t.Errorf("an emergency: %s", got)
		}
		w.dial(user(), "110", failing(&status))
		pass(time.Second)
		if status != 486 {
			t.Errorf("the emergency call got %d", status)
		}
		pass(61 * time.Minute)
		if got := w.routes(user(), "+498912345"); got != "+498912345" {
			t.Errorf("an hour later: %s", got)
		}
		w.border.forgetOld(time.Now().Add(2 * time.Hour))
		if len(w.border.hours) != 0 || len(w.border.plans) != 0 {
			t.Errorf("%d users and %d plans are remembered for ever", len(w.border.hours), len(w.border.plans))
		}
	})
}

func TestTrunkFull(t *testing.T) {
	small, big := line("small", first), line("bigger", second)
	small.MaxOut, small.Priority, big.Priority = 1, 1, 2
	story(t, "the next one takes it", []store.Trunk{big, small}, func(t *testing.T, w *world) {
		w.carrier(first, "UDP")
		w.carrier(second, "UDP")
		a := w.dial(user(), "+498912345", dialogEvents())
		pass(2 * time.Second)
		routes, err := w.border.Routes(user(), "+498912345")
		if err != nil || len(routes) != 1 || routes[0].Trunk != "bigger" {
			t.Errorf("%+v, %v", routes, err)
		}
		// One that was authorised before the trunk was full.
		status := 0
		w.by(Route{Trunk: "small", Number: "+498912345", own: "+86105551234"}, user(), failing(&status))
		pass(time.Second)
		if status != 503 {
			t.Errorf("the late one got %d", status)
		}
		a.Do(func() { a.HangUp("") })
		pass(time.Second)
		if routes, err := w.border.Routes(user(), "+498912345"); err != nil || len(routes) != 2 || routes[0].Trunk != "small" {
			t.Errorf("%+v, %v", routes, err)
		}
	})
}

// Which numbers a carrier is told.
func TestPresentation(t *testing.T) {
	base := line("t", first)
	noDefault := line("t", first)
	noDefault.Numbers.Default = ""
	noDiversion := line("t", first)
	noDiversion.Numbers.Diversion = "none"
	formats := line("t", first)
	formats.Domain = "ims.example.net"
	formats.Numbers.Out, formats.Numbers.From, formats.Numbers.Asserted, formats.Numbers.Diversion = "international", "national", "e164", "+e164"
	silent := line("t", first)
	silent.Numbers.Asserted = "none"
	const us = "@198.51.100.1;user=phone>"
	anonymous := `"Anonymous" <sip:anonymous@anonymous.invalid>`
	for _, c := range []struct {
		name                          string
		trunk                         store.Trunk
		caller                        Caller
		from, pai, privacy, diversion string
	}{
		{"his own", base, Caller{Numbers: []string{"1234"}}, "<sip:+86105551234" + us, "<sip:+86105551234" + us, "", ""},
		{"one of another trunk: the default", base, Caller{Numbers: []string{"+4930123"}}, "<sip:+86105559999" + us, "<sip:+86105559999" + us, "", ""},
		{"the one he has chosen", base, Caller{Numbers: []string{"1234", "1235"}, Settings: store.CallSettings{Caller: "1235"}},
			"<sip:+86105551235" + us, "<sip:+86105551235" + us, "", ""},
		{"he may not choose another's", base, Caller{Numbers: []string{"1234"}, Settings: store.CallSettings{Caller: "+86105550001"}},
			"<sip:+86105551234" + us, "<sip:+86105551234" + us, "", ""},
		{"withheld by himself", base, Caller{Numbers: []string{"1234"}, Anonymous: true}, anonymous, "<sip:+86105551234" + us, "id", ""},
		{"withheld by setting", base, Caller{Numbers: []string{"1234"}, Settings: store.CallSettings{Withhold: true}}, anonymous, "<sip:+86105551234" + us, "id", ""},
		{"forwarded", base, Caller{Numbers: []string{"1234"}, Shown: "+4930123"},
			"<sip:+4930123" + us, "<sip:+86105551234" + us, "", "<sip:+86105551234" + us + ";reason=unknown;counter=1"},
		{"forwarded for one who withholds", base, Caller{Numbers: []string{"1234"}, Shown: "+4930123", Anonymous: true},
			anonymous, "<sip:+86105551234" + us, "id", "<sip:+86105551234" + us + ";reason=unknown;counter=1"},
		{"forwarded, what is shown is no number", base, Caller{Numbers: []string{"1234"}, Shown: "+49\r\nX: y"}, "<sip:+86105551234" + us, "<sip:+86105551234" + us, "", ""},
		{"forwarded, no Diversion", noDiversion, Caller{Numbers: []string{"1234"}, Shown: "+4930123"}, "<sip:+86105551234" + us, "<sip:+86105551234" + us, "", ""},
		{"nothing is asserted", silent, Caller{Numbers: []string{"1234"}}, "<sip:+86105551234" + us, "", "", ""},
		{"every place in its format", formats, Caller{Numbers: []string{"1234"}, Shown: "+4930123"},
			"<sip:004930123@ims.example.net;user=phone>", "<sip:86105551234@ims.example.net;user=phone>", "",
			"<sip:+86105551234@ims.example.net;user=phone>;reason=unknown;counter=1"},
	} {
		story(t, c.name, []store.Trunk{c.trunk}, func(t *testing.T, w *world) {
			g := w.carrier(first, "UDP")
			g.answer = says(486)
			c.caller.User = 7
			status := 0
			w.dial(c.caller, "+498912345", failing(&status))
			pass(time.Second)
			invite := g.last("INVITE")
			for name, want := range map[string]string{"From": c.from, "P-Asserted-Identity": c.pai, "Privacy": c.privacy, "Diversion": c.diversion} {
				got := headerWithoutTag(invite, name)
				if got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		})
	}
	story(t, "he has none, and there is no default", []store.Trunk{noDefault}, func(t *testing.T, w *world) {
		if got := w.routes(Caller{User: 7}, "+498912345"); got != "403 caller" {
			t.Error(got)
		}
		if got := w.routes(Caller{User: 7}, "110"); got != "110 emergency" {
			t.Error(got)
		}
	})
}

// S21: an emergency call tries every gateway, also those that are down, and shows
// who calls.
func TestEmergency(t *testing.T) {
	story(t, "the first trunk is down", []store.Trunk{line("t", first, second)}, func(t *testing.T, w *world) {
		c := w.carrier(second, "UDP")
		for _, g := range w.border.all()[0].gateways {
			g.health.set(stateDown, time.Now())
		}
		if got := w.routes(user(), "+498912345"); got != "503 down" {
			t.Errorf("others: %s", got)
		}
		caller := user()
		caller.Settings.Withhold, caller.Anonymous = true, true
		status := 0
		s := w.dial(caller, "110", failing(&status))
		pass(6 * time.Second)
		invite := c.last("INVITE")
		if uri := invite.Recipient; status != 200 || uri.User != "110" || headerWithoutTag(invite, "From") != "<sip:+86105551234@198.51.100.2;user=phone>" ||
			headerWithoutTag(invite, "Priority") != "emergency" || headerWithoutTag(invite, "Privacy") != "" {
			t.Errorf("status %d:\n%s", status, invite)
		}
		s.Do(func() { s.HangUp("") })
	})
}

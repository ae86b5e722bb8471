package call

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/store"
)

// office is the trunk of the fraud matrix: Beijing, with everything allowed that a
// class allows. By default that is China but its 900 numbers; bob may call
// Germany too, carol is locked.
type office struct{ *world }

func (office) Trunks(context.Context) ([]store.Trunk, error) {
	return []store.Trunk{{ID: 1, Name: "t",
		Gateways: []store.Gateway{{Name: "g", Address: "203.0.113.9", Transport: "udp", Probe: -1}},
		Numbers: store.NumberPlan{Country: "86", Area: "10", National: "0", International: "00", Default: "+861055550000",
			Emergency: []string{"110"}, Inward: []store.Inward{{Number: "+86105555*", To: "*"}}},
	}}, nil
}

func (office) Classes(context.Context) ([]store.ClassOfService, error) {
	return []store.ClassOfService{
		{Name: "default", Allow: []string{"+86"}, Deny: []string{"+86900"}, MaxCalls: 1},
		{Name: "germany", Allow: []string{"+86", "+49"}},
	}, nil
}

func (office) SetTrunk(_ context.Context, t store.Trunk) (store.Trunk, error) { return t, nil }
func (office) RemoveTrunk(context.Context, int64) error                       { return nil }
func (office) SetClass(_ context.Context, c store.ClassOfService) (store.ClassOfService, error) {
	return c, nil
}
func (office) RemoveClass(context.Context, string) error { return nil }
func (office) Dial(context.Context, transport.Hop) (*transport.Flow, error) {
	return nil, transport.ErrClosed
}

// guardedBorder decides as the real one does, and calls the phone "carrier".
type guardedBorder struct {
	*fakeBorder
	real  *trunk.Border
	went  []string // the numbers that left, with who paid
	shown string   // to the last of them
}

func (b *guardedBorder) Routes(c trunk.Caller, dialled string) ([]trunk.Route, error) {
	return b.real.Routes(c, dialled)
}

func (b *guardedBorder) Target(r trunk.Route, c trunk.Caller, on func(store.CallAttempt)) registrar.Target {
	b.shown = r.Shown
	b.went = append(b.went, r.Number+" by "+strings.Join(c.Numbers[max(len(c.Numbers)-1, 0):], ""))
	return b.fakeBorder.Target(r, c, on)
}

// S15 and S21 of the security rows: whatever leads a call outside, who may not call
// there does not get there, and whoever sends it there pays.
func TestTollFraud(t *testing.T) {
	const class, locked, dead = "class", "locked", "dead"
	numbers := []struct{ written, home, abroad string }{
		// as written, what becomes of it by default, and for bob who may call Germany
		{"sip:0105550000@example.com", "+86105550000", "+86105550000"},
		{"sip:00498912345@example.com", class, "+498912345"},
		{"sip:+498912345@example.com", class, "+498912345"},
		{"sip:%2B49%2D89%2D12345@example.com", class, "+498912345"},
		{"sip:%34%39@example.com", dead, dead}, // 49: too short for anything
		{"sip:00(49)89-123.45@example.com;user=phone", class, "+498912345"},
		{"sip:8912345;phone-context=+49@example.com", class, "+498912345"},
		{"sip:+498912345;npdi;rn=+19005550123@example.com", class, "+498912345"},
		{"tel:+49-89-12345", class, "+498912345"},
		{"tel:8912345;phone-context=+49", class, "+498912345"},
		{"tel:8912345;phone-context=+1-900", class, class},
		{"sip:0900555123@example.com", class, "+86900555123"},
		{"sip:+19005550123@example.com", class, class},
		{"sip:0019005550123@example.com", class, class},
		{"sip:%252B498912345@example.com", dead, dead},
		{"sip:+498912345%00@example.com", dead, dead},
		{"sip:+49+8912345@example.com", dead, dead},
		{"sip:*21*00498912345%23@example.com", dead, dead},
		{"sip:110@example.com", "110", "110"},
	}
	ways := []struct {
		name  string
		setup func(number string) fakeSetup
		play  func(w *world, number string)
		who   store.UserID // who pays
		shy   bool         // the caller learns nothing but that it did not work
		after bool         // judged, but not called there
	}{
		{name: "dialled", who: alice, play: func(w *world, n string) { w.invite("alice", n) }},
		{name: "forward", who: carol, shy: true,
			setup: func(n string) fakeSetup {
				return fakeSetup{settings: []store.CallSettings{{User: carol, ForwardAlways: n}}}
			},
			play: func(w *world, _ string) { w.invite("alice", "sip:carol@example.com") }},
		{name: "forward of one who may", who: bob, shy: true,
			setup: func(n string) fakeSetup {
				return fakeSetup{settings: []store.CallSettings{{User: bob, ForwardAlways: n}}}
			},
			play: func(w *world, _ string) { w.invite("alice", "sip:bob@example.com") }},
		{name: "forward to a forward", who: carol, shy: true,
			setup: func(n string) fakeSetup {
				return fakeSetup{settings: []store.CallSettings{{User: bob, ForwardAlways: "carol"}, {User: carol, ForwardAlways: n}}}
			},
			play: func(w *world, _ string) { w.invite("alice", "sip:bob@example.com") }},
		{name: "redirection", who: carol, shy: true,
			play: func(w *world, n string) {
				w.invite("alice", "sip:carol@example.com")
				w.Step("carol gets INVITE (sdes A)")
				w.Phones["carol"].Add("Contact: <" + n + ">")
				w.Play("carol 302\ncarol gets ACK")
			}},
		{name: "member of a group", who: 0, shy: true,
			setup: func(n string) fakeSetup {
				return fakeSetup{groups: []store.HuntGroup{{Name: "sales", Members: []string{n}}}}
			},
			play: func(w *world, _ string) { w.invite("alice", "sip:sales@example.com") }},
		{name: "overflow of a group", who: 0, shy: true,
			setup: func(n string) fakeSetup {
				return fakeSetup{groups: []store.HuntGroup{{Name: "sales", Members: []string{"erin"}, Overflow: n}}}
			},
			play: func(w *world, _ string) { w.invite("alice", "sip:sales@example.com") }},
		{name: "transfer", who: alice, after: true,
			play: func(w *world, n string) {
				w.Play("alice INVITE carol (A)\ncarol gets INVITE (sdes A)\ncarol 200 (C)\nalice gets 200 INVITE (C)\nalice ACK\ncarol gets ACK")
				w.Phones["alice"].Add("Refer-To: <" + n + ">")
				w.Step("alice REFER")
			}},
		{name: "transfer without a call", who: alice, after: true,
			play: func(w *world, n string) {
				w.Phones["alice"].Add("Refer-To: <" + n + ">")
				w.Step("alice REFER carol")
			}},
		{name: "a carrier's call", who: -1, play: func(w *world, n string) {
			w.invite("border", n)
		}},
	}
	for _, way := range ways {
		for _, n := range numbers {
			t.Run(way.name+" "+n.written, func(t *testing.T) {
				var setup fakeSetup
				if way.setup != nil {
					setup = way.setup(n.written)
				}
				setup.settings = append(setup.settings, store.CallSettings{User: bob, Class: "germany"})
				if len(setup.settings) > 1 && setup.settings[0].User == bob { // one record a user
					setup.settings[len(setup.settings)-1].ForwardAlways = setup.settings[0].ForwardAlways
				}
				want := n.home
				switch {
				case way.who == bob:
					want = n.abroad
				case way.who < 0: // nobody answers for it
					want = dead
				}
				if want == "110" && way.shy {
					want = dead
				}
				withRealBorder(t, &setup, func(w *world, b *guardedBorder) {
					way.play(w, n.written)
					judge(t, w, b, want, way.who, way.after)
				})
			})
		}
	}
}

// judge compares where a call got to.
func judge(t *testing.T, w *world, b *guardedBorder, want string, who store.UserID, after bool) {
	t.Helper()
	denied := 0
	for _, why := range denials() {
		denied += int(testutil.ToFloat64(w.service.metrics.denied.WithLabelValues(why)))
	}
	passes := want != "class" && want != "dead"
	switch rang := w.Phones["carrier"].Take() == "INVITE (plain A)"; {
	case after:
		if refused := w.Phones["carol"].Take() != "REFER"; refused != (want == "class") {
			t.Errorf("the transfer was refused: %v", refused)
		}
	case rang != passes:
		t.Errorf("the carrier was called: %v", b.went)
	case passes && !slices.Equal(b.went, []string{want + " by " + name(who)}):
		t.Errorf("went out: %q, want %s by %s", b.went, want, name(who))
	}
	if want == "class" && denied != 1 || passes && denied != 0 {
		t.Errorf("%d alarms", denied)
	}
	w.TakeAll()
	w.service.Drain(cancelled())
	synctest.Wait()
	w.TakeAll()
}

// name is the last of somebody's numbers.
func name(who store.UserID) string {
	if who == 0 {
		return "sales"
	}
	return string(rune(who))
}

func withRealBorder(t *testing.T, setup *fakeSetup, test func(w *world, b *guardedBorder)) {
	b := &guardedBorder{}
	withServices(t, setup, func(w *world, f *fakeBorder) {
		b.fakeBorder = f
		var err error
		if b.real, err = trunk.New(trunk.Config{Store: office{w}, Transactions: w.Layer, Stack: office{w}, Domain: "example.com"}); err != nil {
			t.Fatal(err)
		}
		defer b.real.Close()
		w.service.cfg.Border = b
		test(w, b)
	})
}

// invite calls any URI; what the border sends is a carrier's call.
func (w *world) invite(who, uri string) {
	p := w.Phones[who]
	req := p.New("INVITE", uri, "A")
	if who == "border" {
		f := w.service.cfg.Border.(*guardedBorder).fakeBorder
		f.inbound[p.Dialog.CallID] = trunk.Inbound{Trunk: "t", Caller: "+493012345", Dialled: uri}
	}
	p.Transmit(req)
	synctest.Wait()
}

// A user's limits hold for what he forwards, and what has ended counts no more.
func TestForwardsAreLimited(t *testing.T) {
	setup := fakeSetup{settings: []store.CallSettings{{User: carol, ForwardAlways: "0105550000"}}}
	withRealBorder(t, &setup, func(w *world, b *guardedBorder) {
		for i, rings := range []bool{true, false} { // the class allows one call at a time
			who := []string{"alice", "bob"}[i]
			w.invite(who, "sip:carol@example.com")
			w.Step(who + " gets 181 INVITE")
			if got := w.Phones["carrier"].Take() != ""; got != rings {
				t.Errorf("call %d rings: %v", i+1, got)
			}
		}
		if got := w.Phones["bob"].Take(); got != "480 INVITE" {
			t.Errorf("bob got %s", got)
		}
		w.Play("carrier 486\ncarrier gets ACK\nalice gets 486 INVITE")
		w.invite("dave", "sip:carol@example.com")
		w.Step("dave gets 181 INVITE")
		if got := w.Phones["carrier"].Take(); got != "INVITE (plain A)" {
			t.Errorf("after the end of the first: %q", got)
		}
		w.Play("carrier 486\ncarrier gets ACK\ndave gets 486 INVITE")
		if want := fmt.Sprint([]string{"+86105550000 by c", "+86105550000 by c"}); fmt.Sprint(b.went) != want {
			t.Errorf("went out: %q", b.went)
		}
	})
}

// A full server, a user with as many calls as he may have, a locked one: emergency
// calls pass, others do not.
func TestEmergency(t *testing.T) {
	setup := fakeSetup{settings: []store.CallSettings{{User: alice, Locked: true, MaxCalls: 1}}}
	withRealBorder(t, &setup, func(w *world, b *guardedBorder) {
		w.service.cfg.MaxCalls, w.service.cfg.MaxPerUser = 1, 1
		w.Play("alice INVITE bob (A)\nbob gets INVITE (sdes A)\nbob 200 (B)\nalice gets 200 INVITE (B)\nalice ACK\nbob gets ACK")
		for _, number := range []string{"sip:0105550000@example.com", "sip:carol@example.com", "sip:d@example.com"} {
			w.invite("dave", number)
			w.Step("dave gets 503 INVITE")
		}
		w.invite("alice", "tel:1-10")
		w.Play("carrier gets INVITE (plain A)\ncarrier 486\ncarrier gets ACK\nalice gets 486 INVITE")
		w.service.cfg.MaxCalls = 0
		w.invite("alice", "sip:carol@example.com")
		w.Step("alice gets 403 INVITE")
		if want := []string{"110 by a"}; !slices.Equal(b.went, want) {
			t.Errorf("went out: %q", b.went)
		}
		w.service.Drain(cancelled())
		synctest.Wait()
		w.TakeAll()
	})
}

// A party at a carrier whom a user transfers outside is called for by the border,
// at the cost of that user, and only of him.
func TestTransferOfACarriersCall(t *testing.T) {
	withRealBorder(t, &fakeSetup{settings: []store.CallSettings{{User: bob, Class: "germany"}}}, func(w *world, b *guardedBorder) {
		w.invite("border", "sip:bob@example.com")
		w.Play("bob gets INVITE (sdes A)\nbob 200 (B)\nborder gets 200 INVITE (B)\nborder ACK\nbob gets ACK")
		w.Phones["bob"].Add("Refer-To: <sip:0105550000@example.com>")
		w.Play("bob REFER > border 202")
		for _, want := range []string{"INVITE (plain A)", ""} { // once
			w.Phones["border"].Add("Referred-By: <sip:alice@example.com>")
			w.invite("border", "sip:0105550000@example.com")
			if got := w.Phones["carrier"].Take(); got != want {
				t.Errorf("the carrier got %q, want %q", got, want)
			}
		}
		if want := []string{"+86105550000 by b"}; !slices.Equal(b.went, want) {
			t.Errorf("went out: %q", b.went)
		}
		w.TakeAll()
		w.service.Drain(cancelled())
		synctest.Wait()
		w.TakeAll()
	})
}

// A carrier's call to a user who forwards it to a carrier: he pays, and the number
// of the first caller is shown where the trunk can tell who has forwarded it.
func TestForwardOfACarriersCall(t *testing.T) {
	setup := fakeSetup{settings: []store.CallSettings{{User: bob, Class: "germany", ForwardAlways: "00498912345"}}}
	withRealBorder(t, &setup, func(w *world, b *guardedBorder) {
		w.invite("border", "sip:bob@example.com")
		w.Play(`
			border gets 181 INVITE
			carrier gets INVITE (plain A)
			carrier 200 (plain P)
			border gets 200 INVITE (plain P)
			border ACK
			carrier gets ACK
			border BYE > carrier 200
			quiet`)
		if want := []string{"+498912345 by b"}; !slices.Equal(b.went, want) || b.shown != "+493012345" {
			t.Errorf("went out: %q, showing %q", b.went, b.shown)
		}
		r := w.records.newest()
		if r.Direction != inward || r.Caller.Address != "+493012345" || r.Number != "+498912345" || r.Callee.Trunk != "t" || r.EndedBy != "caller" ||
			!slices.Equal(diversions(r), []string{"forward always of bob@example.com to sip:00498912345@example.com"}) {
			t.Errorf("record: %+v", r)
		}
	})
}

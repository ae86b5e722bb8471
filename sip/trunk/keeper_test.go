package trunk

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// run keeps the gateways until the returned function is called.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { w.border.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

func (w *world) state(trunk, gateway string) GatewayStatus {
	for _, s := range w.border.Trunks() {
		for _, g := range s.Gateways {
			if s.Name == trunk && g.Name == gateway {
				return g
			}
		}
	}
	w.t.Fatalf("no gateway %s", gateway)
	return GatewayStatus{}
}

// R9: an outage is seen within two probes, and the end of it with the next.
func TestProbes(t *testing.T) {
	tr := line("t", first)
	tr.Gateways[0].Probe = 0
	story(t, "down and up again", []store.Trunk{tr}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		if s := w.state("t", "g1"); s.State != "unknown" {
			t.Errorf("before the first probe: %s", s.State)
		}
		stop := w.run()
		pass(time.Second)
		if s := w.state("t", "g1"); s.State != "up" || s.Error != "" {
			t.Errorf("%+v", s)
		}
		options := c.last("OPTIONS")
		if uri := wire.URIString(&options.Recipient); uri != "sip:198.51.100.1:5060" || wire.Header(options, "User-Agent") != "Sparkle" {
			t.Errorf("OPTIONS %s by %s", uri, wire.Header(options, "User-Agent"))
		}
		c.silent.Store(true)
		pass(66 * time.Second)
		if s := w.state("t", "g1"); s.State != "down" || !strings.Contains(s.Error, "no answer") {
			t.Errorf("after two probes without answer: %+v", s)
		}
		if got := w.routes(user(), "+498912345"); got != "503 down" {
			t.Errorf("a call: %s", got)
		}
		c.silent.Store(false)
		w.change(func() {
			c.other = func(in *transaction.Incoming) *sip.Response { return wire.NewResponse(in.Request, 503, "") }
		})
		pass(31 * time.Second)
		if s := w.state("t", "g1"); s.State != "down" {
			t.Errorf("answered with 503: %+v", s)
		}
		w.change(func() {
			c.other = func(in *transaction.Incoming) *sip.Response { return wire.NewResponse(in.Request, 404, "") }
		})
		pass(31 * time.Second)
		if s := w.state("t", "g1"); s.State != "up" || w.routes(user(), "+498912345") != "+498912345" {
			t.Errorf("answered with 404: %+v", s)
		}
		stop()
	})
}

func TestCircuitBreaker(t *testing.T) {
	now := time.Unix(1e9, 0)
	h := &health{state: stateUnknown}
	for range failedCalls - 1 {
		h.callFailed(now)
	}
	if !h.allows(now) {
		t.Error("open too early")
	}
	h.callAnswered(now)
	for range failedCalls {
		h.callFailed(now)
	}
	if h.allows(now.Add(halfOpen / 2)) {
		t.Error("closed too early")
	}
	now = now.Add(halfOpen)
	if !h.allows(now) || h.allows(now) {
		t.Error("half open is one call")
	}
	h.callFailed(now)
	if h.allows(now.Add(halfOpen / 2)) {
		t.Error("a failure closed it")
	}
	h.callAnswered(now)
	if !h.allows(now) || h.state != stateUp {
		t.Error("an answer did not close it")
	}
	h.probed = true
	for range failedCalls {
		h.callFailed(now)
	}
	h.callAnswered(now) // one that was under way
	if h.allows(now.Add(time.Hour)) {
		t.Error("something else than a probe closed the circuit of a gateway that is probed")
	}
	h.succeeded(now)
	if !h.allows(now) {
		t.Error("a probe did not close it")
	}
}

func TestThreeFailuresTakeAGatewayOut(t *testing.T) {
	story(t, "calls spare it", []store.Trunk{line("t", first, second)}, func(t *testing.T, w *world) {
		bad := w.carrier(first, "UDP")
		bad.answer = says(503)
		w.carrier(second, "UDP")
		for range 5 {
			status := 0
			s := w.dial(user(), "+498912345", failing(&status))
			pass(2 * time.Second)
			if status != 200 {
				t.Errorf("status %d", status)
			}
			s.Do(func() { s.HangUp("") })
			pass(time.Second)
		}
		if n := bad.count("INVITE"); n != failedCalls || w.state("t", "g1").State != "down" {
			t.Errorf("it got %d calls and is %s", n, w.state("t", "g1").State)
		}
		pass(halfOpen)
		w.change(func() { bad.answer = bad.picksUp })
		s := w.dial(user(), "+498912345", dialogEvents())
		pass(2 * time.Second)
		if w.state("t", "g1").State != "up" {
			t.Error("it is not tried again")
		}
		s.Do(func() { s.HangUp("") })
	})
	story(t, "an administrator does", []store.Trunk{line("t", first, second)}, func(t *testing.T, w *world) {
		a, b := w.carrier(first, "UDP"), w.carrier(second, "UDP")
		if err := w.border.TakeOut("t", "g1", true); err != nil {
			t.Fatal(err)
		}
		s := w.dial(user(), "+498912345", dialogEvents())
		pass(2 * time.Second)
		if a.count("INVITE") != 0 || b.count("INVITE") != 1 || w.state("t", "g1").State != "out" {
			t.Errorf("%d and %d calls", a.count("INVITE"), b.count("INVITE"))
		}
		s.Do(func() { s.HangUp("") })
		if err := w.border.TakeOut("t", "g1", false); err != nil || w.state("t", "g1").State != "unknown" {
			t.Errorf("%v, %s", err, w.state("t", "g1").State)
		}
		if err := w.border.TakeOut("t", "g9", true); err == nil {
			t.Error("a gateway that is not there")
		}
	})
}

func TestOrder(t *testing.T) {
	var all []*gateway
	for _, g := range []store.Gateway{{Name: "c", Priority: 2}, {Name: "a", Priority: 1, Weight: 3}, {Name: "b", Priority: 1}} {
		all = append(all, &gateway{Gateway: g})
	}
	first := map[string]int{}
	for n := range 4 {
		drawn := order(all, func(total int) int { return min(n, total-1) })
		if len(drawn) != 3 || drawn[2].Name != "c" {
			t.Fatalf("%s comes last", drawn[2].Name)
		}
		first[drawn[0].Name]++
	}
	if first["a"] != 3 || first["b"] != 1 {
		t.Errorf("drawn first: %v", first)
	}
}

// registering makes a carrier one where one registers.
func registering(c *carrier, expires string) {
	c.other = func(in *transaction.Incoming) *sip.Response {
		switch {
		case in.Method != sip.REGISTER:
			return wire.NewResponse(in.Request, 200, "")
		case !proves(in.Request, "user1", "secret1"):
			return wire.NewResponse(in.Request, 401, "", wire.H("WWW-Authenticate", `Digest realm="carrier", nonce="`+wire.NewTag()+`", algorithm=SHA-256, qop="auth"`))
		case wire.Header(in.Request, "Expires") == "600" && expires == "":
			return wire.NewResponse(in.Request, 423, "", wire.H("Min-Expires", "900"))
		}
		granted := or(expires, "900")
		if wire.Header(in.Request, "Expires") == "0" {
			granted = "0"
		}
		return wire.NewResponse(in.Request, 200, "", wire.H("Contact", wire.Header(in.Request, "Contact")+";expires="+granted))
	}
}

func TestRegistration(t *testing.T) {
	tr := line("t", first)
	tr.Register, tr.Username, tr.Password, tr.Realm, tr.Domain = true, "user1", "secret1", "carrier", "ims.example.net"
	story(t, "challenged, refreshed, taken back; calls come to its Contact", []store.Trunk{tr}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		registering(c, "120")
		stop := w.run()
		pass(time.Second)
		req := c.last("REGISTER")
		if uri := wire.URIString(&req.Recipient); uri != "sip:ims.example.net" || c.count("REGISTER") != 2 ||
			wire.Header(req, "To") != "<sip:user1@ims.example.net>" || wire.Header(req, "Contact") != "<sip:user1@192.0.2.1:5060;transport=udp>" {
			t.Errorf("%d REGISTERs, the last\n%s", c.count("REGISTER"), req)
		}
		s := w.state("t", "g1")
		if s.Registered == nil || time.Until(*s.Registered) < 118*time.Second {
			t.Errorf("%+v", s)
		}
		pass(96 * time.Second)
		if n := c.count("REGISTER"); n != 3 && n != 4 { // with the old nonce first
			t.Errorf("%d REGISTERs after the first refresh", n)
		}
		if s := w.state("t", "g1"); time.Until(*s.Registered) < 110*time.Second {
			t.Errorf("not refreshed: %+v", s)
		}
		call := c.call("user1", dialogEvents(), func(call *dialog.Call) { call.To = "<sip:+86105551234@ims.example.net>" })
		pass(time.Second)
		if len(w.rang) != 1 || w.rang[0].Recipient.User != "1234" {
			t.Error("the call to our Contact did not ring")
		}
		call.Do(func() { call.HangUp("") })
		stop()
		if e := wire.Header(c.last("REGISTER"), "Expires"); e != "0" || w.state("t", "g1").Registered != nil {
			t.Errorf("the last REGISTER has Expires %s", e)
		}
	})
	story(t, "a longer time is asked for", []store.Trunk{tr}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		registering(c, "")
		stop := w.run()
		pass(time.Second)
		if s := w.state("t", "g1"); s.Registered == nil || time.Until(*s.Registered) < 890*time.Second {
			t.Errorf("%+v; %d REGISTERs", s, c.count("REGISTER"))
		}
		stop()
	})
	story(t, "changed", []store.Trunk{tr}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		registering(c, "120")
		stop := w.run()
		pass(time.Second)
		changed := tr
		changed.MaxOut = 7
		if _, err := w.border.SetTrunk(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		var last []string
		for _, r := range c.got {
			if r.Method == sip.REGISTER {
				last = append(last, wire.Header(r, "Expires"))
			}
		}
		if got := strings.Join(last[2:], " "); !strings.HasPrefix(got, "0 ") || !strings.HasSuffix(got, " 600") || w.state("t", "g1").Registered == nil {
			t.Errorf("then came REGISTERs with Expires %s", got)
		}
		stop()
	})
	wrong := tr
	wrong.Password = "wrong"
	story(t, "a wrong password is not tried for ever", []store.Trunk{wrong}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		registering(c, "120")
		stop := w.run()
		pass(time.Minute)
		if s := w.state("t", "g1"); s.Registered != nil || !strings.Contains(s.Error, "register") {
			t.Errorf("%+v", s)
		}
		if n := c.count("REGISTER"); n > 40 {
			t.Errorf("%d REGISTERs in a minute", n)
		}
		n := c.count("REGISTER")
		pass(time.Hour)
		if n = c.count("REGISTER") - n; n > 100 {
			t.Errorf("%d REGISTERs in an hour", n)
		}
		stop()
	})
	story(t, "an outage", []store.Trunk{tr}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		registering(c, "120")
		stop := w.run()
		pass(time.Second)
		c.silent.Store(true)
		pass(5 * time.Minute)
		if s := w.state("t", "g1"); s.Registered != nil {
			t.Errorf("still registered: %+v", s)
		}
		c.silent.Store(false)
		pass(8 * time.Minute)
		if s := w.state("t", "g1"); s.Registered == nil {
			t.Errorf("not registered again: %+v", s)
		}
		stop()
	})
}

// DESIGN.md law 6
func TestKeepersSurvive(t *testing.T) {
	story(t, "a panic", nil, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		times := 0
		go w.border.withoutEnd(ctx, func() { times++; panic("oh") })
		pass(2*afterPanic + time.Second)
		cancel()
		pass(time.Second)
		if times != 3 {
			t.Errorf("ran %d times", times)
		}
	})
}

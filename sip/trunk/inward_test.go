package trunk

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// with adds header fields to a carrier's INVITE.
func with(hs ...sip.Header) func(*dialog.Call) {
	return func(c *dialog.Call) { c.Headers = append(c.Headers, hs...) }
}

func TestCallIn(t *testing.T) {
	one := []store.Trunk{line("t", first)}
	story(t, "answered; nothing of the carrier is believed but the caller", one, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		var about Inbound
		w.pickUp = func(r *server.Request, s *dialog.Session) {
			about, _ = w.border.Inbound(r.CallID)
			d := s.Fork()
			d.Progress(180, "", dialog.Content{})
			d.Accept(dialog.SDP([]byte("inside")))
		}
		var answer *sip.Response
		unknown := 0
		c.call("01066661234", failing(&unknown))
		pass(time.Second)
		if len(w.rang) != 0 || unknown != 404 {
			t.Fatalf("a number that is not ours got %d", unknown)
		}
		s := c.call("0105551234", dialog.Events{Answered: func(d *dialog.Dialog, res *sip.Response) { answer = res; d.Ack(dialog.Content{}) }},
			with(wire.H("P-Asserted-Identity", "<sip:+4930995@carrier.example.net>"), wire.H("X-Evil", "1"), wire.H("Diversion", "<sip:x@y>"),
				wire.H("Remote-Party-ID", "<sip:boss@example.com>"), wire.H("Alert-Info", "<http://127.0.0.1/>")))
		pass(2 * time.Second)
		want := Inbound{Trunk: "t", Caller: "+4930995", Dialled: "sip:0105551234@192.0.2.1", Number: "+86105551234", Media: Media{SRTP: "forbid"}}
		if about.Trunk != want.Trunk || about.Caller != want.Caller || about.Dialled != want.Dialled || about.Number != want.Number || about.Media.SRTP != "forbid" {
			t.Errorf("Inbound: %+v", about)
		}
		r := w.rang[0]
		if uri := wire.URIString(&r.Recipient); uri != "sip:1234@example.com" || !r.Trusted {
			t.Errorf("%s rang, trusted: %v", uri, r.Trusted)
		}
		if pai := wire.Header(r.Request, "P-Asserted-Identity"); pai != "<sip:+4930995@example.com;user=phone>" {
			t.Errorf("P-Asserted-Identity: %s", pai)
		}
		text := string(wire.Append(nil, r.Request))
		for _, bad := range []string{"Evil", "Diversion", "boss", "Alert-Info", "carrier.example.net", "CNAM", s.CallID(), "198.51.100.1"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s came inside:\n%s", bad, text)
			}
		}
		text = string(wire.Append(nil, answer))
		if strings.Contains(text, "example.com") || strings.Contains(text, "Phone") || string(answer.Body()) != "inside" {
			t.Errorf("the carrier sees the inside:\n%s", text)
		}
		s.Do(func() { s.HangUp("") })
	})
	story(t, "who rings, and gives up", one, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		reason := ""
		w.pickUp = func(_ *server.Request, s *dialog.Session) { s.Fork().Progress(180, "", dialog.Content{}) }
		w.pickedUp.Cancelled = func(r string) { reason = r }
		status := 0
		s := c.call("+86105559999", failing(&status))
		pass(time.Second)
		s.Do(func() { s.HangUp("Q.850;cause=16") })
		pass(time.Second)
		if status != 487 || reason != "Q.850;cause=16" || w.rang[0].Recipient.User != "desk" {
			t.Errorf("the carrier got %d, inside came %q for %s", status, reason, w.rang[0].Recipient.User)
		}
	})
	story(t, "nobody answers inside", one, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		for inside, outside := range map[int]int{486: 486, 404: 404, 302: 480, 407: 403, 503: 503} {
			w.change(func() {
				w.pickUp = func(_ *server.Request, s *dialog.Session) {
					s.Reject(inside, "", wire.H("Contact", "<sip:x@y>"), wire.H("Reason", "Q.850;cause=17"))
				}
			})
			status := 0
			c.call("+86105559999", failing(&status))
			pass(time.Second)
			if status != outside {
				t.Errorf("%d inside is %d outside", inside, status)
			}
		}
	})
	full := line("t", first)
	full.MaxIn = 1
	story(t, "full", []store.Trunk{full}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		var a, b, d int
		s := c.call("+86105559999", failing(&a))
		pass(time.Second)
		c.call("+86105559999", failing(&b))
		pass(time.Second)
		s.Do(func() { s.HangUp("") })
		pass(time.Second)
		s = c.call("+86105559999", failing(&d))
		pass(time.Second)
		if a != 200 || b != 486 || d != 200 {
			t.Errorf("the calls got %d, %d, and after the first one's end %d", a, b, d)
		}
		s.Do(func() { s.HangUp("") })
	})
}

// What the border makes of the caller's number.
func TestCallerNumber(t *testing.T) {
	for _, c := range []struct{ from, pai, privacy, want string }{
		{"<sip:+4930123@c>", "", "", "+4930123"},
		{"<sip:004930123@c>", "", "", "+4930123"},
		{"<sip:030123@c>", "", "", "+8630123"},
		{"<tel:+49-30-123>", "", "", "+4930123"},
		{"<sip:anonymous@anonymous.invalid>", "<tel:+4930999>", "", ""},
		{"<sip:+4930123@c>", "<tel:+4930999>", "", "+4930999"},
		{"<sip:+4930123@c>", "<sip:c>, <tel:+4930999>", "", "+4930999"},
		{"<sip:+4930123@c>", "<tel:+4930999>", "id", ""},
		{"<sip:+4930123@c>", "<tel:+4930999>", "critical;id", ""},
		{"<sip:alice@c>", "", "", ""},
		{"<sip:+49%2530123@c>", "", "", ""},
	} {
		m, err := wire.Parse([]byte("INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: " + c.from + ";tag=1\r\nTo: <sip:x@y>\r\n" +
			"Call-ID: 1\r\nCSeq: 1 INVITE\r\nPrivacy: " + c.privacy + "\r\nP-Asserted-Identity: " + c.pai + "\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := callerNumber(plan{home()}, incoming(t, m.(*sip.Request))); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// What carriers ask besides, and who is one.
func TestClaims(t *testing.T) {
	networked := line("networked", second)
	networked.Gateways[0].Sources = []string{"203.0.113.0/28"}
	gone := line("disabled", "198.51.100.9:5060")
	gone.Disabled = true
	story(t, "others", []store.Trunk{line("t", first), networked, gone, line("loop", "127.0.0.1:5070")}, func(t *testing.T, w *world) {
		for _, c := range []struct {
			from, over, method string
			want               int
		}{
			{first, "UDP", "OPTIONS", 200},
			{first, "UDP", "MESSAGE", 405},
			{first, "UDP", "SUBSCRIBE", 405},
			{first, "UDP", "REGISTER", 405},
			{first, "UDP", "REFER", 405},
			{first, "UDP", "BYE", 481},
			{first, "TCP", "MESSAGE", 405},
			{"198.51.100.1:40000", "UDP", "MESSAGE", 405},
			{"203.0.113.7:5060", "UDP", "MESSAGE", 405},
			{"203.0.113.16:5060", "UDP", "MESSAGE", 407},
			{second, "UDP", "MESSAGE", 407}, // its networks are named, this is none
			{first, "TLS", "MESSAGE", 407},  // an address proves nothing there
			{"198.51.100.9:5060", "UDP", "MESSAGE", 407},
			{"198.51.100.200:5060", "UDP", "MESSAGE", 407},
			{"127.0.0.1:5070", "UDP", "MESSAGE", 405},
			{"127.0.0.1:5071", "UDP", "MESSAGE", 407},
		} {
			got := w.ask(c.from, c.over, c.method)
			if got != c.want {
				t.Errorf("%s from %s over %s: %d, want %d", c.method, c.from, c.over, got, c.want)
			}
		}
	})
	story(t, "a name that leads elsewhere", []store.Trunk{line("t", "sbc.example.net")}, func(t *testing.T, w *world) {
		g := w.border.all()[0].gateways[0]
		for _, addr := range []string{"198.51.100.1", "198.51.100.2"} {
			w.names["sbc.example.net"] = []string{addr}
			if err := w.border.lookUp(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			for _, from := range []string{first, second} {
				want := 407
				if strings.HasPrefix(from, addr+":") {
					want = 405
				}
				if got := w.ask(from, "UDP", "MESSAGE"); got != want {
					t.Errorf("the name leads to %s: %s is answered %d", addr, from, got)
				}
			}
		}
	})
}

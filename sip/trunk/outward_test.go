package trunk

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

const (
	first  = "198.51.100.1:5060"
	second = "198.51.100.2:5060"
)

func TestCallOut(t *testing.T) {
	one := []store.Trunk{line("t", first)}
	story(t, "answered; nothing of the inside is seen", one, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		body, ended := "", ""
		s := w.dial(user(), "0049 89 1234-5", dialog.Events{
			Answered: func(d *dialog.Dialog, res *sip.Response) { body = string(res.Body()); d.Ack(dialog.Content{}) },
			Ended:    func(_ *dialog.Dialog, e dialog.End) { ended = e.Reason },
		})
		pass(3 * time.Second)
		invite := c.last("INVITE")
		text := string(wire.Append(nil, invite))
		for name, want := range map[string]string{
			"To":                  "<sip:+498912345@198.51.100.1:5060;user=phone>",
			"P-Asserted-Identity": "<sip:+86105551234@198.51.100.1;user=phone>",
			"User-Agent":          "Sparkle",
			"Max-Forwards":        "59",
			"Privacy":             "",
			"Record-Route":        "",
		} {
			if got := wire.Header(invite, name); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		if from := wire.Header(invite, "From"); !strings.HasPrefix(from, "<sip:+86105551234@198.51.100.1;user=phone>;tag=") {
			t.Errorf("From: %s", from)
		}
		if uri := wire.URIString(&invite.Recipient); uri != "sip:+498912345@198.51.100.1:5060;user=phone" {
			t.Errorf("Request-URI %s", uri)
		}
		if strings.Contains(text, "ecret") || strings.Contains(text, "alice") || strings.Contains(text, "example.com") || strings.Contains(text, s.CallID()) {
			t.Errorf("the inside is seen:\n%s", text)
		}
		if n := len(wire.Values(invite, "Via")); n != 1 || body != "carrier" || string(invite.Body()) != "inside" {
			t.Errorf("%d Vias; the bodies %q and %q", n, invite.Body(), body)
		}
		if got := w.attemptsText(); got != "g1 200" {
			t.Errorf("attempts: %s", got)
		}
		if st := w.border.Trunks()[0]; st.Out != 1 {
			t.Errorf("%d calls out", st.Out)
		}
		c.session.Do(func() { c.session.HangUp(`Q.850;cause=16;text="Terminated"`) })
		pass(time.Second)
		if ended != `Q.850;cause=16;text="Terminated"` {
			t.Errorf("ended by %q", ended)
		}
	})
	story(t, "the caller hangs up", one, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		s := w.dial(user(), "+498912345", dialog.Events{Answered: acking})
		pass(3 * time.Second)
		s.Do(func() { s.HangUp("Q.850;cause=31") })
		pass(time.Second)
		if reason := wire.Header(c.last("BYE"), "Reason"); reason != "Q.850;cause=31" {
			t.Errorf("Reason: %s", reason)
		}
	})
	story(t, "the caller gives up while it rings", one, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		reason, status := "", 0
		c.events.Cancelled = func(r string) { reason = r }
		s := w.dial(user(), "+498912345", failing(&status))
		pass(500 * time.Millisecond)
		s.Do(func() { s.HangUp(`SIP;cause=200;text="Call completed elsewhere"`) })
		pass(time.Second)
		if status != 487 || reason != `SIP;cause=200;text="Call completed elsewhere"` || w.attemptsText() != "g1 487" {
			t.Errorf("the caller got %d, the carrier %q; attempts %s", status, reason, w.attemptsText())
		}
	})
	story(t, "an offer with the answer", one, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		ack, offer := "", ""
		c.events.Acknowledged = func(_ *dialog.Dialog, a *sip.Request) { ack = string(a.Body()) }
		s := w.dial(user(), "+498912345", dialog.Events{
			Answered: func(d *dialog.Dialog, res *sip.Response) {
				offer = string(res.Body())
				d.Ack(dialog.SDP([]byte("late")))
			},
		}, func(c *dialog.Call) { c.Content = dialog.Content{} })
		pass(3 * time.Second)
		if ack != "late" || offer != "carrier" {
			t.Errorf("the offer is %q and the answer %q", offer, ack)
		}
		s.Do(func() { s.HangUp("") })
	})
	story(t, "no hop is left", one, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		var out, in int
		w.dial(user(), "+498912345", failing(&out), func(c *dialog.Call) { c.MaxForwards = 1 })
		c.call("+86105551234", failing(&in), func(c *dialog.Call) { c.MaxForwards = 1 })
		pass(time.Second)
		if out != 483 || in != 483 || c.count("INVITE") != 0 || len(w.rang) != 0 {
			t.Errorf("out %d, in %d", out, in)
		}
	})
	story(t, "early media, reliably at both ends", one, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		c.answer = func(in *transaction.Incoming, tx *transaction.Server) {
			s := c.Accept(in, tx, nil, dialog.Events{}, nil)
			s.Do(func() {
				d := s.Fork()
				d.Progress(183, "", dialog.SDP([]byte("early")))
				d.Accept(dialog.SDP([]byte("early")))
			})
		}
		early := ""
		s := w.dial(user(), "+498912345", dialog.Events{
			Progress: func(_ *dialog.Dialog, res *sip.Response) {
				early = wire.Header(res, "Require") + " " + string(res.Body())
			},
			Answered: acking,
		}, func(c *dialog.Call) { c.Reliable = true })
		pass(2 * time.Second)
		if early != "100rel early" || c.count("PRACK") != 1 {
			t.Errorf("inside came %q; the carrier got %d PRACKs", early, c.count("PRACK"))
		}
		s.Do(func() { s.HangUp("") })
	})
}

// Requests inside the dialog pass from one side to the other, or not.
func TestInsideTheCall(t *testing.T) {
	story(t, "both ways", []store.Trunk{line("t", first)}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		var atCarrier, atPhone []string
		note := func(list *[]string) func(*dialog.Dialog, *dialog.Incoming) {
			return func(_ *dialog.Dialog, in *dialog.Incoming) {
				*list = append(*list, string(in.Method)+" "+string(in.Body()))
				in.Answer(200, "", dialog.SDP([]byte("ok "+string(in.Body()))))
			}
		}
		var there *dialog.Dialog
		c.events.Request = note(&atCarrier)
		c.events.Acknowledged = func(d *dialog.Dialog, ack *sip.Request) {
			there = d
			atCarrier = append(atCarrier, "ACK "+string(ack.Body()))
		}
		var here *dialog.Dialog
		s := w.dial(user(), "+498912345", dialog.Events{
			Answered: func(d *dialog.Dialog, _ *sip.Response) { here = d; d.Ack(dialog.Content{}) },
			Request:  note(&atPhone),
		})
		pass(3 * time.Second)
		send := func(d *dialog.Dialog, method, kind, body string, ack *dialog.Content) int {
			status := 0
			content := dialog.Content{}
			if body != "" {
				content = dialog.Content{Headers: []sip.Header{wire.H("Content-Type", kind)}, Body: []byte(body)}
			}
			d.Session().Do(func() {
				d.Send(method, content, func(res *sip.Response, err error) {
					if err != nil {
						return
					}
					if status = res.StatusCode; ack != nil && status == 200 {
						d.Ack(*ack)
					}
				})
			})
			pass(time.Second)
			return status
		}
		late := dialog.SDP([]byte("answer"))
		for _, step := range []struct {
			from               *dialog.Dialog
			method, kind, body string
			ack                *dialog.Content
			want               int
			list               *[]string
			seen               string
		}{
			{here, "INVITE", "application/sdp", "hold", &dialog.Content{}, 200, &atCarrier, "INVITE hold, ACK "},
			{here, "INVITE", "", "", &late, 200, &atCarrier, "INVITE , ACK answer"},
			{there, "INVITE", "application/sdp", "hold", &dialog.Content{}, 200, &atPhone, "INVITE hold"},
			{here, "UPDATE", "application/sdp", "new", nil, 200, &atCarrier, "UPDATE new"},
			{here, "INFO", "application/dtmf-relay", "Signal=1", nil, 200, &atCarrier, "INFO Signal=1"},
			{there, "INFO", "application/dtmf", "5", nil, 200, &atPhone, "INFO 5"},
			{there, "INFO", "text/html", "<b>", nil, 415, &atPhone, ""},
			{there, "REFER", "", "", nil, 403, &atPhone, ""},
			{there, "OPTIONS", "", "", nil, 200, &atPhone, ""},
			{there, "MESSAGE", "text/plain", "hi", nil, 405, &atPhone, ""},
		} {
			*step.list = nil
			if got := send(step.from, step.method, step.kind, step.body, step.ack); got != step.want {
				t.Errorf("%s %s: %d, want %d", step.method, step.body, got, step.want)
			}
			if got := strings.Join(*step.list, ", "); got != step.seen {
				t.Errorf("%s %s: the other side saw %q, want %q", step.method, step.body, got, step.seen)
			}
		}
		s.Do(func() { s.HangUp("") })
	})
}

// R9: the second gateway gets the call less than four seconds after the first one
// should have taken it. What the callee himself says is never tried again.
func TestFailover(t *testing.T) {
	silent := func(c *carrier) { c.silent.Store(true) }
	for _, c := range []struct {
		name     string
		first    func(c *carrier)
		attempts string
		status   int
	}{
		{"silence", silent, "g1 408, g2 200", 200},
		{"503", func(c *carrier) { c.answer = says(503) }, "g1 503, g2 200", 200},
		{"500", func(c *carrier) { c.answer = says(500) }, "g1 500, g2 200", 200},
		{"408", func(c *carrier) { c.answer = says(408) }, "g1 408, g2 200", 200},
		{"a redirection is not followed", func(c *carrier) {
			c.answer = says(302, wire.H("Contact", "<sip:+19005550123@203.0.113.66>"))
		}, "g1 302, g2 200", 200},
		{"a challenge that we cannot answer", func(c *carrier) {
			c.answer = says(407, wire.H("Proxy-Authenticate", `Digest realm="x", nonce="1"`))
		}, "g1 407, g2 200", 200},
		{"busy is an answer", func(c *carrier) { c.answer = says(486) }, "g1 486", 486},
		{"not found is an answer", func(c *carrier) { c.answer = says(404) }, "g1 404", 404},
		{"declined is an answer", func(c *carrier) { c.answer = says(603) }, "g1 603", 603},
	} {
		story(t, c.name, []store.Trunk{line("t", first, second)}, func(t *testing.T, w *world) {
			c.first(w.carrier(first, "UDP"))
			other := w.carrier(second, "UDP")
			began := time.Now()
			status := 0
			s := w.dial(user(), "+498912345", failing(&status))
			pass(6 * time.Second)
			if got := w.attemptsText(); got != c.attempts || status != c.status {
				t.Errorf("attempts %s, and the caller got %d", got, status)
			}
			if len(other.when) > 0 {
				if took := other.when[0].Sub(began); took >= 4*time.Second {
					t.Errorf("the second gateway was tried after %v", took)
				}
			}
			s.Do(func() { s.HangUp("") })
		})
	}
	story(t, "a refused connection, and a black hole", []store.Trunk{overTCP(line("t", first, "198.51.100.3:5060", second))}, func(t *testing.T, w *world) {
		w.carrier(first, "TCP").refuses = true
		w.carrier(second, "TCP")
		status := 0
		s := w.dial(user(), "+498912345", failing(&status))
		pass(6 * time.Second)
		if got := w.attemptsText(); got != "g1 503, g2 408, g3 200" && got != "g1 503, g2 503, g3 200" {
			t.Errorf("attempts %s", got)
		}
		s.Do(func() { s.HangUp("") })
	})
	story(t, "nobody takes it", []store.Trunk{line("t", first, second)}, func(t *testing.T, w *world) {
		w.carrier(first, "UDP").answer = says(503, wire.H("Reason", "Q.850;cause=34"))
		w.carrier(second, "UDP").answer = says(503)
		status := 0
		w.dial(user(), "+498912345", failing(&status))
		pass(6 * time.Second)
		if status != 503 || w.attemptsText() != "g1 503, g2 503" {
			t.Errorf("the caller got %d after %s", status, w.attemptsText())
		}
	})
	story(t, "the first one answers after all", []store.Trunk{line("t", first, second)}, func(t *testing.T, w *world) {
		slow := w.carrier(first, "UDP")
		slow.answer = func(in *transaction.Incoming, tx *transaction.Server) {
			// It must not send 100: the layer does so after 200 ms.
			time.AfterFunc(5*time.Second, func() { slow.picksUp(in, tx) })
		}
		slow.silent.Store(true)
		time.AfterFunc(3600*time.Millisecond, func() { slow.silent.Store(false) })
		w.carrier(second, "UDP")
		status := 0
		s := w.dial(user(), "+498912345", failing(&status))
		pass(30 * time.Second)
		if w.attemptsText() != "g1 408, g2 200" || status != 200 {
			t.Errorf("the caller got %d after %s", status, w.attemptsText())
		}
		s.Do(func() { s.HangUp("") })
	})
}

// When we are overloaded ourselves, the gateways keep their good name.
func TestOurOverload(t *testing.T) {
	story(t, "no transaction is left", []store.Trunk{line("t", first, second)}, func(t *testing.T, w *world) {
		c := w.carrier(first, "UDP")
		full := transaction.New(transaction.Config{MaxTransactions: 1})
		full.Serve(w.chain)
		full.Send(w.border.options(w.border.all()[0].gateways[0], w.flow("UDP", c.addr)), w.flow("TCP", c.addr),
			func(*transaction.Client, *sip.Response, error) {}) // takes the only place
		outer, err := dialog.New(dialog.Config{Transactions: full, Local: w.Local, Route: w.border.follow})
		if err != nil {
			t.Fatal(err)
		}
		w.border.outer = outer
		status := 0
		for range failedCalls + 1 {
			w.dial(user(), "+498912345", failing(&status))
			pass(time.Second)
		}
		if status != 503 || w.state("t", "g1").State != "unknown" {
			t.Errorf("the caller got %d, the gateway is %s", status, w.state("t", "g1").State)
		}
		pass(time.Minute)
		full.Close()
	})
}

func overTCP(t store.Trunk) store.Trunk {
	for i := range t.Gateways {
		t.Gateways[i].Transport = "tcp"
	}
	return t
}

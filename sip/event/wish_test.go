package event

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/wire"
)

// What is wrong with a SUBSCRIBE is said.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct{ name, headers, want, header, value string }{
		{"no package", "", "489", "Allow-Events", "conference"},
		{"an unknown package", "Event: presence", "489", "Allow-Events", "conference"},
		{"names of packages have their case", "Event: Conference", "489", "Allow-Events", "conference"},
		{"too brief", "Event: conference\nExpires: 59", "423", "Min-Expires", "60"},
		{"no number", "Event: conference\nExpires: soon", "400", "Warning", `399 example.com "Expires must be a number of seconds"`},
		{"the least", "Event: conference\nExpires: 60", "200", "Expires", "60"},
		{"nothing asked", "Event: conference", "200", "Expires", "3600"},
		{"too long", "Event: conference\nExpires: 7200", "200", "Expires", "3600"},
		{"for ever", "Event: conference\nExpires: 99999999999", "200", "Expires", "3600"},
		{"parameters of others", "Event: conference;x=y\nExpires: 600", "200", "Expires", "600"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				alice := w.Phones["alice"]
				alice.Add(tt.headers)
				alice.Request("SUBSCRIBE", "sip:team@example.com", "")
				alice.Want(tt.want + " SUBSCRIBE")
				if got := wire.Header(alice.Last, tt.header); got != tt.value {
					t.Errorf("%s: %q", tt.header, got)
				}
				w.take("alice")
			})
		})
	}
}

// A SUBSCRIBE inside a dialog is the subscriber's own, newer than the last one, and
// for the same subscription.
func TestRefreshIsJudged(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spoil  func(alice, bob *siptest.Phone) (sender *siptest.Phone, headers string)
		answer string
	}{
		{"as it should be", func(alice, _ *siptest.Phone) (*siptest.Phone, string) { return alice, "Event: conference;id=7" }, "200"},
		{"the same CSeq", func(alice, _ *siptest.Phone) (*siptest.Phone, string) {
			alice.Dialog.CSeq--
			return alice, "Event: conference;id=7"
		}, "500"},
		{"another id", func(alice, _ *siptest.Phone) (*siptest.Phone, string) { return alice, "Event: conference;id=8" }, "403"},
		{"no id", func(alice, _ *siptest.Phone) (*siptest.Phone, string) { return alice, "Event: conference" }, "403"},
		{"another tag", func(alice, _ *siptest.Phone) (*siptest.Phone, string) {
			alice.Dialog.Remote += "x"
			return alice, "Event: conference;id=7"
		}, "481"},
		{"somebody else", func(alice, bob *siptest.Phone) (*siptest.Phone, string) {
			bob.Dialog = alice.Dialog
			bob.Dialog.Local = strings.Replace(alice.Dialog.Local, "alice@", "bob@", 1)
			return bob, "Event: conference;id=7"
		}, "481"},
		{"too brief", func(alice, _ *siptest.Phone) (*siptest.Phone, string) {
			return alice, "Event: conference;id=7\nExpires: 1"
		}, "423"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.Phones["alice"].Add("Event: conference ; id=7")
				w.Play(`
					alice SUBSCRIBE team
					alice gets 200 SUBSCRIBE
					alice gets NOTIFY (team 3)
					alice 200 NOTIFY`)
				w.header("alice", "Event", "conference;id=7")
				sender, headers := tt.spoil(w.Phones["alice"], w.Phones["bob"])
				sender.Add(headers)
				sender.InDialog("SUBSCRIBE", "")
				sender.Want(tt.answer + " SUBSCRIBE")
				w.live(1)
				if got := w.take("alice"); (len(got) == 1) != (tt.answer == "200") {
					t.Errorf("alice got %q", got)
				}
			})
		})
	}
}

// A device has several subscriptions, and not without end.
func TestManySubscriptionsOfADevice(t *testing.T) {
	inWorld(t, func(w *world) {
		for range MaxSubscriptions {
			w.subscribe("alice team 600")
			w.Phones["alice"].Want("200 SUBSCRIBE")
			w.take("alice")
		}
		w.subscribe("alice team 600")
		w.Phones["alice"].Want("403 SUBSCRIBE")
		if warning := wire.Header(w.Phones["alice"].Last, "Warning"); !strings.Contains(warning, "too many subscriptions") {
			t.Errorf("Warning: %s", warning)
		}
		w.subscribe("bob team 600")
		w.Phones["bob"].Want("200 SUBSCRIBE")
		w.take("bob")
		w.change("team")
		if got := w.take("alice"); len(got) != MaxSubscriptions {
			t.Errorf("%d NOTIFYs", len(got))
		}
		w.take("bob")
		w.list("alice team") // it takes the place of all of them
		w.Phones["alice"].Want("200 SUBSCRIBE")
		w.take("alice")
		w.live(2)
		w.subscribe("alice team 600")
		w.Phones["alice"].Want("200 SUBSCRIBE")
		w.take("alice")
	})
}

// NOTIFYs go to the device that subscribed.
func TestWhichDevice(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Phone("alice2", "tls gruu")
		w.Phone("carol", "udp guest")
		w.Play(`
			subscribe alice2 team 600
			alice2 gets 200 SUBSCRIBE
			alice2 gets NOTIFY (team 3)
			alice2 200 NOTIFY
			subscribe carol team 600
			carol gets 403 SUBSCRIBE        # she has not registered
			quiet`)

		// By its GRUU, from a connection that has not registered.
		other := w.Phone("alice3", "tls guest")
		other.Contact = w.Phones["alice2"].Contact
		w.Play(`
			subscribe alice3 den 600
			alice3 gets 200 SUBSCRIBE
			alice2 gets NOTIFY (den 1)
			alice2 200 NOTIFY`)

		// By its address and program, from another port.
		bob := w.Phone("bob2", "udp guest")
		bob.Add("Event: conference\nExpires: 600")
		req := bob.New("SUBSCRIBE", "sip:team@example.com", "")
		req.RemoveHeader("User-Agent")
		req.AppendHeader(wire.H("User-Agent", "bob phone"))
		bob.Transmit(req)
		w.Play(`
			bob2 gets 200 SUBSCRIBE
			bob gets NOTIFY (team 3)
			bob 200 NOTIFY`)
	})
}

// A NOTIFY goes where the device is: to its GRUU when it calls itself by that, along
// its path.
func TestTarget(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Phone("alice2", "tls gruu path=<sip:edge.example.com;lr>")
		p := w.Phones["alice2"]
		p.Add("Event: conference\nExpires: 600")
		req := p.New("SUBSCRIBE", "sip:team@example.com", "")
		req.RemoveHeader("From")
		req.AppendHeader(wire.H("From", "\"Alice\" <"+wire.URIString(&p.Contact)+">;tag=alice2"))
		p.Transmit(req)
		w.Play(`
			alice2 gets 200 SUBSCRIBE
			alice2 gets NOTIFY (team 3)
			alice2 200 NOTIFY`)
		w.header("alice2", "To", "<sip:alice@example.com;gr=urn:uuid:alice2>;tag=alice2")
		w.header("alice2", "Route", "<sip:edge.example.com;lr>")
		if uri := p.Got["NOTIFY"].Recipient; wire.URIString(&uri) != "sip:alice@example.com;gr=urn:uuid:alice2" {
			t.Errorf("Request-URI %s", wire.URIString(&uri))
		}
	})
}

// The same request once more makes no second subscription.
func TestSameRequestAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, name := range []string{"alice", "bob"} {
			p := w.Phones[name]
			p.Add("Event: conference\nExpires: 600")
			req := p.New("SUBSCRIBE", "sip:team@example.com", "")
			p.Transmit(req)
			p.Want("200 SUBSCRIBE")
			w.take(name)
			p.Transmit(req)
		}
		w.Phones["alice"].Want("482 SUBSCRIBE")
		w.Phones["bob"].Want("200 SUBSCRIBE") // by the transaction
		w.live(2)
	})
}

func TestEventOf(t *testing.T) {
	for header, want := range map[string]string{
		"conference":                "conference conference",
		" conference ;ID = 4 ; x=1": "conference conference;id=4",
		"conference;x;id=a;id=b":    "conference conference;id=b",
		"":                          " ",
		";id=3":                     " ;id=3",
	} {
		name, event := eventOf(header)
		if got := name + " " + event; got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

// Whatever a SUBSCRIBE has, it is a wish or an answer, and never more than allowed.
func FuzzWish(f *testing.F) {
	f.Add("conference;id=1", "600", "application/resource-lists+xml", "", resourceList("team;Last-Notify=2"))
	f.Add("conference", "0", "application/resource-lists+xml", "deflate", deflate(resourceList("team", "den")))
	f.Add(";;=;", "-1", "", "gzip", "")
	n := New(Config{Packages: []Package{&rooms{}}})
	f.Cleanup(n.Close)
	f.Fuzz(func(t *testing.T, event, expires, kind, encoding, body string) {
		req := wire.NewRequest("SUBSCRIBE", sip.Uri{Scheme: "sip", Host: "example.com"}, []byte(body),
			wire.H("Event", event), wire.H("Expires", expires), wire.H("Content-Type", kind),
			wire.H("Content-Encoding", encoding), wire.H("Require", "recipient-list-subscribe"))
		w, err := n.wish(req)
		if err != nil {
			return
		}
		if w.pkg == nil || w.expires < 0 || w.expires > n.cfg.MaxExpires || w.list == nil || len(w.list) > MaxEntries || len(w.told) > len(w.list) {
			t.Errorf("%+v", w)
		}
		if strings.ContainsAny(w.event, "\r\n") {
			t.Errorf("event %q", w.event)
		}
	})
}

func TestAddressOf(t *testing.T) {
	for address, want := range map[string]string{
		"team@example.com": "sip:team@example.com",
		"a b@example.com":  "sip:a%20b@example.com",
		"example.com":      "sip:example.com",
		"x@y@example.com":  "sip:x%40y@example.com",
	} {
		if got := addressOf(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
		uri, err := wire.ParseURI(addressOf(address))
		if err != nil || wire.AOR(&uri) != address {
			t.Errorf("%s: back to %s, %v", address, wire.AOR(&uri), err)
		}
	}
}

package proxy

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/sip/wire"
)

// inBed runs a test with Alice and Bob on TLS, inside a bubble of fake time.
func inBed(t *testing.T, test func(b *bed, alice, bob *phone)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		test(b, b.phone("alice", "tls"), b.phone("bob", "tls"))
		b.idle()
	})
}

// want checks the next message that a phone gets.
func (p *phone) want(what string) {
	p.bed.t.Helper()
	synctest.Wait()
	if got := p.take(); got != what {
		p.bed.t.Fatalf("%s got %q, want %q", p.name, got, what)
	}
}

func TestForwardedRequest(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		b.targets["bob"][0].Contact.Headers = sip.HeaderParams{{K: "Route", V: "evil"}}
		alice.request("INVITE", "sip:bob@example.com",
			wire.H("X-Kept", "as it was; with=param, and a comma"), wire.H("Subject", "hello"))
		bob.want("INVITE")
		got := bob.got["INVITE"]

		for header, want := range map[string]string{
			"Max-Forwards":        "69",
			"X-Kept":              "as it was; with=param, and a comma",
			"Subject":             "hello",
			"Route":               "",
			"Max-Breadth":         "60",
			"P-Asserted-Identity": "<sip:alice@example.com>",
			"From":                "<sip:alice@example.com>;tag=alice",
		} {
			if v := wire.Header(got, header); v != want {
				t.Errorf("%s is %q, want %q", header, v, want)
			}
		}
		if u := wire.URIString(&got.Recipient); u != "sip:bob@198.51.100.1:40002;transport=tls" {
			t.Errorf("Request-URI %s", u)
		}
		if string(got.Body()) != "v=0\r\n" {
			t.Errorf("body %q", got.Body())
		}

		vias := wire.Values(got, "Via")
		if len(vias) != 2 || !strings.HasPrefix(vias[0], "SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK") {
			t.Errorf("Via %q", vias)
		}
		routes := wire.Values(got, "Record-Route")
		if len(routes) != 2 {
			t.Fatalf("Record-Route %q", routes)
		}
		for i, side := range []*phone{bob, alice} { // RFC 5658: the callee's on top
			na, err := wire.ParseNameAddr(routes[i])
			if err != nil {
				t.Fatal(err)
			}
			tok, ok := b.proxy.tokens.open(na.URI.User, alice.dialog.callID)
			if !ok || tok.flow != side.flow.ID || tok.user != side.user {
				t.Errorf("value %d says %+v %v, want %s's flow", i, tok, ok, side.name)
			}
			if !strings.HasSuffix(routes[i], "@192.0.2.1:5061;transport=tls;lr>") {
				t.Errorf("value %d: %s", i, routes[i])
			}
		}
		b.play("bob 486\n bob gets ACK\n alice gets 486 INVITE\n quiet")
	})
}

func TestTransportsMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		alice, bob := b.phone("alice", "udp"), b.phone("bob", "tls path=<sip:edge.example.net;lr>")
		alice.request("INVITE", "sip:bob@example.com")
		bob.want("INVITE")
		got := bob.got["INVITE"]
		routes := wire.Values(got, "Record-Route")
		if len(routes) != 2 || !strings.HasSuffix(routes[0], ":5061;transport=tls;lr>") || !strings.HasSuffix(routes[1], ":5060;transport=udp;lr>") {
			t.Errorf("Record-Route %q", routes)
		}
		if v := wire.Header(got, "Route"); v != "<sip:edge.example.net;lr>" { // RFC 3327
			t.Errorf("Route %q", v)
		}
		b.play("bob 200\n alice gets 200 INVITE\n alice ACK\n bob gets ACK\n bob BYE")
		alice.want("BYE")
		if via := wire.Values(alice.got["BYE"], "Via"); !strings.HasPrefix(via[0], "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=") {
			t.Errorf("Via %q", via)
		}
		if r := wire.Values(alice.got["BYE"], "Route"); len(r) != 0 {
			t.Errorf("our own Route values were left: %q", r)
		}
		b.play("alice 200 BYE\n bob gets 200 BYE\n quiet")
		b.idle()
	})
}

func TestOurNames(t *testing.T) {
	tests := []struct{ transport, host, via, uri string }{
		{"udp", "192.0.2.1", "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z", "@192.0.2.1:5060;transport=udp;lr>"},
		{"tcp", "2001:db8::1", "SIP/2.0/TCP [2001:db8::1]:5061;branch=z", "@[2001:db8::1]:5061;transport=tcp;lr>"},
		{"tls", "sip.example.com", "SIP/2.0/TLS sip.example.com:5061;branch=z", "@sip.example.com:5061;transport=tls;lr>"},
		{"wss", "192.0.2.1", "SIP/2.0/WSS 192.0.2.1:5061;branch=z", "@192.0.2.1:5061;transport=ws;lr>"},
	}
	for _, tt := range tests {
		b := newBed(t)
		b.host = tt.host
		f := b.phone("alice", tt.transport).flow
		if got := b.proxy.via(f, []byte("z")); got != tt.via {
			t.Errorf("Via %s, want %s", got, tt.via)
		}
		if got := b.proxy.recordRoute(f, 1, "c"); !strings.HasSuffix(got, tt.uri) {
			t.Errorf("Record-Route %s, want …%s", got, tt.uri)
		}
	}
}

// A user's claims about identity do not reach another user (sip.md S3).
func TestSpoofedHeaders(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		spoofed := []string{"P-Asserted-Identity", "p-asserted-identity", "P-Preferred-Identity", "Remote-Party-ID",
			"P-Charging-Vector", "P-Charging-Function-Addresses", "History-Info", "Diversion"}
		hs := []sip.Header{
			wire.H("Identity", "kept;info=<https://x>"), wire.H("Privacy", "header; ID;critical"),
			wire.H("Proxy-Authorization", `Digest username="alice", realm="example.com", response="0"`),
			wire.H("Authorization", `Digest  realm = "EXAMPLE.com", username="alice", response="0"`),
			wire.H("Authorization", `Digest realm="elsewhere.net", username="alice", response="0"`),
		}
		for _, name := range spoofed {
			hs = append(hs, wire.H(name, "<sip:boss@example.com>"))
		}
		alice.request("INVITE", "sip:bob@example.com", hs...)
		bob.want("INVITE")
		got := bob.got["INVITE"]
		for _, name := range spoofed { // Privacy: id, so not even ours
			if v := wire.Header(got, name); v != "" {
				t.Errorf("%s: %s", name, v)
			}
		}
		if wire.Header(got, "Identity") == "" {
			t.Error("Identity is lost")
		}
		if v := wire.Header(got, "Proxy-Authorization"); v != "" {
			t.Errorf("Proxy-Authorization: %s", v)
		}
		if v := wire.Values(got, "Authorization"); len(v) != 1 || !strings.Contains(v[0], "elsewhere.net") {
			t.Errorf("Authorization: %q", v)
		}
		b.play("bob 200\n alice gets 200 INVITE")
		alice.inDialog("UPDATE", hs...)
		bob.want("UPDATE")
		if v := wire.Header(bob.got["UPDATE"], "Diversion"); v != "" {
			t.Errorf("inside the dialog: Diversion: %s", v)
		}
		b.play("bob 200 UPDATE\n alice gets 200 UPDATE")
	})
}

// A device cannot ask the caller for an answer to a challenge of ours, nor
// assert who it is.
func TestResponsesAreCleaned(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		alice.request("INVITE", "sip:bob@example.com")
		bob.want("INVITE")
		bob.respond(407, "INVITE",
			wire.H("Proxy-Authenticate", `Digest realm="example.com", nonce="x"`),
			wire.H("WWW-Authenticate", `Digest nonce="x", realm="bob's own"`),
			wire.H("P-Asserted-Identity", "<sip:boss@example.com>"))
		synctest.Wait()
		res := alice.next().(*sip.Response)
		if v := wire.Header(res, "Proxy-Authenticate") + wire.Header(res, "P-Asserted-Identity"); v != "" {
			t.Errorf("got %s", v)
		}
		if wire.Header(res, "WWW-Authenticate") == "" {
			t.Error("a foreign challenge is lost")
		}
	})
}

// RFC 3261 §16.7 step 7.
func TestChallengesAreCollected(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		bob2 := b.phone("bob2", "tls")
		alice.request("INVITE", "sip:bob@example.com")
		bob.want("INVITE")
		bob2.want("INVITE")
		bob.respond(401, "INVITE", wire.H("WWW-Authenticate", `Digest realm="one", nonce="x"`))
		bob2.respond(407, "INVITE", wire.H("Proxy-Authenticate", `Digest realm="two", nonce="y"`))
		synctest.Wait()
		res := alice.next().(*sip.Response)
		if res.StatusCode != 401 || wire.Header(res, "WWW-Authenticate") == "" || wire.Header(res, "Proxy-Authenticate") == "" {
			t.Errorf("got %d without all challenges:\n%s", res.StatusCode, wire.Append(nil, res))
		}
	})
}

func TestCancelSaysWhy(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		b.phone("bob2", "tls")
		b.play(`
			alice INVITE bob
			bob gets INVITE
			bob2 gets INVITE
			bob 180
			alice gets 180 INVITE
			bob2 200
			alice gets 200 INVITE
			bob gets CANCEL`)
		if v := wire.Header(bob.got["CANCEL"], "Reason"); v != `SIP;cause=200;text="Call completed elsewhere"` {
			t.Errorf("Reason: %q", v)
		}
		b.play("bob 200 CANCEL\n bob 487\n bob gets ACK")
	})
}

func TestLoop(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		carol := b.phone("carol", "tls")
		alice.request("INVITE", "sip:bob@example.com")
		bob.want("INVITE")
		// Bob's device forwards to Carol: a spiral, which is allowed.
		bounce(bob, "sip:carol@example.com")
		carol.want("INVITE")
		// Carol's forwards to Bob: the same request was here before.
		bounce(carol, "sip:bob@example.com")
		carol.want("482 INVITE")
		if n := testutil.ToFloat64(b.proxy.metrics.refused[loopFound]); n != 1 {
			t.Errorf("%v loops counted", n)
		}
	})
}

// bounce sends the INVITE that a phone got on to somebody, as a device that
// forwards does. The harness's Via stays, so the answer is the phone's.
func bounce(p *phone, to string) {
	uri, _ := wire.ParseURI(to)
	on := wire.Forward(p.got["INVITE"], wire.Edit{URI: &uri, Via: p.via(wire.NewBranch()).Value()})
	on.RemoveHeader("From") // the chain lets a user speak in his own name only
	on.AppendHeader(wire.H("From", "<sip:"+p.account+"@example.com>;tag=alice"))
	p.sent = on
	p.transmit(on)
}

func TestMaxBreadth(t *testing.T) {
	tests := []struct {
		given string
		want  string
	}{
		{"", "30"}, {"9", "4"}, {"2", "1"}, {"999", "30"},
		{"1", "440 INVITE"}, {"0", "440 INVITE"}, {"x", "440 INVITE"}, {"-1", "440 INVITE"},
	}
	for _, tt := range tests {
		t.Run(tt.given, func(t *testing.T) {
			inBed(t, func(b *bed, alice, bob *phone) {
				bob2 := b.phone("bob2", "tls")
				var hs []sip.Header
				if tt.given != "" {
					hs = append(hs, wire.H("Max-Breadth", tt.given))
				}
				alice.request("INVITE", "sip:bob@example.com", hs...)
				synctest.Wait()
				if strings.HasPrefix(tt.want, "440") {
					alice.want(tt.want)
					b.quiet("after 440")
					return
				}
				for _, p := range []*phone{bob, bob2} {
					p.want("INVITE")
					if got := wire.Values(p.got["INVITE"], "Max-Breadth"); !slices.Equal(got, []string{tt.want}) {
						t.Errorf("%s got Max-Breadth %q, want %s", p.name, got, tt.want)
					}
				}
				alice.cancel()
			})
		})
	}
}

package proxy

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/wire"
)

func TestForwardedRequest(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		b.Targets["bob"][0].Contact.Headers = sip.HeaderParams{{K: "Route", V: "evil"}}
		alice.Add("X-Kept: as it was; with=param, and a comma\nSubject: hello")
		alice.Request("INVITE", "sip:bob@example.com", "v=0\r\n")
		bob.Want("INVITE (v=0\r\n)")
		got := bob.Got["INVITE"]

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

		vias := wire.Values(got, "Via")
		if len(vias) != 2 || !strings.HasPrefix(vias[0], "SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK") {
			t.Errorf("Via %q", vias)
		}
		routes := wire.Values(got, "Record-Route")
		if len(routes) != 2 {
			t.Fatalf("Record-Route %q", routes)
		}
		for i, side := range []*siptest.Phone{bob, alice} { // RFC 5658: the callee's on top
			na, err := wire.ParseNameAddr(routes[i])
			if err != nil {
				t.Fatal(err)
			}
			tok, ok := b.proxy.tokens.open(na.URI.User, alice.Dialog.CallID)
			if !ok || tok.flow != side.Flow.ID || tok.user != side.User {
				t.Errorf("value %d says %+v %v, want %s's flow", i, tok, ok, side.Name)
			}
			if !strings.HasSuffix(routes[i], "@192.0.2.1:5061;transport=tls;lr>") {
				t.Errorf("value %d: %s", i, routes[i])
			}
		}
		b.Play("bob 486\n bob gets ACK\n alice gets 486 INVITE\n quiet")
	})
}

func TestTransportsMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		alice, bob := b.Phone("alice", "udp"), b.Phone("bob", "tls path=<sip:edge.example.net;lr>")
		b.Play("alice INVITE bob\n bob gets INVITE")
		got := bob.Got["INVITE"]
		routes := wire.Values(got, "Record-Route")
		if len(routes) != 2 || !strings.HasSuffix(routes[0], ":5061;transport=tls;lr>") || !strings.HasSuffix(routes[1], ":5060;transport=udp;lr>") {
			t.Errorf("Record-Route %q", routes)
		}
		if v := wire.Header(got, "Route"); v != "<sip:edge.example.net;lr>" { // RFC 3327
			t.Errorf("Route %q", v)
		}
		b.Play("bob 200\n alice gets 200 INVITE\n alice ACK\n bob gets ACK\n bob BYE")
		alice.Want("BYE")
		if via := wire.Values(alice.Got["BYE"], "Via"); !strings.HasPrefix(via[0], "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=") {
			t.Errorf("Via %q", via)
		}
		if r := wire.Values(alice.Got["BYE"], "Route"); len(r) != 0 {
			t.Errorf("our own Route values were left: %q", r)
		}
		b.Play("alice 200 BYE\n bob gets 200 BYE\n quiet")
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
		b.Host = tt.host
		f := b.Phone("alice", tt.transport).Flow
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
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		spoofed := []string{"P-Asserted-Identity", "p-asserted-identity", "P-Preferred-Identity", "Remote-Party-ID",
			"P-Charging-Vector", "P-Charging-Function-Addresses", "History-Info", "Diversion"}
		lines := `Identity: kept;info=<https://x>
Privacy: header; ID;critical
Proxy-Authorization: Digest username="alice", realm="example.com", response="0"
Authorization: Digest  realm = "EXAMPLE.com", username="alice", response="0"
Authorization: Digest realm="elsewhere.net", username="alice", response="0"`
		for _, name := range spoofed {
			lines += "\n" + name + ": <sip:boss@example.com>"
		}
		alice.Add(lines)
		b.Play("alice INVITE bob\n bob gets INVITE")
		got := bob.Got["INVITE"]
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
		b.Play("bob 200\n alice gets 200 INVITE")
		alice.Add(lines)
		alice.InDialog("UPDATE", "")
		bob.Want("UPDATE")
		if v := wire.Header(bob.Got["UPDATE"], "Diversion"); v != "" {
			t.Errorf("inside the dialog: Diversion: %s", v)
		}
		b.Play("bob 200 UPDATE\n alice gets 200 UPDATE")
	})
}

// A device cannot ask the caller for an answer to a challenge of ours, nor
// assert who it is.
func TestResponsesAreCleaned(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		b.Play("alice INVITE bob\n bob gets INVITE")
		bob.Add(`Proxy-Authenticate: Digest realm="example.com", nonce="x"
WWW-Authenticate: Digest nonce="x", realm="bob's own"
P-Asserted-Identity: <sip:boss@example.com>`)
		bob.Respond(407, "INVITE", "")
		synctest.Wait()
		res := alice.Next().(*sip.Response)
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
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		bob2 := b.Phone("bob2", "tls")
		b.Play("alice INVITE bob\n bob gets INVITE")
		bob2.Want("INVITE")
		bob.Add(`WWW-Authenticate: Digest realm="one", nonce="x"`)
		bob.Respond(401, "INVITE", "")
		bob2.Add(`Proxy-Authenticate: Digest realm="two", nonce="y"`)
		bob2.Respond(407, "INVITE", "")
		synctest.Wait()
		res := alice.Next().(*sip.Response)
		if res.StatusCode != 401 || wire.Header(res, "WWW-Authenticate") == "" || wire.Header(res, "Proxy-Authenticate") == "" {
			t.Errorf("got %d without all challenges:\n%s", res.StatusCode, wire.Append(nil, res))
		}
	})
}

func TestCancelSaysWhy(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		b.Phone("bob2", "tls")
		b.Play(`
			alice INVITE bob
			bob gets INVITE
			bob2 gets INVITE
			bob 180
			alice gets 180 INVITE
			bob2 200
			alice gets 200 INVITE
			bob gets CANCEL`)
		if v := wire.Header(bob.Got["CANCEL"], "Reason"); v != `SIP;cause=200;text="Call completed elsewhere"` {
			t.Errorf("Reason: %q", v)
		}
		b.Play("bob 200 CANCEL\n bob 487\n bob gets ACK")
	})
}

func TestLoop(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		carol := b.Phone("carol", "tls")
		b.Play("alice INVITE bob\n bob gets INVITE")
		// Bob's device forwards to Carol: a spiral, which is allowed.
		bounce(bob, "sip:carol@example.com")
		carol.Want("INVITE")
		// Carol's forwards to Bob: the same request was here before.
		bounce(carol, "sip:bob@example.com")
		carol.Want("482 INVITE")
		if n := testutil.ToFloat64(b.proxy.metrics.refused[loopFound]); n != 1 {
			t.Errorf("%v loops counted", n)
		}
	})
}

// bounce sends the INVITE that a phone got on to somebody, as a device that
// forwards does. The harness's Via stays, so the answer is the phone's.
func bounce(p *siptest.Phone, to string) {
	uri, _ := wire.ParseURI(to)
	on := wire.Forward(p.Got["INVITE"], wire.Edit{URI: &uri, Via: p.Via()})
	on.RemoveHeader("From") // the chain lets a user speak in his own name only
	on.AppendHeader(wire.H("From", "<sip:"+p.Account+"@example.com>;tag=alice"))
	p.Sent = on
	p.Transmit(on)
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
			inBed(t, func(b *bed, alice, bob *siptest.Phone) {
				bob2 := b.Phone("bob2", "tls")
				if tt.given != "" {
					alice.Add("Max-Breadth: " + tt.given)
				}
				alice.Request("INVITE", "sip:bob@example.com", "")
				synctest.Wait()
				if strings.HasPrefix(tt.want, "440") {
					alice.Want(tt.want)
					b.Quiet("after 440")
					return
				}
				for _, p := range []*siptest.Phone{bob, bob2} {
					p.Want("INVITE")
					if got := wire.Values(p.Got["INVITE"], "Max-Breadth"); !slices.Equal(got, []string{tt.want}) {
						t.Errorf("%s got Max-Breadth %q, want %s", p.Name, got, tt.want)
					}
				}
				alice.Cancel()
			})
		})
	}
}

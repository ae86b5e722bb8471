package proxy

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sparkleim/sparkle/sip/wire"
)

const aCall = `
	alice INVITE bob
	bob gets INVITE
	bob 200
	alice gets 200 INVITE
	alice ACK
	bob gets ACK`

func TestTokenIsNeeded(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		b.play(aCall)
		mine := alice.dialog.routes

		t.Log("a changed token")
		alice.dialog.routes = []string{mine[0][:8] + "BBBB" + mine[0][12:], mine[1]}
		b.play("alice UPDATE\n alice gets 403 UPDATE\n alice ACK\n quiet")

		t.Log("a token of another Call-ID")
		callID := alice.dialog.callID
		alice.dialog.routes, alice.dialog.callID = mine, "another-call"
		b.play("alice UPDATE\n alice gets 403 UPDATE\n alice ACK\n quiet")
		alice.dialog.callID = callID

		t.Log("a right first token before a changed one")
		alice.dialog.routes = []string{mine[0], strings.Replace(mine[1], "sip:", "sip:AAAA", 1)}
		b.play("alice UPDATE\n alice gets 403 UPDATE\n alice ACK\n quiet")

		t.Log("no token: authenticated, and only to where a device registered")
		alice.dialog.routes = nil
		b.play("alice UPDATE\n bob gets UPDATE\n bob 200 UPDATE\n alice gets 200 UPDATE\n alice ACK\n quiet")
		for _, target := range []string{"sip:bob@127.0.0.1:5060", "sip:169.254.169.254", "sip:x@[::1]:22", "sip:example.net"} {
			alice.dialog.target, _ = wire.ParseURI(target)
			b.play("alice UPDATE\n alice gets 404 UPDATE\n quiet") // sip.md S16
		}
	})
}

// A token opens its own dialog's other side, and no other device.
func TestTokenReachesOnlyTheOtherSide(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		carol := b.phone("carol", "tls gruu")
		b.play(aCall)
		b.hangUp(bob)
		for _, u := range []string{wire.URIString(&carol.contact), "sip:carol@198.51.100.1:40003;transport=tls", "sip:127.0.0.1"} {
			alice.dialog.target, _ = wire.ParseURI(u)
			b.play("alice UPDATE\n alice gets 430 UPDATE\n alice ACK\n quiet")
		}
	})
}

func TestFlowIsGone(t *testing.T) {
	for _, how := range []string{"tls", "tls gruu", "udp", "udp gruu"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				alice := b.phone("alice", "tls")
				b.phone("bob", how)
				b.play(aCall + `
					bob reconnects
					alice UPDATE
					bob gets UPDATE
					bob 200 UPDATE
					alice gets 200 UPDATE
					alice ACK
					bob gets ACK
					bob UPDATE
					alice gets UPDATE
					alice 200 UPDATE
					bob gets 200 UPDATE
					quiet`)
				if strings.HasPrefix(how, "tls") {
					b.play(`
						bob hangs up
						alice BYE
						alice gets 430 BYE
						alice ACK
						quiet`)
				}
				if how == "tls gruu" {
					if u := wire.URIString(&alice.dialog.target); !strings.Contains(u, ";gr=") {
						t.Errorf("the dialog's target is %s, not a GRUU", u)
					}
				}
				b.idle()
			})
		})
	}
}

// RFC 5627 §5.1: a GRUU becomes the Contact of its device, also inside dialogs.
func TestGRUUInDialog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.phone("alice", "tls gruu")
		bob := b.phone("bob", "tls gruu")
		b.phone("bob2", "tls gruu")
		b.play(`
			alice INVITE bob
			bob gets INVITE
			bob2 gets INVITE
			bob 200
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			alice BYE
			bob gets BYE
			bob 200 BYE
			alice gets 200 BYE
			bob2 480
			bob2 gets ACK
			quiet`)
		for _, method := range []string{"ACK", "BYE"} {
			if u := wire.URIString(&bob.got[method].Recipient); u != "sip:bob@198.51.100.1:40002;transport=tls" {
				t.Errorf("%s for %s", method, u)
			}
		}
		b.idle()
	})
}

func TestGRUUOutsideDialogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		alice, bob2 := b.phone("alice", "tls"), b.phone("bob2", "tls gruu")
		b.phone("bob", "tls gruu")
		alice.request("INFO", "sip:bob@example.com;gr=urn:uuid:bob2")
		bob2.want("INFO")
		b.play("bob2 200 INFO\n alice gets 200 INFO\n quiet")
		b.idle()
	})
}

// RFC 3261 §16.4: a strict router puts our Record-Route value into the
// Request-URI and the target at the end of the Route.
func TestStrictRouter(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		b.play(aCall)
		d := &alice.dialog
		mine, target := d.routes, d.target
		first, err := wire.ParseNameAddr(mine[0])
		if err != nil {
			t.Fatal(err)
		}
		d.target, d.routes = first.URI, []string{mine[1], "<" + wire.URIString(&target) + ">"}
		b.play("alice BYE\n bob gets BYE\n bob 200 BYE\n alice gets 200 BYE\n quiet")
		if u := wire.URIString(&bob.got["BYE"].Recipient); u != wire.URIString(&target) {
			t.Errorf("Request-URI %s", u)
		}
	})
}

// What belongs to nothing makes nothing (sip.md C22).
func TestUnmatched(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		alice.request("ACK", "sip:bob@example.com")
		b.play("quiet")
		alice.request("CANCEL", "sip:bob@example.com")
		b.play("alice gets 481 CANCEL\n quiet")
		alice.dialog.remote += ";tag=bob"
		alice.dialog.target = bob.contact
		b.play("alice ACK\n quiet")
	})
}

// sip.md C18: nobody routes a new request where he likes.
func TestPreloadedRoute(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		alice.request("INVITE", "sip:bob@example.com", wire.H("Route", "<sip:192.0.2.1:5061;transport=tls;lr>"))
		bob.want("INVITE")
		if v := wire.Header(bob.got["INVITE"], "Route"); v != "" {
			t.Errorf("Route %s", v)
		}
		b.play("bob 486\n bob gets ACK\n alice gets 486 INVITE")
		alice.request("INVITE", "sip:bob@example.com", wire.H("Route", "<sip:198.51.100.200;lr>"))
		b.play("alice gets 403 INVITE\n quiet")
	})
}

// What is behind us in the route set of a dialog stays in it.
func TestRouteBehindUs(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		b.play(aCall)
		alice.dialog.routes = append(alice.dialog.routes, "<sip:edge.example.net;lr>", "<sip:192.0.2.1;lr>")
		b.play("alice ACK\n bob gets ACK\n alice BYE\n bob gets BYE\n bob 200 BYE\n alice gets 200 BYE")
		for _, method := range []string{"ACK", "BYE"} {
			if r := wire.Values(bob.got[method], "Route"); len(r) != 2 || r[0] != "<sip:edge.example.net;lr>" {
				t.Errorf("%s with Route %q", method, r)
			}
		}
	})
}

// RFC 3327 §5.2, inside a dialog too, when the device came back another way.
func TestPathOfNewFlow(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		b.play(aCall)
		b.reconnect(bob)
		bob = b.phones["bob"]
		b.targets["bob"][0].Path = []string{"<sip:edge.example.net;lr>"}
		b.play("alice BYE\n bob gets BYE\n bob 200 BYE\n alice gets 200 BYE")
		if r := wire.Header(bob.got["BYE"], "Route"); r != "<sip:edge.example.net;lr>" {
			t.Errorf("Route %q", r)
		}
	})
}

// A NOTIFY may make the dialog before the 200 does (RFC 6665 §4.4.1).
func TestNotifyIsRecordRouted(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		b.play(aCall + "\n bob NOTIFY\n alice gets NOTIFY\n alice 200 NOTIFY\n bob gets 200 NOTIFY")
		if n := len(wire.Values(alice.got["NOTIFY"], "Record-Route")); n != 2 {
			t.Errorf("%d Record-Route values", n)
		}
	})
}

// Whoever registers somebody's address as his Contact does not get the calls.
func TestContactIsNotAnAddress(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		carol := b.phone("carol", "tls")
		b.targets["carol"][0].Contact, _ = wire.ParseURI("sip:bob@example.com")
		alice.request("INFO", "sip:bob@example.com")
		bob.want("INFO")
		b.play("bob 200 INFO\n alice gets 200 INFO\n quiet")
		if m := carol.next(); m != nil {
			t.Error("carol got it")
		}
	})
}

// Devices on this computer have its address in their Contact.
func TestContactAtOurAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(c *Config) { c.Domains = append(c.Domains, "192.0.2.1") })
		alice, bob := b.phone("alice", "tls"), b.phone("bob", "tls")
		b.phone("bob2", "tls")
		b.targets["bob"][0].Contact, _ = wire.ParseURI("sip:bob@192.0.2.1:41575;transport=tls")
		alice.request("INFO", "sip:bob@192.0.2.1:41575;transport=tls")
		bob.want("INFO")
		b.play("bob 200 INFO\n alice gets 200 INFO\n quiet")
		b.idle()
	})
}

func TestTelephoneNumber(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *phone) {
		b.targets["+861012345678"] = b.targets["bob"]
		alice.request("INVITE", "tel:+86-10-1234.5678;phone-context=x")
		bob.want("INVITE")
		b.play("bob 486\n bob gets ACK\n alice gets 486 INVITE\n quiet")
	})
}

func TestSecureURI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		alice, bob2 := b.phone("alice", "tls"), b.phone("bob2", "tls")
		b.phone("bob", "udp")
		alice.request("INFO", "sips:bob@example.com")
		bob2.want("INFO")
		b.play("bob2 200 INFO\n alice gets 200 INFO\n quiet")
		b.idle()
	})
}

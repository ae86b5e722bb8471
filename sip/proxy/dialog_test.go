package proxy

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sparkleim/sparkle/sip/siptest"
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
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		b.Play(aCall)
		mine := alice.Dialog.Routes

		t.Log("a changed token")
		alice.Dialog.Routes = []string{mine[0][:8] + "BBBB" + mine[0][12:], mine[1]}
		b.Play("alice UPDATE\n alice gets 403 UPDATE\n alice ACK\n quiet")

		t.Log("a token of another Call-ID")
		callID := alice.Dialog.CallID
		alice.Dialog.Routes, alice.Dialog.CallID = mine, "another-call"
		b.Play("alice UPDATE\n alice gets 403 UPDATE\n alice ACK\n quiet")
		alice.Dialog.CallID = callID

		t.Log("a right first token before a changed one")
		alice.Dialog.Routes = []string{mine[0], strings.Replace(mine[1], "sip:", "sip:AAAA", 1)}
		b.Play("alice UPDATE\n alice gets 403 UPDATE\n alice ACK\n quiet")

		t.Log("no token: authenticated, and only to where a device registered")
		alice.Dialog.Routes = nil
		b.Play("alice UPDATE > bob 200\n alice ACK\n quiet")
		for _, target := range []string{"sip:bob@127.0.0.1:5060", "sip:169.254.169.254", "sip:x@[::1]:22", "sip:example.net"} {
			alice.Dialog.Target, _ = wire.ParseURI(target)
			b.Play("alice UPDATE\n alice gets 404 UPDATE\n quiet") // sip.md S16
		}
	})
}

// A token opens its own dialog's other side, and no other device.
func TestTokenReachesOnlyTheOtherSide(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		carol := b.Phone("carol", "tls gruu")
		b.Play(aCall)
		b.HangUp(bob)
		for _, u := range []string{wire.URIString(&carol.Contact), "sip:carol@198.51.100.1:40003;transport=tls", "sip:127.0.0.1"} {
			alice.Dialog.Target, _ = wire.ParseURI(u)
			b.Play("alice UPDATE\n alice gets 430 UPDATE\n alice ACK\n quiet")
		}
	})
}

func TestFlowIsGone(t *testing.T) {
	for _, how := range []string{"tls", "tls gruu", "udp", "udp gruu"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				alice := b.Phone("alice", "tls")
				b.Phone("bob", how)
				b.Play(aCall + `
					bob reconnects
					alice UPDATE > bob 200
					alice ACK
					bob gets ACK
					bob UPDATE > alice 200
					quiet`)
				if strings.HasPrefix(how, "tls") {
					b.Play(`
						bob hangs up
						alice BYE
						alice gets 430 BYE
						alice ACK
						quiet`)
				}
				if how == "tls gruu" {
					if u := wire.URIString(&alice.Dialog.Target); !strings.Contains(u, ";gr=") {
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
		b.Phone("alice", "tls gruu")
		bob := b.Phone("bob", "tls gruu")
		b.Phone("bob2", "tls gruu")
		b.Play(`
			alice INVITE bob
			bob gets INVITE
			bob2 gets INVITE
			bob 200
			alice gets 200 INVITE
			alice ACK
			bob gets ACK
			alice BYE > bob 200
			bob2 480
			bob2 gets ACK
			quiet`)
		for _, method := range []string{"ACK", "BYE"} {
			if u := wire.URIString(&bob.Got[method].Recipient); u != "sip:bob@198.51.100.1:40002;transport=tls" {
				t.Errorf("%s for %s", method, u)
			}
		}
		b.idle()
	})
}

func TestGRUUOutsideDialogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		alice, bob2 := b.Phone("alice", "tls"), b.Phone("bob2", "tls gruu")
		b.Phone("bob", "tls gruu")
		alice.Request("INFO", "sip:bob@example.com;gr=urn:uuid:bob2", "")
		bob2.Want("INFO")
		b.Play("bob2 200 INFO\n alice gets 200 INFO\n quiet")
		b.idle()
	})
}

// RFC 3261 §16.4: a strict router puts our Record-Route value into the
// Request-URI and the target at the end of the Route.
func TestStrictRouter(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		b.Play(aCall)
		d := &alice.Dialog
		mine, target := d.Routes, d.Target
		first, err := wire.ParseNameAddr(mine[0])
		if err != nil {
			t.Fatal(err)
		}
		d.Target, d.Routes = first.URI, []string{mine[1], "<" + wire.URIString(&target) + ">"}
		b.Play("alice BYE > bob 200\n quiet")
		if u := wire.URIString(&bob.Got["BYE"].Recipient); u != wire.URIString(&target) {
			t.Errorf("Request-URI %s", u)
		}
	})
}

// What belongs to nothing makes nothing (sip.md C22).
func TestUnmatched(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		alice.Request("ACK", "sip:bob@example.com", "")
		b.Play("quiet")
		alice.Request("CANCEL", "sip:bob@example.com", "")
		b.Play("alice gets 481 CANCEL\n quiet")
		alice.Dialog.Remote += ";tag=bob"
		alice.Dialog.Target = bob.Contact
		b.Play("alice ACK\n quiet")
	})
}

// sip.md C18: nobody routes a new request where he likes.
func TestPreloadedRoute(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		alice.Add("Route: <sip:192.0.2.1:5061;transport=tls;lr>")
		b.Play("alice INVITE bob\n bob gets INVITE")
		if v := wire.Header(bob.Got["INVITE"], "Route"); v != "" {
			t.Errorf("Route %s", v)
		}
		b.Play("bob 486\n bob gets ACK\n alice gets 486 INVITE")
		alice.Add("Route: <sip:198.51.100.200;lr>")
		alice.Request("INVITE", "sip:bob@example.com", "")
		b.Play("alice gets 403 INVITE\n quiet")
	})
}

// What is behind us in the route set of a dialog stays in it.
func TestRouteBehindUs(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		b.Play(aCall)
		alice.Dialog.Routes = append(alice.Dialog.Routes, "<sip:edge.example.net;lr>", "<sip:192.0.2.1;lr>")
		b.Play("alice ACK\n bob gets ACK\n alice BYE > bob 200")
		for _, method := range []string{"ACK", "BYE"} {
			if r := wire.Values(bob.Got[method], "Route"); len(r) != 2 || r[0] != "<sip:edge.example.net;lr>" {
				t.Errorf("%s with Route %q", method, r)
			}
		}
	})
}

// RFC 3327 §5.2, inside a dialog too, when the device came back another way.
func TestPathOfNewFlow(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		b.Play(aCall)
		bob = b.Reconnect(bob)
		b.Targets["bob"][0].Path = []string{"<sip:edge.example.net;lr>"}
		b.Play("alice BYE > bob 200")
		if r := wire.Header(bob.Got["BYE"], "Route"); r != "<sip:edge.example.net;lr>" {
			t.Errorf("Route %q", r)
		}
	})
}

// A NOTIFY may make the dialog before the 200 does (RFC 6665 §4.4.1).
func TestNotifyIsRecordRouted(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		b.Play(aCall + "\n bob NOTIFY > alice 200")
		if n := len(wire.Values(alice.Got["NOTIFY"], "Record-Route")); n != 2 {
			t.Errorf("%d Record-Route values", n)
		}
	})
}

// Whoever registers somebody's address as his Contact does not get the calls.
func TestContactIsNotAnAddress(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		carol := b.Phone("carol", "tls")
		b.Targets["carol"][0].Contact, _ = wire.ParseURI("sip:bob@example.com")
		b.Play("alice INFO bob\n bob gets INFO")
		b.Play("bob 200 INFO\n alice gets 200 INFO\n quiet")
		if m := carol.Next(); m != nil {
			t.Error("carol got it")
		}
	})
}

// Devices on this computer have its address in their Contact.
func TestContactAtOurAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(c *Config) { c.Domains = append(c.Domains, "192.0.2.1") })
		alice, bob := b.Phone("alice", "tls"), b.Phone("bob", "tls")
		b.Phone("bob2", "tls")
		b.Targets["bob"][0].Contact, _ = wire.ParseURI("sip:bob@192.0.2.1:41575;transport=tls")
		alice.Request("INFO", "sip:bob@192.0.2.1:41575;transport=tls", "")
		bob.Want("INFO")
		b.Play("bob 200 INFO\n alice gets 200 INFO\n quiet")
		b.idle()
	})
}

func TestTelephoneNumber(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		b.Targets["+861012345678"] = b.Targets["bob"]
		alice.Request("INVITE", "tel:+86-10-1234.5678;phone-context=x", "")
		bob.Want("INVITE")
		b.Play("bob 486\n bob gets ACK\n alice gets 486 INVITE\n quiet")
	})
}

func TestSecureURI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		alice, bob2 := b.Phone("alice", "tls"), b.Phone("bob2", "tls")
		b.Phone("bob", "udp")
		alice.Request("INFO", "sips:bob@example.com", "")
		bob2.Want("INFO")
		b.Play("bob2 200 INFO\n alice gets 200 INFO\n quiet")
		b.idle()
	})
}

package focus

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sparkleim/sparkle/sip/wire"
)

func TestParseReferTo(t *testing.T) {
	for in, want := range map[string]string{
		"<sip:bob@example.com>;text":                   "add bob@example.com",
		"sip:bob@example.com":                          "add bob@example.com",
		"\"Bob\" <sips:bob@example.com;method=INVITE>": "add bob@example.com",
		"<sip:bob@example.com;gr=urn:uuid:x>;text":     "add bob@example.com",
		"<sip:bob@example.com;method=BYE>;text":        "remove bob@example.com",
		"<sip:bob@example.com;METHOD=bye>":             "remove bob@example.com",
		"<sip:bob@example.com>;text;method=BYE":        "remove bob@example.com",
		"<sip:bob@example.com;method=BYE>;admin=1":     "remove bob@example.com",
		"<sip:bob@example.com>;text;admin=1":           "promote bob@example.com",
		"<sip:bob@example.com>;admin=true":             "promote bob@example.com",
		"<sip:bob@example.com;admin=1>":                "promote bob@example.com",
		"<sip:bob@example.com>;text;admin=0":           "demote bob@example.com",
		"<sip:bob@example.com>;admin=False":            "demote bob@example.com",
		"<sip:bob@example.com?Replaces=x>":             "add bob@example.com",
		"<sip:bob@example.com;method=REFER>":           errReferMethod.Error(),
		"<sip:bob@example.com;method=MESSAGE>":         errReferMethod.Error(),
		"<sip:bob@example.com>;admin=perhaps":          errReferAdmin.Error(),
		"":                                             errReferTo.Error(),
		"*":                                            errReferTo.Error(),
		"<tel:+123>":                                   errReferTo.Error(),
		"<sip:example.com>":                            errReferTo.Error(),
		"<http://example.com/x>":                       errReferTo.Error(),
		"<sip:bob@example.com":                         errReferTo.Error(),
		"<<sip:bob@example.com>>":                      errReferTo.Error(),
	} {
		ref, err := parseReferTo(in)
		got := []string{"add", "remove", "promote", "demote"}[ref.wish] + " " + ref.uri.User + "@" + ref.uri.Host
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzParseReferTo(f *testing.F) {
	f.Add("<sip:bob@example.com;method=BYE>;text;admin=1")
	f.Add("sip:%62ob@[::1];METHOD=%42YE")
	f.Fuzz(func(t *testing.T, in string) {
		ref, err := parseReferTo(in)
		if err != nil {
			return
		}
		if ref.uri.User == "" || ref.uri.Host == "" || len(ref.uri.UriParams)+len(ref.uri.Headers) > 0 {
			t.Fatalf("%+v", ref)
		}
		again, err := parseReferTo("<" + wire.URIString(&ref.uri) + ">")
		if err != nil || !strings.EqualFold(wire.AOR(&again.uri), wire.AOR(&ref.uri)) {
			t.Fatalf("%+v is read as %+v, %v", ref, again, err)
		}
	})
}

// What a REFER may not ask for.
func TestReferRefuses(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		other := w.creates(alice, "Subject: Other", "dave")
		own := w.creates(alice, "Subject: Team", "bob")
		w.Play("invites bob")
		for _, c := range []struct {
			by, to string
			status int
			words  string
		}{
			{"alice", "<" + own + ">", 403, "a group cannot be a member of a group"},
			{"alice", "<" + other + ">", 403, "a group cannot be a member of a group"},
			{"alice", "<" + strings.ToUpper(other[4:5]) + other[5:] + ">", 400, "Refer-To"},
			{"alice", "<sip:conference-factory@example.com>", 403, "a group cannot"},
			{"alice", "<sip:carol@elsewhere.org>", 403, "only people of example.com"},
			{"alice", "<sip:carol@example.com;method=REFER>", 400, "Refer-To may ask"},
			{"alice", "<sip:carol@example.com>, <sip:dave@example.com>", 400, "Refer-To must"},
			{"alice", "nonsense", 400, "Refer-To must"},
			{"alice", "<sip:nobody@example.com>", 404, "no such user"},
			{"alice", "<sip:mallory@example.com>", 404, "no such user"},
			{"alice", "<sip:carol@example.com>;admin=1", 404, "not in the group"},
			{"alice", "<sip:alice@example.com>;admin=0", 403, "Hand the group over first"},
			{"bob", "<sip:alice@example.com;method=BYE>", 403, "Only the owner and administrators"},
			{"bob", "<sip:bob@example.com>;admin=1", 403, "Only the owner and administrators"},
			{"carol", "<sip:dave@example.com>", 404, ""},
			{"carol", "<sip:carol@example.com>", 404, ""},
			{"bob", "<" + other + ">", 404, "no such user"}, // as any address that is nobody's
		} {
			p := w.Phones[c.by]
			p.Add("Refer-To: " + c.to)
			p.Request("REFER", own, "")
			w.refusedWith(p, c.status, c.words)
		}
		alice.Request("REFER", own, "")
		w.refusedWith(alice, 400, "Refer-To")
		if n := w.memory.commits; n != 2 {
			t.Errorf("%d commits", n)
		}
		w.Play("quiet")
		w.Idle()
	})
}

// What is so already is done, and nobody is told of it.
func TestReferChangesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		uri := w.creates(alice, "Subject: Team", "bob")
		w.Play("invites bob")
		room := alice.Dialog
		for _, to := range []string{
			"<sip:bob@example.com>;text", "<sip:carol@example.com;method=BYE>", "<sip:bob@example.com>;admin=0",
			"<sip:alice@example.com>;admin=1",
		} {
			alice.Add("Refer-Sub: false\nRefer-To: " + to)
			alice.Request("REFER", uri, "")
			alice.Want("202 REFER")
			if wire.Header(alice.Last, "Refer-Sub") != "false" {
				t.Error("Refer-Sub is not confirmed")
			}
		}
		if v := w.group().Version; v != 1 {
			t.Errorf("version %d", v)
		}
		// Inside the dialog it is the same.
		alice.Dialog = room
		alice.Add("Refer-To: <sip:carol@example.com>")
		alice.InDialog("REFER", "")
		synctest.Wait()
		alice.Want("202 REFER")
		if wire.Header(alice.Last, "Refer-Sub") != "" {
			t.Error("Refer-Sub without being asked")
		}
		w.Play(`
			invites carol
			quiet`)
		w.Idle()
	})
}

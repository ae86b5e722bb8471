package focus

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// What is asked of the factory, and what comes of it.
func TestCreateRefuses(t *testing.T) {
	many := func(n int) []string {
		names := make([]string, n)
		for i := range names {
			names[i] = "somebody-with-a-name-" + strings.Repeat("x", i%7)
		}
		return names
	}
	plain := func(s string) string { return deflated(s) }
	for name, c := range map[string]struct {
		headers string
		body    string
		status  int
		words   string
	}{
		"nobody else":             {"Subject: X", plain(list("alice")), 488, "somebody else"},
		"nobody whom we know":     {"Subject: X", plain(list("nobody", "eve@elsewhere.org")), 488, "somebody else"},
		"nobody with an account":  {"Subject: X", plain(list("mallory")), 488, "somebody else"},
		"an empty list":           {"Subject: X", plain(list()), 488, "somebody else"},
		"no list":                 {"Subject: X", "", 488, "somebody else"},
		"two with three":          {"One-To-One-Chat-Room: true", plain(list("bob", "carol")), 488, "exactly one"},
		"two with nobody":         {"One-To-One-Chat-Room: true", plain(list("alice")), 488, "somebody else"},
		"encrypted":               {"Subject: X\nEnd-To-End-Encrypted: true", plain(list("bob")), 488, "archive"},
		"a name that is too long": {"Subject: " + strings.Repeat("名", 65), plain(list("bob")), 403, "64"},
		"one more than allowed":   {"Subject: X", plain(list(many(51)...)), 413, "at most 50"},
		"ten thousand":            {"Subject: X", plain(list(many(10_000)...)), 413, "at most 50"},
		"a bomb":                  {"Subject: X", plain(strings.Repeat(" ", 8<<20)), 413, "at most 50"},
		"not compressed":          {"Subject: X", list("bob"), 400, "cannot be read"},
		"a DTD":                   {"Subject: X", plain(`<!DOCTYPE a [<!ENTITY b "bob">]>` + list("bob")), 400, "cannot be read"},
		"another document":        {"Subject: X", plain("<list/>"), 400, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				alice := w.Phones["alice"]
				headers := listHeaders
				if c.body == "" {
					headers = "Require: recipient-list-invite\n"
				}
				alice.Add(headers + c.headers)
				alice.Request("INVITE", "sip:conference-factory@example.com", c.body)
				w.refusedWith(alice, c.status, c.words)
				w.Play("quiet")
				if n := len(w.groups.All()); n != 0 {
					t.Errorf("%d groups were made", n)
				}
				w.Idle()
			})
		})
	}
}

func TestCreateRefusesBodies(t *testing.T) {
	for name, c := range map[string]struct {
		headers string
		status  int
		says    string // a header
		value   string
	}{
		"a call":                {"Content-Type: application/sdp", 488, "Warning", "voice conferences come later"},
		"a call with a list":    {"Content-Type: multipart/mixed;boundary=x", 488, "Warning", "voice conferences come later"},
		"text":                  {"Content-Type: text/plain", 415, "Accept", "application/resource-lists+xml"},
		"an encoding":           {"Content-Type: application/resource-lists+xml\nContent-Encoding: gzip", 415, "Accept-Encoding", "deflate"},
		"an extension of calls": {"Content-Type: application/resource-lists+xml\nRequire: 100rel", 420, "Unsupported", "100rel"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				alice := w.Phones["alice"]
				alice.Add(c.headers)
				alice.Request("INVITE", "sip:conference-factory@example.com", list("bob"))
				w.refusedWith(alice, c.status, "")
				if got := wire.Header(alice.Last, c.says); !strings.Contains(got, c.value) {
					t.Errorf("%s: %q", c.says, got)
				}
				w.Idle()
			})
		})
	}
}

func TestCreateByWhomWeDoNotKnowAsARoomDevice(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Phone("erin", "tls gruu") // shows no rooms
		w.Phone("frank", "tls guest")
		for _, name := range []string{"erin", "frank"} {
			w.asks(w.Phones[name], "Subject: X", "bob")
			w.refusedWith(w.Phones[name], 403, "GRUU")
		}
	})
}

func TestCreatePair(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		first := w.creates(alice, "Subject: dummy\nOne-To-One-Chat-Room: true", "bob")
		w.Play("invites bob")
		if g := w.group(); g.Kind != store.GroupPair || g.Subject != "" {
			t.Errorf("%s %q", g.Kind, g.Subject)
		}
		if header(bob, "INVITE", "One-To-One-Chat-Room") != "true" {
			t.Error("bob is not told that it is a room of two")
		}
		// Who asks for the same two gets the same room; bob is in it already.
		if again := w.creates(bob, "One-To-One-Chat-Room: true", "alice"); again != first {
			t.Errorf("%s, and again %s", first, again)
		}
		w.Play("quiet")
		// One leaves, and it is over for both.
		w.Play(`
			bob BYE
			alice gets BYE
			alice 200 BYE
			bob gets 200 BYE
			quiet`)
		if len(w.memory.rooms) != 0 {
			t.Error(w.memory.rooms)
		}
		w.Idle()
	})
}

func TestCreateDiscussion(t *testing.T) {
	inWorld(t, func(w *world) {
		w.creates(w.Phones["alice"], "", "bob", "carol")
		w.Play(`
			invites bob
			invites carol`)
		if g := w.group(); g.Kind != store.GroupDiscussion {
			t.Error(g.Kind)
		}
		if got := header(w.Phones["bob"], "INVITE", "Subject"); got != "Alice and Carol" {
			t.Errorf("bob sees %q", got)
		}
		if got := header(w.Phones["carol"], "INVITE", "Subject"); got != "Alice and Bob" {
			t.Errorf("carol sees %q", got)
		}
	})
}

// An INVITE that comes again with its Call-ID makes no second group.
func TestCreateAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		uri := w.creates(alice, "Subject: Once", "bob")
		w.Play("invites bob")
		first := alice.Sent
		w.restart(true)
		var hs []sip.Header
		for _, h := range first.Headers() {
			switch h.Name() {
			case "Via":
				h = wire.H("Via", alice.Via())
			case "CSeq":
				h = wire.H("CSeq", "2 INVITE")
			}
			hs = append(hs, h)
		}
		again := wire.NewRequest("INVITE", first.Recipient, first.Body(), hs...)
		alice.Sent = again
		alice.Transmit(again)
		synctest.Wait()
		alice.Want("200 INVITE")
		if got := wire.URIString(&alice.Dialog.Target); got != uri {
			t.Errorf("%s, and again %s", uri, got)
		}
		alice.Dialog.CSeq = 2
		w.Play(`
			alice ACK
			quiet`)
		if n := w.memory.commits; n != 1 {
			t.Errorf("%d commits", n)
		}
	})
}

// Other devices of the one who makes a group get an INVITE as everybody's.
func TestCreateInvitesOtherDevices(t *testing.T) {
	inWorld(t, func(w *world) {
		w.comes("alice2", "tcp")
		w.comes("bob2", "udp")
		w.creates(w.Phones["alice"], "Subject: All", "bob")
		w.Play(`
			invites alice2
			invites bob
			invites bob2
			quiet`)
		if got := header(w.Phones["bob2"], "INVITE", "To"); got != "<sip:bob@example.com;gr=urn:uuid:bob2>" {
			t.Error(got)
		}
		w.Idle()
	})
}

// While the store works nothing is lost, what one user wants is done in its order,
// and the device that makes a group is not invited to it.
func TestCreateWithASlowStore(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		w.memory.slow = 300 * time.Millisecond
		w.asks(alice, "Subject: First", "bob")
		first := alice.Dialog.CallID
		w.asks(alice, "Subject: Second", "bob")
		done := w.registers(alice)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		var order []string
		for m := alice.Next(); m != nil; m = alice.Next() {
			if res := m.(*sip.Response); res.StatusCode != 100 {
				order = append(order, fmt.Sprint(res.StatusCode, " ", wire.Header(m, "Call-ID") == first))
			}
		}
		if got := strings.Join(order, ", "); got != "200 true, 200 false" {
			t.Errorf("alice got %s", got)
		}
		w.Play(`
			invites bob
			invites bob
			quiet`)
		if !done.Load() {
			t.Error("the registration is not answered for")
		}
	})
}

func TestCreateWhenTheStoreFails(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		w.memory.fail = store.ErrUnavailable
		w.asks(alice, "Subject: X", "bob")
		w.refusedWith(alice, 503, "try again")
		w.memory.fail = store.ErrUnknown
		w.asks(alice, "Subject: X", "bob")
		w.refusedWith(alice, 500, "unknown")
		w.focus.Close()
		w.asks(alice, "Subject: X", "bob")
		w.refusedWith(alice, 503, "going down")
		w.Play("quiet")
	})
}

// The end does not wait for a slow store: what has begun is answered when it is done,
// what waits behind it is refused.
func TestCloseWithRequestsWaiting(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		w.memory.slow = 10 * time.Second
		for range 4 {
			w.asks(alice, "Subject: X", "bob")
		}
		begin := time.Now()
		w.focus.Close()
		if took := time.Since(begin); took > 0 {
			t.Errorf("closing took %v", took)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		var got []string
		for m := alice.Next(); m != nil; m = alice.Next() {
			if res := m.(*sip.Response); res.StatusCode != 100 {
				got = append(got, fmt.Sprint(res.StatusCode))
			}
		}
		if want := "200 503 503 503"; strings.Join(got, " ") != want {
			t.Errorf("answered %v, want %s", got, want)
		}
		w.Idle()
	})
}

// A 200 over UDP comes again until it is acknowledged (RFC 3261 §13.3.1.4).
func TestAnswerIsRepeatedOverUDP(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.comes("alice7", "udp")
		w.asks(alice, "Subject: Lossy", "dave")
		w.Play(`
			invites alice
			alice7 gets 200 INVITE
			wait 400ms
			quiet
			wait 100ms
			alice7 gets 200 INVITE
			wait 1s
			alice7 gets 200 INVITE
			alice7 ACK
			wait 10s
			quiet`)
		if w.standing(alice) != Inside {
			t.Error("not in the room")
		}
		w.asks(alice, "Subject: Lost", "dave")
		w.Play("invites alice")
		time.Sleep(time.Minute)
		n := 0
		for alice.Take() == "200 INVITE" {
			n++
		}
		if n != 11 { // 0.5, 1, 2, 4, 4, … up to 32 seconds
			t.Errorf("the 200 was sent %d times", n)
		}
		w.Idle()
	})
}

// A fixed group comes to its members by itself, and they cannot leave it.
func TestFixedGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		w.creates(w.Phones["alice"], "Subject: Sales", "bob")
		w.Play("invites bob")
		w.memory.groups[1].record.Kind = store.GroupFixed
		w.memory.groups[1].record.Follows = &store.Follows{Unit: 1, Orphan: "dissolve"}
		w.restart(true)
		bob := w.Phones["bob"]
		w.Play(`
			wait 61s
			bob BYE
			bob gets 200 BYE
			wait 4s
			quiet
			wait 2s
			invites bob
			quiet`)
		if w.standing(bob) != Inside {
			t.Error("bob is not in the room any more")
		}
		// A client that leaves what it is invited to is not invited for ever.
		w.Play(`
			bob BYE
			bob gets 200 BYE
			wait 10s
			quiet`)
		w.registers(bob)
		if w.Play("quiet"); w.standing(bob) != Outside {
			t.Error("he gets no texts")
		}
		w.away(bob)
		bob = w.back(bob)
		w.Play(`
			invites bob
			quiet`)
		bob.Add("Refer-To: <sip:bob@example.com;method=BYE>")
		bob.Request("REFER", w.group().URI(), "")
		w.refusedWith(bob, 403, "organisation")
		if got := w.members(); got != "alice owner, bob member" {
			t.Error(got)
		}
	})
}

func TestDissolve(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, carol := w.Phones["alice"], w.Phones["carol"]
		uri := w.creates(alice, "Subject: Short", "bob", "carol")
		w.Play(`
			invites bob
			invites carol`)
		w.away(carol)
		if _, err := w.groups.Change(context.Background(), group.Actor{System: true}, 1, group.Dissolve{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.Play(`
			alice gets BYE
			bob gets BYE
			alice 200 BYE
			bob 200 BYE
			quiet`)
		if len(w.memory.rooms) != 1 {
			t.Errorf("%d rows, want carol's", len(w.memory.rooms))
		}
		w.restart(false)
		w.back(carol)
		w.Play(`
			carol gets BYE
			carol 200 BYE
			quiet`)
		if len(w.memory.rooms) != 0 {
			t.Error("rows are left")
		}
		for _, method := range []string{"INVITE", "REFER", "OPTIONS"} {
			alice.Add("Refer-To: <sip:bob@example.com>")
			alice.Request(method, uri, "")
			w.refusedWith(alice, 404, "")
		}
		w.Idle()
	})
}

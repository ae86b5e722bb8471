package event

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/wire"
)

// One SUBSCRIBE for many rooms: each is told of in the one dialog.
func TestListSubscription(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			list alice team;Last-Notify=1 nowhere den;Last-Notify=1 team hall
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team +2)
			quiet
			alice 200 NOTIFY
			alice gets NOTIFY (team +3)
			alice 200 NOTIFY
			alice gets NOTIFY (hall 1)      # it knows the den
			alice 200 NOTIFY
			change den team nowhere
			alice gets NOTIFY (den +2)
			alice 200 NOTIFY
			alice gets NOTIFY (team +4)
			alice 200 NOTIFY`)
		w.header("alice", "From", "<sip:conference-factory@example.com>"+w.Phones["alice"].Dialog.Remote[len("<sip:conference-factory@example.com>"):])
		w.header("alice", "Subscription-State", "active;expires=600")
		w.live(1)
		w.Play(`
			refresh alice 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY
			alice 200 NOTIFY
			alice hangs up
			change team hall
			quiet
			alice reconnects
			registers alice
			alice gets NOTIFY (team +5)
			alice 200 NOTIFY
			alice gets NOTIFY (hall +2)
			alice 200 NOTIFY
			refresh alice 0
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY`)
		w.header("alice", "Subscription-State", "terminated;reason=timeout")
		w.Play(`alice 200 NOTIFY`)
		w.live(0)
	})
}

// A program that starts anew makes a list of what it had subscribed to one by one
// or by another list; nobody is told twice.
func TestListReplacesOlderSubscriptions(t *testing.T) {
	inWorld(t, func(w *world) {
		subscribe := func(p, room string) {
			w.subscribe(p + " " + room + " 600")
			w.Phones[p].Want("200 SUBSCRIBE")
			w.take(p)
		}
		subscribe("alice", "team")
		subscribe("alice", "hall")
		subscribe("bob", "team")
		w.Play(`
			list alice team den
			alice gets 200 SUBSCRIBE`)
		w.take("alice")
		w.live(3)
		w.Play(`change team`)
		if got := w.take("alice"); !slices.Equal(got, []string{"NOTIFY (team +4)"}) {
			t.Errorf("alice got %q", got)
		}
		if got := w.take("bob"); !slices.Equal(got, []string{"NOTIFY (team +4)"}) {
			t.Errorf("bob got %q", got)
		}
		w.Play(`
			list alice den hall;Last-Notify=1
			alice gets 200 SUBSCRIBE`)
		w.take("alice")
		w.live(3) // alice's team is left in the older list
		w.Play(`change den hall team`)
		got := w.take("alice")
		slices.Sort(got)
		if !slices.Equal(got, []string{"NOTIFY (den +2)", "NOTIFY (hall +2)", "NOTIFY (team +5)"}) {
			t.Errorf("alice got %q", got)
		}
		w.take("bob")
		w.Play(`
			list alice team;Last-Notify=5 den;Last-Notify=2 hall;Last-Notify=2
			alice gets 200 SUBSCRIBE`)
		w.take("alice")
		w.live(2)
	})
}

// take answers every NOTIFY to a phone with 200 and returns what it got.
func (w *world) take(name string) (got []string) {
	p := w.Phones[name]
	for {
		synctest.Wait()
		what := p.Take()
		if what == "" {
			return got
		}
		got = append(got, what)
		p.Respond(200, "NOTIFY", "")
	}
}

// A refresh may carry the list as it was sent first: what it says is old. It may
// carry another one.
func TestListRefresh(t *testing.T) {
	inWorld(t, func(w *world) {
		refresh := func(rooms ...string) {
			alice := w.Phones["alice"]
			alice.Add("Event: conference\nExpires: 600\nRequire: recipient-list-subscribe\nContent-Type: application/resource-lists+xml")
			alice.InDialog("SUBSCRIBE", resourceList(rooms...))
		}
		w.Play(`
			list alice team;Last-Notify=3
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY
			alice 200 NOTIFY
			change team
			alice gets NOTIFY (team +4)
			alice 200 NOTIFY`)
		refresh("team;Last-Notify=3")
		w.Play(`
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY
			alice 200 NOTIFY`)
		refresh("team;Last-Notify=3", "den")
		w.Play(`
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (den 1)
			alice 200 NOTIFY`)
		refresh("team", "den", "hall;Last-Notify=1")
		w.Play(`
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY
			alice 200 NOTIFY`)
		refresh("den")
		w.Play(`
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY
			alice 200 NOTIFY
			change team
			quiet
			change den
			alice gets NOTIFY (den +2)
			alice 200 NOTIFY`)
	})
}

// Programs that end send an empty list.
func TestEmptyList(t *testing.T) {
	inWorld(t, func(w *world) {
		alice := w.Phones["alice"]
		for _, body := range []string{"", resourceList(), resourceList("nowhere")} {
			alice.Add("Event: conference\nExpires: 0\nRequire: recipient-list-subscribe")
			if body != "" {
				alice.Add("Content-Type: application/resource-lists+xml")
			}
			alice.Request("SUBSCRIBE", "sip:conference-factory@example.com", body)
			w.Play(`
				alice gets 200 SUBSCRIBE
				alice gets NOTIFY
				alice 200 NOTIFY`)
			w.header("alice", "Subscription-State", "terminated;reason=timeout")
		}
		w.live(0)
	})
}

// A room that ends, ends in a list without a word; the list goes on.
func TestEndInList(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			list alice team hall den
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)`)
		w.n.End("conference", "hall@example.com", 0, "noresource") // not told yet
		w.Play(`
			alice 200 NOTIFY
			alice gets NOTIFY (den 1)
			alice 200 NOTIFY
			change team
			change den
			alice gets NOTIFY (team +4)`)
		w.n.End("conference", "den@example.com", 0, "noresource") // a change of it waits
		w.Play(`
			alice 200 NOTIFY
			change den
			quiet
			change team
			alice gets NOTIFY (team +5)
			alice 200 NOTIFY`)
		w.live(1)
		if found := w.n.table.watching(topic{"conference", "den@example.com"}); len(found) > 0 {
			t.Error("the list is found by what it is not about")
		}

		alice := w.Phones["alice"] // he is let in again
		alice.Add("Event: conference\nExpires: 600\nRequire: recipient-list-subscribe\nContent-Type: application/resource-lists+xml")
		alice.InDialog("SUBSCRIBE", resourceList("team", "den"))
		w.Play(`
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (den 3)
			alice 200 NOTIFY`)
	})
}

// Addresses of a list: each once, whatever its parameters, and SIP only.
func TestListOf(t *testing.T) {
	body := resourceList("team;Last-Notify=4", "TEAM", "team;Last-Notify=5", "den;last-notify=x", "hall;LAST-NOTIFY=-1", "%E7%BE%A4")
	body = strings.Replace(body, "<p1:entry ", `<p1:entry uri="tel:+86123"/><p1:entry uri="sip:"/><p1:entry `, 1)
	list, told, err := listOf(wire.NewRequest("SUBSCRIBE", sip.Uri{}, []byte(body), wire.H("Content-Type", "application/resource-lists+xml")))
	want := []string{"team@example.com", "TEAM@example.com", "den@example.com", "hall@example.com", "群@example.com"}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("%q, %v", list, err)
	}
	if !maps.Equal(told, map[string]int64{"team@example.com": 4}) {
		t.Errorf("told %v", told)
	}
}

// A thousand rooms: told one after the other, and never all in memory.
func TestLongList(t *testing.T) {
	inWorld(t, func(w *world) {
		names := make([]string, MaxEntries)
		for i := range names {
			names[i] = fmt.Sprint("room", i)
			w.rooms.versions[names[i]+"@example.com"] = 7
		}
		alice := w.Phones["alice"]
		deflated(alice)
		w.subscribeList(alice, deflate(resourceList(names...)))
		w.Play(`
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (room0 7)`)
		if w.rooms.asked > 1 {
			t.Errorf("the package was asked for %d rooms before the first was told", w.rooms.asked)
		}
		alice.Respond(200, "NOTIFY", "")
		if got := w.take("alice"); len(got) != MaxEntries-1 || got[len(got)-1] != "NOTIFY (room999 7)" {
			t.Errorf("%d NOTIFYs, the last %q", len(got), got[len(got)-1])
		}
		w.list("alice " + strings.Join(append(names, "team"), " "))
		alice.Want("413 SUBSCRIBE")
		if warning := wire.Header(alice.Last, "Warning"); !strings.Contains(warning, "at most 1000 entries") {
			t.Errorf("Warning: %s", warning)
		}
	})
}

func deflated(p *siptest.Phone) { p.Add("Content-Encoding: deflate") }

func deflate(s string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

// Bodies that mean harm, or nothing.
func TestHostileLists(t *testing.T) {
	for _, tt := range []struct{ name, headers, body, want string }{
		{"no XML", "Content-Type: application/resource-lists+xml", "sip:team@example.com", "400"},
		{"entities", "Content-Type: application/resource-lists+xml", `<!DOCTYPE x [<!ENTITY a "b">]>` + resourceList("team"), "400"},
		{"another type", "Content-Type: text/plain", resourceList("team"), "415"},
		{"another encoding", "Content-Type: application/resource-lists+xml\nContent-Encoding: br", resourceList("team"), "415"},
		{"no deflate data", "Content-Type: application/resource-lists+xml\nContent-Encoding: deflate", resourceList("team"), "400"},
		{"a bomb", "Content-Type: application/resource-lists+xml\nContent-Encoding: deflate", deflate(strings.Repeat(" ", 32<<20)), "413"},
		{"not only SIP", "Content-Type: Application/Resource-Lists+XML; charset=utf-8",
			strings.ReplaceAll(resourceList("team", "den"), "sip:den", "http://den"), "200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				alice := w.Phones["alice"]
				alice.Add("Event: conference\nExpires: 600\nRequire: recipient-list-subscribe\n" + tt.headers)
				alice.Request("SUBSCRIBE", "sip:conference-factory@example.com", tt.body)
				alice.Want(tt.want + " SUBSCRIBE")
				if got := w.take("alice"); (len(got) > 0) != (tt.want == "200") || len(got) > 1 {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

package event

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// The life of a subscription on the wire.
func TestSubscription(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			alice adds Last-Notify-Version: 0
			subscribe alice team 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)`)
		alice := w.Phones["alice"]
		tag := alice.Dialog.Remote[strings.Index(alice.Dialog.Remote, ";tag="):]
		for name, want := range map[string]string{
			"Expires": "600", "Contact": "<sip:team@example.com>", "Record-Route": "<sip:192.0.2.1:5061;transport=tls;lr>",
		} {
			if got := wire.Header(alice.Last, name); got != want {
				t.Errorf("%s of the 200: %q, want %q", name, got, want)
			}
		}
		w.header("alice", "Event", "conference")
		w.header("alice", "Subscription-State", "active;expires=600")
		w.header("alice", "From", "<sip:team@example.com>"+tag)
		w.header("alice", "To", "<sip:alice@example.com>;tag=alice")
		w.header("alice", "Call-ID", alice.Dialog.CallID)
		w.header("alice", "CSeq", "1 NOTIFY")
		w.Play(`
			alice 200 NOTIFY
			wait 200s
			change team
			alice gets NOTIFY (team +4)`)
		w.header("alice", "Subscription-State", "active;expires=400")
		w.header("alice", "CSeq", "2 NOTIFY")
		w.Play(`
			alice 200 NOTIFY
			refresh alice 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY           # nothing new, and yet there is always one
			alice 200 NOTIFY
			change den                  # nothing to her
			quiet
			refresh alice 0
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY`)
		w.header("alice", "Subscription-State", "terminated;reason=timeout")
		w.live(0)
		w.Play(`
			alice 200 NOTIFY
			change team
			quiet
			refresh alice 600
			alice gets 481 SUBSCRIBE`)
	})
}

// A device that knows a version gets what came after it.
func TestSubscriptionOfOneWhoKnows(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			alice adds Last-Notify-Version: 1
			subscribe alice team 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team +2)
			quiet                        # one at a time
			alice 200 NOTIFY
			alice gets NOTIFY (team +3)
			alice 200 NOTIFY
			bob adds Last-Notify-Version: 3
			subscribe bob team 600
			bob gets 200 SUBSCRIBE
			bob gets NOTIFY
			bob 200 NOTIFY`)
	})
}

// Also a NOTIFY without news is owed until the device has taken it.
func TestEmptyNotifyIsOwed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			alice adds Last-Notify-Version: 3
			subscribe alice team 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY
			alice 503 NOTIFY
			quiet
			registers alice
			alice gets NOTIFY
			alice 200 NOTIFY
			registers alice
			quiet`)
	})
}

// Changes reach a slow device in their order, one under way, and others at once.
func TestSlowDevice(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			subscribe alice team 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)
			subscribe bob team 600
			bob gets 200 SUBSCRIBE
			bob gets NOTIFY (team 3)
			bob 200 NOTIFY
			change team
			change team
			change team
			bob gets NOTIFY (team +4)
			bob 200 NOTIFY
			bob gets NOTIFY (team +5)
			bob 200 NOTIFY
			bob gets NOTIFY (team +6)
			bob 200 NOTIFY
			quiet
			alice 200 NOTIFY
			alice gets NOTIFY (team +4)
			wait 20s
			quiet
			alice 200 NOTIFY
			alice gets NOTIFY (team +5)
			alice 200 NOTIFY
			alice gets NOTIFY (team +6)
			alice 200 NOTIFY`)
	})
}

// A device for which too much waits is told the state anew instead.
func TestQueueIsBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			subscribe alice team 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)`)
		for range 5000 {
			w.Step("change team")
		}
		s := w.n.table.watching(topic{"conference", "team@example.com"})[0]
		if len(s.docs) > maxQueue || len(s.in.published) > maxQueue {
			t.Errorf("%d documents wait, and %d are to be made", len(s.docs), len(s.in.published))
		}
		asked := w.rooms.asked
		w.Play(`
			alice 200 NOTIFY
			alice gets NOTIFY (team +4)
			alice 200 NOTIFY
			alice gets NOTIFY (team +5)`)
		if w.rooms.asked != asked+1 {
			t.Errorf("the package was asked %d times", w.rooms.asked-asked)
		}
		w.Play(`
			alice 481 NOTIFY`)
		w.live(0)
	})
}

// What becomes of the answers to a NOTIFY.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		live         int
		change, back string // what the device gets after a change, and when it registers
	}{
		{"no such subscription", "alice 481 NOTIFY", 0, "quiet", "quiet"},
		{"no such user", "alice 404 NOTIFY", 0, "quiet", "quiet"},
		{"no such package", "alice 489 NOTIFY", 0, "quiet", "quiet"},
		{"no such method", "alice 501 NOTIFY", 0, "quiet", "quiet"},
		{"it would not now", "alice 500 NOTIFY", 1, "alice gets NOTIFY (team 4)", "alice gets NOTIFY (team 3)"},
		{"it is busy", "alice 503 NOTIFY", 1, "alice gets NOTIFY (team 4)", "alice gets NOTIFY (team 3)"},
		{"silence", "wait 33s", 1, "alice gets NOTIFY (team 4)", "alice gets NOTIFY (team 3)"},
		{"the flow is broken", "alice hangs up", 1, "quiet", "quiet"},
		{"a provisional answer changes nothing", "alice 180 NOTIFY", 1, "quiet", "quiet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, next := range []string{"change team\n" + tt.change, "registers alice\n" + tt.back} {
				inWorld(t, func(w *world) {
					w.Play(`
						subscribe alice team 600
						alice gets 200 SUBSCRIBE
						alice gets NOTIFY (team 3)` + "\n" + tt.answer)
					w.live(tt.live)
					w.Play(next)
				})
			}
		})
	}
}

// A change that a subscriber has seen in the state is not told once more: a client
// that is told a version again begins anew.
func TestChangeIsToldOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.rooms.versions["team@example.com"] = 4 // committed, and not published yet
		publish := func(v int64) {
			w.n.Publish("conference", "team@example.com", func(*Subscription) (Document, bool) {
				return document(fmt.Sprint("team +", v), v), true
			})
			synctest.Wait()
		}
		w.Play(`
			subscribe alice team 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 4)`)
		publish(4) // while it is under way
		w.Play(`alice 200 NOTIFY`)
		publish(4)
		w.Play(`
			quiet
			change team
			alice gets NOTIFY (team +5)`)
		publish(6)
		publish(6) // while one waits
		w.Play(`
			alice 200 NOTIFY
			alice gets NOTIFY (team +6)
			alice 200 NOTIFY
			quiet`)
	})
}

// Of what comes by one mail the later does not undo the earlier.
func TestMail(t *testing.T) {
	now := time.Now()
	news := []published{{"team", func(*Subscription) (Document, bool) { return Document{Version: 9}, true }}}
	gone := func(reason string) []withdrawal {
		return []withdrawal{{resources: map[string]bool{"team": true}, reason: reason}}
	}
	for _, tt := range []struct {
		name   string
		list   []string
		mail   mail
		docs   int
		ending string
		over   bool
	}{
		{"news", nil, mail{published: news}, 1, "", false},
		{"news of a list", []string{"team", "den"}, mail{published: news}, 1, "", false},
		{"news of what was withdrawn", nil, mail{gone: gone("noresource"), published: news}, 0, "noresource", false},
		{"without a word", nil, mail{gone: gone(""), published: news}, 0, "", true},
		{"from a list", []string{"team", "den"}, mail{gone: gone("noresource"), published: news}, 0, "", false},
		{"the last of a list", []string{"team"}, mail{gone: gone(""), published: news}, 0, "", true},
		{"withdrawn twice", nil, mail{gone: append(gone("noresource"), gone("rejected")...)}, 0, "noresource", false},
		{"withdrawn and expired", nil, mail{gone: gone("noresource"), expired: true}, 0, "noresource", false},
		{"refreshed in the last moment", nil, mail{expired: true}, 0, "", false},
	} {
		s := &subscription{Subscription: Subscription{Told: map[string]int64{}}}
		s.Resource, s.List, s.Expires = "team", tt.list, now.Add(time.Second)
		s.read(tt.mail, now, func(uint64) bool { return true })
		if len(s.docs) != tt.docs || s.ending != tt.ending || s.over != tt.over {
			t.Errorf("%s: %d documents, ending %q, over %v", tt.name, len(s.docs), s.ending, s.over)
		}
	}
}

// Everything at once, for the race detector.
func TestAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			list alice team den
			alice gets 200 SUBSCRIBE`)
		var done sync.WaitGroup
		for _, act := range []func(){
			func() { w.change("team den hall") },
			func() { w.refresh("alice 600") },
			func() { w.registers(w.Phones["alice"]) },
			func() { w.n.End("conference", "hall@example.com", 0, "noresource") },
		} {
			done.Go(func() {
				for range 100 {
					act()
				}
			})
		}
		done.Wait()
		w.TakeAll()
		w.Play(`alice 200 NOTIFY`)
		told := w.take("alice")
		last := map[string]string{}
		for _, what := range told {
			room, _, _ := strings.Cut(strings.TrimPrefix(what, "NOTIFY ("), " ")
			last[room] = what
		}
		if !strings.HasSuffix(last["team"], "103)") || !strings.HasSuffix(last["den"], "101)") {
			t.Errorf("told in the end: %q", last)
		}
	})
}

// A device that is away gets what it missed when it registers, over its new flow.
func TestAway(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			subscribe alice team 3600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)
			alice 200 NOTIFY
			alice hangs up
			change team den team
			change team
			quiet
			alice reconnects
			registers alice
			alice gets NOTIFY (team +4)
			alice 200 NOTIFY
			alice gets NOTIFY (team +5)
			change team
			alice 200 NOTIFY
			alice gets NOTIFY (team +6)
			alice 200 NOTIFY
			alice gets NOTIFY (team +7)
			alice 200 NOTIFY
			registers alice
			quiet`)
	})
}

// A phone that changed its network gets what is under way by its dead connection
// over the new one, without waiting for a timer.
func TestChangedNetwork(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			subscribe alice team 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)
			alice 200 NOTIFY
			change team
			alice gets NOTIFY (team +4)`)
		old := w.Phones["alice"]
		again := w.Phone("alice", "tls guest")
		again.Dialog = old.Dialog
		w.Targets["alice"][0].Flow = again.Flow
		w.Play(`
			registers alice
			alice gets NOTIFY (team +4)
			alice 200 NOTIFY`)
		old.Respond(481, "NOTIFY", "") // too late to mean anything
		w.Play(`
			wait 1s
			change team
			alice gets NOTIFY (team +5)
			alice 200 NOTIFY
			quiet`)
	})
}

// Without a refresh a subscription ends, and says so.
func TestExpiry(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			subscribe alice team 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)
			alice 200 NOTIFY
			subscribe bob team 100
			bob gets 200 SUBSCRIBE
			bob gets NOTIFY (team 3)
			bob 200 NOTIFY
			wait 99s
			quiet
			wait 1s
			bob gets NOTIFY`)
		w.header("bob", "Subscription-State", "terminated;reason=timeout")
		w.live(1)
		w.Play(`
			bob 200 NOTIFY
			wait 400s
			refresh alice 60
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY
			alice 200 NOTIFY
			wait 59s
			refresh alice 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY
			alice 200 NOTIFY
			wait 599s
			quiet
			alice hangs up               # nobody to tell
			wait 2s`)
		w.live(0)
	})
}

// The state once, without a subscription.
func TestFetch(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			subscribe alice team 0
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)`)
		w.header("alice", "Subscription-State", "terminated;reason=timeout")
		w.live(0)
		w.Play(`
			alice 200 NOTIFY
			change team
			quiet`)
	})
}

// A package ends subscriptions: one user's, or everybody's.
func TestEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, name := range []string{"alice", "bob"} {
			w.Play(strings.ReplaceAll(`
				subscribe X team 600
				X gets 200 SUBSCRIBE
				X gets NOTIFY (team 3)
				X 200 NOTIFY`, "X", name))
		}
		w.n.End("conference", "team@example.com", w.Phones["bob"].User, "rejected")
		w.Phones["bob"].Want("NOTIFY")
		w.header("bob", "Subscription-State", "terminated;reason=rejected")
		w.Play(`
			bob 200 NOTIFY
			change team
			alice gets NOTIFY (team +4)`)
		w.n.End("conference", "team@example.com", 0, "noresource")
		w.Play(`
			quiet                         # behind what is under way
			alice 200 NOTIFY
			alice gets NOTIFY
			alice 200 NOTIFY`)
		w.header("alice", "Subscription-State", "terminated;reason=noresource")
		w.live(0)
	})
}

// What a package says against a SUBSCRIBE is answered; a refresh that is refused
// for good ends the subscription.
func TestPackageRefuses(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(`
			subscribe alice nowhere 600
			alice gets 404 SUBSCRIBE
			subscribe alice team 600
			alice gets 200 SUBSCRIBE
			alice gets NOTIFY (team 3)
			alice 200 NOTIFY`)
		w.rooms.refuse = store503
		w.Play(`
			refresh alice 600
			alice gets 503 SUBSCRIBE`)
		w.live(1)
		w.rooms.refuse = &server.Error{Status: 403}
		w.Play(`
			refresh alice 600
			alice gets 403 SUBSCRIBE
			change team
			quiet`)
		w.live(0)
	})
}

var store503 = &server.Error{Status: 503}

// A package that panics hurts one subscription and not the program.
func TestPackagePanics(t *testing.T) {
	inWorld(t, func(w *world) {
		w.rooms.panics = true
		w.Play(`
			subscribe alice team 600
			alice gets 200 SUBSCRIBE
			quiet`)
		w.live(0)
		w.rooms.panics = false
		w.Play(`
			subscribe bob team 600
			bob gets 200 SUBSCRIBE
			bob gets NOTIFY (team 3)
			bob 200 NOTIFY`)
	})
}

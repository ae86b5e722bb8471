package proxy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/wire"
)

// watching is a watcher that follows a script, forks what the chain gives it,
// and notes what it sees.
type watching struct {
	bed   *bed
	first string            // who is tried first
	more  []string          // who is tried when all have failed, in turn; "later" waits for the test
	body  map[string]string // what each device is offered
	turn  map[int]int       // a status and what it becomes
	veto  map[string]*server.Error

	mu   sync.Mutex
	fork Fork
	seen []string
}

func (w *watching) ServeSIP(r *server.Request) {
	f, err := w.bed.proxy.Fork(r, w)
	if err != nil {
		w.note("refused", err.Status)
		return
	}
	w.fork = f
	f.Extend(w.targets(w.first))
}

// targets of devices: "bob carol" at once, "bob/carol" one after the other.
func (w *watching) targets(names string) (all []registrar.Target) {
	q := 1000
	for group := range strings.SplitSeq(names, "/") {
		for _, name := range strings.Fields(group) {
			p := w.bed.Phones[name]
			for _, t := range w.bed.Targets[p.Account] {
				if t.Instance == "urn:uuid:"+name {
					t.Q = q
					all = append(all, t)
				}
			}
		}
		q--
	}
	return all
}

func (w *watching) note(what ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, strings.TrimSpace(fmt.Sprintln(what...)))
}

func (w *watching) Request(branch int, t *registrar.Target, e *wire.Edit) *server.Error {
	if t == nil {
		w.note("request", branch)
		e.Add = append(e.Add, wire.H("X-Watched", "yes"))
		return nil
	}
	name := t.Contact.User
	if err := w.veto[name]; err != nil {
		return err
	}
	if body, ok := w.body[name]; ok {
		e.Body, e.SetBody = []byte(body), true
	}
	e.Add = append(e.Add, wire.H("X-For", name))
	return nil
}

func (w *watching) Response(branch int, res *sip.Response) *sip.Response {
	w.note(branch, res.StatusCode)
	if other := w.turn[res.StatusCode]; other != 0 {
		out := sip.NewResponse(other, "Turned")
		for _, h := range res.Headers() {
			out.AppendHeader(h)
		}
		return out
	}
	res.SetBody([]byte(fmt.Sprintf("answer %d", branch)))
	res.AppendHeader(wire.H("Content-Type", "application/sdp"))
	return res
}

func (w *watching) Failed(branch, status int) { w.note(branch, "failed", status) }

func (w *watching) Exhausted(best int) bool {
	w.note("exhausted", best)
	if len(w.more) == 0 {
		return false
	}
	next := w.more[0]
	w.more = w.more[1:]
	if next != "later" {
		w.fork.Extend(w.targets(next))
	}
	return true
}

func (w *watching) Ended(status, branch int) { w.note("ended", status, branch) }

// inWatchedBed gives alice's INVITEs to the watcher.
func inWatchedBed(t *testing.T, test func(b *bed, w *watching)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		w := &watching{bed: b, first: "bob"}
		b.Layer.Serve(server.New(server.Config{Domains: []string{"example.com"}, Auth: b,
			Proxy: b.proxy, InDialog: b.proxy, Calls: w, Rate: -1}))
		for _, name := range []string{"alice", "bob", "carol", "dave"} {
			b.Phone(name, "tls")
		}
		test(b, w)
		b.idle()
	})
}

func TestWatchedCalls(t *testing.T) {
	tests := []struct {
		name   string
		setUp  func(w *watching)
		script string
		seen   string
	}{
		{"answered", nil, `
			alice INVITE bob
			bob gets INVITE
			bob 100
			bob 180
			alice gets 180 INVITE (answer 0)
			bob 200
			alice gets 200 INVITE (answer 0)
			alice ACK
			bob gets ACK
			quiet`,
			"0 180, 0 200, ended 200 0"},
		{"busy, and forwarded to two", func(w *watching) { w.more = []string{"carol dave"} }, `
			alice INVITE bob
			bob gets INVITE
			bob 486
			bob gets ACK
			carol gets INVITE
			dave gets INVITE
			dave 180
			alice gets 180 INVITE (answer 2)
			carol 200
			alice gets 200 INVITE (answer 1)
			dave gets CANCEL
			dave 200 CANCEL
			dave 487
			dave gets ACK
			quiet`,
			"0 486, exhausted 486, 2 180, 1 200, ended 200 1, 2 487"},
		{"the same device with another offer", func(w *watching) { w.more = []string{"bob"} }, `
			alice INVITE bob
			bob gets INVITE
			bob 488
			bob gets ACK
			bob gets INVITE
			bob 200
			alice gets 200 INVITE (answer 1)
			quiet`,
			"0 488, exhausted 488, 1 200, ended 200 1"},
		{"nobody else", nil, `
			alice INVITE bob
			bob gets INVITE
			bob 302
			bob gets ACK
			alice gets 302 INVITE (answer 0)
			quiet`,
			"0 302, exhausted 302, ended 302 -1"},
		{"nobody at all", func(w *watching) { w.first = "" }, `
			alice INVITE bob
			alice gets 480 INVITE
			quiet`,
			"ended 480 -1"},
		{"a 2xx that cannot be used", func(w *watching) { w.turn = map[int]int{200: 488}; w.more = []string{"carol"} }, `
			alice INVITE bob
			bob gets INVITE
			bob 200
			carol gets INVITE
			bob 200               # repeated until it is acknowledged
			carol 486
			carol gets ACK
			alice gets 488 INVITE
			quiet`,
			"0 200, exhausted 488, 0 200, 1 486, exhausted 488, ended 488 -1"},
		{"606 made a failure of one device", func(w *watching) { w.turn = map[int]int{606: 488}; w.first = "bob carol" }, `
			alice INVITE bob
			bob gets INVITE
			carol gets INVITE
			bob 606
			bob gets ACK
			carol 200
			alice gets 200 INVITE (answer 1)
			quiet`,
			"0 606, 1 200, ended 200 1"},
		{"a request that must not go out", func(w *watching) {
			w.veto = map[string]*server.Error{"bob": {Status: 488, Warning: "SRTP is required"}}
			w.first = "bob/carol"
		}, `
			alice INVITE bob
			carol gets INVITE
			carol 480
			carol gets ACK
			alice gets 488 INVITE
			quiet`,
			"1 480, exhausted 488, ended 488 -1"},
		{"the flow breaks", func(w *watching) { w.more = []string{"carol"} }, `
			alice INVITE bob
			bob gets INVITE
			bob hangs up
			carol gets INVITE
			wait 40s              # nothing at all from her
			alice gets 100 INVITE
			alice gets 408 INVITE
			quiet`,
			"0 failed 430, exhausted 480, 1 failed 408, exhausted 408, ended 408 -1"},
		{"the caller gives up while it rings", nil, `
			alice INVITE bob
			bob gets INVITE
			bob 180
			alice gets 180 INVITE (answer 0)
			alice CANCEL
			alice gets 200 CANCEL
			bob gets CANCEL
			bob 200 CANCEL
			bob 487
			bob gets ACK
			alice gets 487 INVITE (answer 0)
			quiet`,
			"0 180, 0 487, ended 487 -1"},
		{"the caller gives up while the watcher thinks", func(w *watching) { w.more = []string{"later"} }, `
			alice INVITE bob
			bob gets INVITE
			bob 486
			bob gets ACK
			alice CANCEL
			alice gets 200 CANCEL
			alice gets 487 INVITE
			quiet`,
			"0 486, exhausted 486, ended 487 -1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWatchedBed(t, func(b *bed, w *watching) {
				if tt.setUp != nil {
					tt.setUp(w)
				}
				b.Play(tt.script)
				if seen := strings.Join(w.seen, ", "); seen != tt.seen {
					t.Errorf("saw %s\nwant %s", seen, tt.seen)
				}
			})
		})
	}
}

func TestWatcherMovesOn(t *testing.T) {
	inWatchedBed(t, func(b *bed, w *watching) {
		w.more = []string{"carol"}
		b.Play("alice INVITE bob\n bob gets INVITE\n bob 180\n alice gets 180 INVITE (answer 0)")
		w.fork.MoveOn()
		b.Play("bob gets CANCEL\n bob 200 CANCEL\n carol gets INVITE\n bob 487\n bob gets ACK\n carol 200\n alice gets 200 INVITE (answer 1)\n quiet")
		w.fork.MoveOn()
		w.fork.End(&server.Error{Status: 480})
		w.fork.Extend(w.targets("dave"))
		b.Play("quiet")
	})
}

func TestWatcherEnds(t *testing.T) {
	inWatchedBed(t, func(b *bed, w *watching) {
		b.Play("alice INVITE bob\n bob gets INVITE\n bob 180\n alice gets 180 INVITE (answer 0)")
		w.fork.End(&server.Error{Status: 488, Reason: "No Way", Warning: "because"})
		synctest.Wait()
		res := b.Phones["alice"].Next().(*sip.Response)
		if res.StatusCode != 488 || res.Reason != "No Way" || !strings.Contains(wire.Header(res, "Warning"), "because") {
			t.Errorf("alice got %s", wire.Append(nil, res))
		}
		b.Play("bob gets CANCEL\n bob 200 CANCEL\n bob 200\n quiet") // too late: alice was told
		if seen := strings.Join(w.seen, ", "); seen != "0 180, ended 488 -1, 0 200" {
			t.Errorf("saw %s", seen)
		}
	})
}

// What a watcher writes for one branch is in no other.
func TestBranchesDiffer(t *testing.T) {
	inWatchedBed(t, func(b *bed, w *watching) {
		w.first = "bob carol"
		w.body = map[string]string{"bob": "for bob"}
		b.Play("alice INVITE bob (for all)\n bob gets INVITE (for bob)\n carol gets INVITE (for all)")
		for _, name := range []string{"bob", "carol"} {
			got := b.Phones[name].Got["INVITE"]
			if !slices.Equal(wire.Values(got, "X-For"), []string{name}) {
				t.Errorf("%s got\n%s", name, wire.Append(nil, got))
			}
			if v := wire.Header(got, "Max-Breadth"); v != "30" {
				t.Errorf("Max-Breadth %s", v)
			}
		}
		b.Play("bob 183\n carol 183\n alice gets 183 INVITE (answer 0)\n alice gets 183 INVITE (answer 1)")
		b.Play("carol 200\n alice gets 200 INVITE (answer 1)\n bob gets CANCEL\n bob 200 CANCEL\n bob 487\n bob gets ACK")
	})
}

func TestTooBroad(t *testing.T) {
	inWatchedBed(t, func(b *bed, w *watching) {
		w.first = "bob carol"
		b.Play("alice adds Max-Breadth: 1\n alice INVITE bob\n alice gets 440 INVITE\n quiet")
	})
}

// dialogs watches what is inside dialogs, or refuses it.
type dialogs struct {
	*watching
	err *server.Error
}

func (d *dialogs) InDialog(r *server.Request) (Watcher, *server.Error) {
	if d.err != nil {
		return nil, d.err
	}
	if r.Method == sip.INFO {
		return nil, nil
	}
	return d.watching, nil
}

func TestWatchedDialog(t *testing.T) {
	inBed(t, func(b *bed, alice, bob *siptest.Phone) {
		d := &dialogs{watching: &watching{bed: b}}
		b.proxy.WatchDialogs(d)
		b.Play(aCall + `
			alice INVITE
			bob gets INVITE
			bob 488
			bob gets ACK
			alice gets 488 INVITE (answer 0)
			bob UPDATE
			alice gets UPDATE
			alice 200 UPDATE
			bob gets 200 UPDATE (answer 0)
			alice INFO > bob 200
			quiet`)
		if seen, want := strings.Join(d.seen, ", "), "request 0, request 0, 0 488, ended 488 -1, request 0, 0 200, ended 200 0"; seen != want {
			t.Errorf("saw %s\nwant %s", seen, want)
		}
		if v := wire.Header(bob.Got["INFO"], "X-Watched") + wire.Header(bob.Got["INVITE"], "X-Watched"); v != "yes" {
			t.Errorf("X-Watched %q", v)
		}
		d.err = &server.Error{Status: 481}
		b.Play("alice UPDATE\n alice gets 481 UPDATE\n alice ACK\n quiet")
		alice.Dialog.Routes = nil // neither is it let in without our Route
		b.Play("alice UPDATE\n alice gets 481 UPDATE\n quiet")
		d.err = nil
	})
}

// What we send in the name of one side to the other.
func TestOriginate(t *testing.T) {
	for _, how := range []string{"tls", "udp", "tls gruu"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				b.Phone("alice", "tls")
				bob := b.Phone("bob", how)
				b.Play(aCall)
				var told []int
				bye := func(method string) {
					b.proxy.Originate(wire.NewRequest(method, bob.Contact, nil,
						wire.H("From", bob.Dialog.Remote), wire.H("To", bob.Dialog.Local), wire.H("Call-ID", bob.Dialog.CallID),
						wire.H("CSeq", "9 "+method)), Peer{Flow: bob.Flow, User: bob.User, Target: bob.Contact},
						func(status int) { told = append(told, status) })
					synctest.Wait()
				}
				bye("BYE")
				b.Play("bob gets BYE\n bob 200 BYE\n quiet")
				if u := wire.URIString(&bob.Got["BYE"].Recipient); u != wire.URIString(&b.Targets["bob"][0].Contact) {
					t.Errorf("sent to %s", u)
				}
				bye("ACK")
				b.Play("bob gets ACK\n quiet")

				b.Reconnect(bob)
				bye("BYE")
				b.Play("bob gets BYE\n bob 481 BYE\n quiet")
				bye("BYE")
				b.Play("bob gets BYE\n wait 40s")
				b.Play("bob hangs up")
				if how != "udp" { // nobody can tell there
					bye("BYE")
				}
				want := []int{200, 481, 408, 430}
				if how == "udp" {
					want = want[:3]
					b.Phones["bob"].Next()
				}
				if !slices.Equal(told, want) {
					t.Errorf("told %v, want %v", told, want)
				}
			})
		})
	}
}

package registrar

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// same tells whether two lookups gave the same list, not only an equal one.
func same(a, b []Target) bool { return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] }

// TestViewIsShared: who looks twice gets the same list, a refresh in between or
// not.
func TestViewIsShared(t *testing.T) {
	for _, over := range []string{transport.UDP, transport.TLS} {
		w := newWorld(t, nil)
		f := flow(1, over)
		p := w.phone("alice", f)
		p.must(200, instance(1, "a"))
		first := w.Lookup(1)
		p.must(200, instance(1, "a"))
		if !same(first, w.Lookup(1)) || !same(first, w.ByFlow(f)) || !same(first, w.resolve("sip:alice@example.com").Targets) {
			t.Errorf("%s: the targets were made anew", over)
		}
	}
}

// TestViewIsMadeAnew: whatever changes is seen by who looked before.
func TestViewIsMadeAnew(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world, p *phone)
		want   func(ts []Target) bool
	}{
		"q": {
			func(_ *world, p *phone) { p.must(200, instance(1, "a", ";q=0.5")) },
			func(ts []Target) bool { return ts[0].Q == 500 },
		},
		"contact": {
			func(_ *world, p *phone) { p.must(200, instance(2, "a")) },
			func(ts []Target) bool { return ts[0].Contact.Port == 2 },
		},
		"path": {
			func(_ *world, p *phone) {
				p.must(200, instance(1, "a"), "Path: <sip:edge.example.net;lr>", "Supported: path")
			},
			func(ts []Target) bool { return len(ts[0].Path) == 1 },
		},
		"flow": {
			func(_ *world, p *phone) { p.flow = flow(9, transport.TLS); p.must(200, instance(1, "a")) },
			func(ts []Target) bool { return ts[0].Flow.ID == 9 },
		},
		"flow closed": {
			func(w *world, p *phone) { w.FlowClosed(p.flow) },
			func(ts []Target) bool { return ts[0].Flow == nil },
		},
		"second device": {
			func(w *world, p *phone) { w.phone("alice", flow(2, transport.TLS)).must(200, instance(2, "b")) },
			func(ts []Target) bool { return len(ts) == 2 },
		},
		"news of the device": {
			func(_ *world, p *phone) { p.must(200, instance(1, "a"), "User-Agent: Other/1"); synctest.Wait() },
			func(ts []Target) bool { return ts[0].Device.UserAgent == "Other/1" },
		},
		"unregistered": {
			func(_ *world, p *phone) { p.must(200, "Contact: *", "Expires: 0") },
			func(ts []Target) bool { return len(ts) == 0 },
		},
		"device revoked": {
			func(w *world, _ *phone) { w.RemoveDevice(1) },
			func(ts []Target) bool { return len(ts) == 0 },
		},
		"user removed": {
			func(w *world, _ *phone) { w.RemoveUser(1) },
			func(ts []Target) bool { return len(ts) == 0 },
		},
		"expired": {
			func(*world, *phone) { time.Sleep(time.Hour) },
			func(ts []Target) bool { return len(ts) == 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				p := w.phone("alice", flow(1, transport.TLS))
				p.must(200, instance(1, "a"))
				w.wantWhere(1, "1")
				c.change(w, p)
				if ts := w.Lookup(1); !c.want(ts) {
					t.Errorf("%+v", ts)
				}
			})
		})
	}
}

// TestNewestFlowFirst: with several flows of a device a refresh changes their
// order.
func TestNewestFlowFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		a := w.phone("alice", flow(1, transport.TLS), "Supported: outbound")
		b := w.phone("alice", flow(2, transport.TLS), "Supported: outbound")
		a.must(200, instance(1, "a", ";reg-id=1"))
		time.Sleep(time.Second)
		b.must(200, instance(2, "a", ";reg-id=2"))
		w.wantWhere(1, "2, 1")
		time.Sleep(time.Second)
		a.must(200, instance(1, "a", ";reg-id=1"))
		w.wantWhere(1, "1, 2")
	})
}

// TestRepeated: a copy of a REGISTER is told what is bound and changes nothing.
func TestRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		calls := 0
		w.OnReachable(func(store.UserID, store.DeviceID) { calls++ })
		p := w.phone("alice", flow(1, transport.UDP))
		in, who := p.incoming(instance(1, "a"))
		ask := func(repeated bool) reply {
			done := make(chan reply, 1)
			w.Registrar.register(in, who, repeated, toReply(done))
			r := <-done
			synctest.Wait() // for what comes after the answer
			return r
		}
		first := ask(false)
		before := calls
		if again := ask(true); again.status != 200 || again.String() != first.String() {
			t.Errorf("%v, then %v", first, again)
		}
		if calls != before {
			t.Error("a copy counts as a sign of life")
		}
		p.must(200, "Contact: *", "Expires: 0")
		if late := ask(true); late.status != 200 || len(late.values("Contact")) != 0 {
			t.Errorf("a copy that is late binds again: %v", late)
		}
		w.consistent()
	})
}

package event

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// reader is a phone that keeps the versions of rooms, as real ones do.
type reader struct {
	name  string
	knows map[string]int64
}

// apply takes the body of a NOTIFY: a whole room, or a change that must follow what
// is known. What it knows already does no harm.
func (c *reader) apply(body string) error {
	room, text, ok := strings.Cut(body, " ")
	if !ok {
		return nil
	}
	var v int64
	if _, err := fmt.Sscan(strings.TrimPrefix(text, "+"), &v); err != nil {
		return err
	}
	if strings.HasPrefix(text, "+") && v > c.knows[room]+1 {
		return fmt.Errorf("%s was told %q and knows version %d", c.name, body, c.knows[room])
	}
	c.knows[room] = max(c.knows[room], v)
	return nil
}

// Whatever happens, in whatever order: nobody misses a change, nobody is told one
// before the one that it follows, and in the end all know everything.
func TestRandomHistories(t *testing.T) {
	rooms := []string{"team", "den", "hall"}
	for seed := range uint64(24) {
		inWorld(t, func(w *world) {
			r := rand.New(rand.NewPCG(seed, 1))
			w.Phone("carol", "tls")
			readers := []*reader{}
			for _, name := range []string{"alice", "bob", "carol"} {
				readers = append(readers, &reader{name, map[string]int64{}})
			}
			w.Play(`
				subscribe alice team 3600
				alice gets 200 SUBSCRIBE
				subscribe bob team 3600
				bob gets 200 SUBSCRIBE
				list carol team den hall
				carol gets 200 SUBSCRIBE
				refresh carol 3600
				`)
			for range 150 {
				c := readers[r.IntN(len(readers))]
				switch n := r.IntN(20); {
				case n < 6:
					for range 1 + r.IntN(30) {
						w.change(rooms[r.IntN(len(rooms))])
					}
				case n < 14:
					w.answer(c, []int{200, 200, 200, 200, 200, 200, 500, 480, 0}[r.IntN(9)])
				case n < 16:
					w.Step("registers " + c.name)
				case n < 17:
					w.Step(c.name + " hangs up")
				case n < 18:
					w.Step(c.name + " reconnects")
				case n < 19:
					sleep(time.Duration(r.IntN(10)) * time.Second)
				default:
					w.Step("restart now")
				}
				synctest.Wait()
			}
			for _, c := range readers {
				w.Step(c.name + " reconnects")
				w.Step("registers " + c.name)
				for w.answer(c, 200) {
				}
				for _, room := range rooms {
					if v := w.rooms.versions[room+"@example.com"]; c.knows[room] != v && (c.name == "carol" || room == "team") {
						t.Errorf("seed %d: %s knows version %d of %s, which has %d", seed, c.name, c.knows[room], room, v)
					}
				}
			}
			w.live(3)
			w.TakeAll()
		})
	}
}

// answer answers the next NOTIFY of a phone, 0 with silence; false when it has none.
// A phone that hung up answers to nobody.
func (w *world) answer(c *reader, status int) bool {
	synctest.Wait()
	p := w.Phones[c.name]
	what := p.Take()
	body, isNotify := strings.CutPrefix(what, "NOTIFY")
	switch {
	case what == "":
		return false
	case !isNotify || status == 0:
		return true
	case status == 200:
		if err := c.apply(strings.Trim(body, " ()")); err != nil {
			w.t.Fatal(err)
		}
	}
	p.Respond(status, "NOTIFY", "")
	return true
}

// crowd is the surroundings of many devices that answer at once, or never.
type crowd struct {
	targets []registrar.Target // by user
	silent  bool
	each    func() // NOTIFY that was sent
	mu      sync.Mutex
	sent    int
	late    []func()
}

func (c *crowd) Lookup(u store.UserID) []registrar.Target { return c.targets[u : u+1] }

func (c *crowd) Resolve(*sip.Uri, func(registrar.Resolved)) (registrar.Resolved, bool) {
	return registrar.Resolved{}, true
}

func (c *crowd) Local(*transport.Flow) (string, int) { return "192.0.2.1", 5061 }

func (c *crowd) Send(req *sip.Request, _ *transport.Flow, on func(*transaction.Client, *sip.Response, error)) *transaction.Client {
	answer := func() { on(nil, wire.NewResponse(req, 200, ""), nil) }
	c.mu.Lock()
	c.sent++
	if c.silent {
		c.late = append(c.late, answer)
		answer = func() {}
	}
	c.mu.Unlock()
	answer()
	if c.each != nil {
		c.each()
	}
	return nil
}

// newCrowd subscribes n devices to the team.
func newCrowd(n int, reg prometheus.Registerer) (*crowd, *Notifier, *rooms) {
	c := &crowd{targets: make([]registrar.Target, n)}
	p := &rooms{versions: map[string]int64{"team@example.com": 1}}
	notifier := New(Config{Packages: []Package{p}, Locations: c, Transactions: c, Flows: c, Registerer: reg})
	var rows []store.Subscription
	for i := range n {
		c.targets[i] = registrar.Target{Device: store.Device{ID: 1}, Flow: transport.NewFlow(&transport.Flow{ID: uint64(i + 1), Transport: "TLS"}, nil)}
		rows = append(rows, store.Subscription{Package: "conference", Resource: "team@example.com", User: store.UserID(i), Device: 1,
			CallID: fmt.Sprint("call-", i), LocalTag: "us", RemoteTag: "them", Event: "conference", Version: 1,
			Subscriber: "sip:someone@example.com", Expires: time.Now().Add(time.Hour)})
	}
	_ = notifier.Restore(context.Background(), func(_ context.Context, fn func(store.Subscription) error) error {
		for _, row := range rows {
			_ = fn(row)
		}
		return nil
	})
	return c, notifier, p
}

// Who publishes to thousands does not wait for them, not even for their documents to
// be made, and the slow ones stop nobody.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		c, n, p := newCrowd(3000, reg)
		defer n.Close()
		c.silent = true
		var made sync.Map
		hold := make(chan struct{})
		p.versions["team@example.com"] = 2
		for u := range store.UserID(3000) {
			n.Reachable(u, 1)
		}
		synctest.Wait()
		if c.sent != 3000 {
			t.Fatalf("%d NOTIFYs", c.sent)
		}
		for v := int64(3); v < 6; v++ {
			n.Publish("conference", "team@example.com", func(s *Subscription) (Document, bool) {
				<-hold
				made.Store(s.User, true)
				return document("team", v), true
			})
		}
		close(hold)
		synctest.Wait()
		if c.sent != 3000 {
			t.Errorf("%d NOTIFYs while one is under way to each", c.sent)
		}
		for range 3 {
			late := c.late
			c.late = nil
			for _, answer := range late {
				answer()
			}
			synctest.Wait()
		}
		if c.sent != 4*3000 {
			t.Errorf("%d NOTIFYs", c.sent)
		}
		for name, want := range map[string]float64{"subscriptions": 3000, "notifies_total": 4 * 3000} {
			if got := metric(t, reg, "sparkle_event_"+name); got != want {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
		if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	})
}

// metric reads one value.
func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// BenchmarkPublish is a change told to 1000 devices: how long who publishes is held
// up, and what a NOTIFY costs until its 200 is dealt with.
func BenchmarkPublish(b *testing.B) {
	c, n, p := newCrowd(1000, nil)
	defer n.Close()
	body := []byte(strings.Repeat("x", 300))
	var held time.Duration
	var done sync.WaitGroup
	c.each = done.Done
	b.ReportAllocs()
	for b.Loop() {
		done.Add(1000)
		p.mu.Lock()
		p.versions["team@example.com"]++
		version := p.versions["team@example.com"]
		p.mu.Unlock()
		start := time.Now()
		n.Publish("conference", "team@example.com", func(*Subscription) (Document, bool) {
			return Document{Type: "application/conference-info+xml", Body: body, Version: version}, true
		})
		held += time.Since(start)
		done.Wait()
	}
	b.ReportMetric(float64(held.Microseconds())/float64(b.N), "µs-held/publish")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/notify")
}

package media_test

import (
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/media"
)

// loopback is where everything in these tests happens.
var loopback = netip.MustParseAddr("127.0.0.1")

func newEngine(t testing.TB, change ...func(*media.Config)) *media.Engine {
	t.Helper()
	c := media.Config{Loops: 1, FirstPort: 20000, LastPort: 29999, Rest: time.Nanosecond, Log: slog.New(slog.NewTextHandler(testLog{t}, nil))}
	for _, f := range change {
		f(&c)
	}
	e, err := media.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error("close the engine:", err)
		}
	})
	return e
}

// testLog shows the log of an engine when a test fails.
type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(string(b))
	return len(b), nil
}

// events are those of one session.
type events struct {
	mu   sync.Mutex
	list []media.Event
	came chan media.Event
}

func newEvents() *events { return &events{came: make(chan media.Event, 16)} }

func (e *events) on(ev media.Event) {
	e.mu.Lock()
	e.list = append(e.list, ev)
	e.mu.Unlock()
	e.came <- ev
}

// await is the next event, which has to be of a kind.
func (e *events) await(t testing.TB, kind media.EventKind) (next media.Event) {
	t.Helper()
	select {
	case next = <-e.came:
	case <-time.After(patience):
		t.Fatalf("no event of kind %d", kind)
	}
	if next.Kind != kind {
		t.Fatalf("event of kind %d, want %d", next.Kind, kind)
	}
	return next
}

// profile is what a leg to such a phone may do.
func (f flavour) profile() media.Profile {
	p := media.Profile{SRTP: media.Require, Offer: media.SDES, Secure: true, Local: loopback, Peer: loopback, NAT: true, ICE: f.ice}
	switch {
	case f.dtls:
		p.Offer = media.DTLS
	case f.name == "osrtp":
		p.SRTP = media.Prefer
	case f.suites == nil:
		p.SRTP, p.Offer = media.Forbid, media.Plain
	}
	return p
}

// call is a session of two phones that talk.
type call struct {
	t              testing.TB
	engine         *media.Engine
	session        *media.Session
	events         *events
	caller, callee *phone
	a, b           *media.Leg
}

// newCall sets a call up: offer, answer and whatever keys need.
func newCall(t testing.TB, e *media.Engine, caller, callee *phone) *call {
	t.Helper()
	c := &call{t: t, engine: e, events: newEvents(), caller: caller, callee: callee}
	c.session = e.NewSession(c.events.on)
	t.Cleanup(c.session.Close)
	c.a, c.b = c.session.NewLeg(caller.profile()), c.session.NewLeg(callee.profile())
	c.exchange(caller, callee, c.a, c.b)
	c.session.Connect(c.a, c.b)
	c.secured()
	return c
}

// secured waits until both ends of all DTLS associations have their keys.
func (c *call) secured() {
	c.t.Helper()
	c.caller.secured()
	c.callee.secured()
	for _, l := range []*media.Leg{c.a, c.b} {
		for i := range l.Report() {
			for begun := time.Now(); l.Report()[i].Security == "DTLS"; {
				if time.Since(begun) > patience {
					c.t.Fatal("the relay never had the keys of a DTLS association")
				}
				runtime.Gosched()
			}
		}
	}
}

// exchange is one offer from a phone to another and the answer.
func (c *call) exchange(from, to *phone, a, b *media.Leg) {
	c.t.Helper()
	c.negotiate(from.offer(), from, to, a, b)
}

// negotiate is an exchange with an offer of the test's own.
func (c *call) negotiate(offer []byte, from, to *phone, a, b *media.Leg) {
	c.t.Helper()
	if err := a.TakeOffer(offer); err != nil {
		c.t.Fatal("take the offer:", err)
	}
	made, err := b.MakeOffer(a)
	if err != nil {
		c.t.Fatal("make the offer:", err)
	}
	var answer []byte
	c.session.Together(func() { // as calls do
		if err := b.TakeAnswer(to.answer(made)); err != nil {
			c.t.Fatal("take the answer:", err)
		}
		if answer, err = a.MakeAnswer(b); err != nil {
			c.t.Fatal("make the answer:", err)
		}
	})
	c.settle()
	from.accept(answer)
}

// settle waits until the loop did what it was told.
func (c *call) settle() { c.engine.Usage() }

// talk lets both sides of every line send n packets, all of which must arrive.
func (c *call) talk(n int) {
	c.t.Helper()
	for i := range c.caller.lines {
		c.speak(c.caller.lines[i], c.callee.lines[i], n)
		c.speak(c.callee.lines[i], c.caller.lines[i], n)
	}
}

// speak sends n packets that the other side must hear, unchanged in their payload.
func (c *call) speak(from, to *line, n int) {
	c.t.Helper()
	before := to.count()
	first := from.send(n)
	to.await("media", func() bool { return len(to.heard) >= before+n })
	to.mu.Lock()
	defer to.mu.Unlock()
	for i, p := range to.heard[before:] {
		want := first + uint16(i)
		if len(p.Payload) != 160 || p.Payload[0] != byte(want>>8) || p.Payload[1] != byte(want) {
			c.t.Fatalf("packet %d arrived with another payload", i)
		}
	}
	if bad := to.media.bad.Load(); bad != 0 {
		c.t.Fatalf("%d packets could not be decrypted", bad)
	}
}

// silent checks that nothing reaches a line while f runs and another line
// speaks: what comes through that one shows that the relay is done with f.
func (c *call) silent(l *line, f func(), marker func()) {
	c.t.Helper()
	before := l.count()
	f()
	marker()
	if after := l.count(); after != before {
		c.t.Fatalf("%d packets arrived that should not", after-before)
	}
}

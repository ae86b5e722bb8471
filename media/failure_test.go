package media_test

import (
	"errors"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/sparkleim/sparkle/media"
)

// TestPanicEndsOneSession lets a packet of one call make the program fail: that
// call ends, its owner is told, its ports are given back, and its neighbours on
// the same loop go on.
func TestPanicEndsOneSession(t *testing.T) {
	e := newEngine(t)
	broken := newCall(t, e, newPhone(t, sdesPhone, "audio"), newPhone(t, plainPhone))
	neighbour := newCall(t, e, newPhone(t, sdesPhone, "audio"), newPhone(t, plainPhone))
	broken.talk(5)
	broken.a.Break()
	broken.caller.lines[0].send(1)
	if ev := broken.events.await(t, media.EventFailed); ev.Text == "" {
		t.Error("an event without a text")
	}
	neighbour.talk(5)
	if u := e.Usage(); u.Ports != 4 || u.Sessions != 2 {
		t.Errorf("%+v in use, want the ports of the neighbour only", u)
	}
	broken.session.Close()
	if u := e.Usage(); u.Sessions != 1 {
		t.Errorf("%d sessions", u.Sessions)
	}
}

// TestAfterTheEnd asks things of what is closed already: they fail, politely.
func TestAfterTheEnd(t *testing.T) {
	e := newEngine(t)
	p := newPhone(t, sdesPhone, "audio")
	open := e.NewSession(nil)
	closed := open.NewLeg(p.profile())
	if closed.Keying() != media.Plain {
		t.Error("a leg that nobody spoke to says something")
	}
	closed.Close()
	closed.Close()
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := e.NewSession(nil)
	other.Connect(closed, open.NewLeg(p.profile()))
	for _, l := range []*media.Leg{closed, open.NewLeg(p.profile()), other.NewLeg(p.profile())} {
		_, made := l.MakeOffer(nil)
		_, answered := l.MakeAnswer(nil)
		for _, err := range []error{l.TakeOffer(p.offer()), l.TakeAnswer(p.offer()), made, answered} {
			if !errors.Is(err, media.ErrState) {
				t.Errorf("error %v, want %v", err, media.ErrState)
			}
		}
		l.Rollback()
		l.Close()
		if r := l.Report(); len(r) != 0 {
			t.Errorf("report %v", r)
		}
	}
	other.Close()
}

// TestLossAndOrder lets packets of the peer get lost, come late and come twice.
func TestLossAndOrder(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, sdesPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, sdesPhone))
			from, to := c.caller.lines[0], c.callee.lines[0]
			c.talk(5)
			packets := make([][]byte, 20)
			for i := range packets {
				packets[i] = from.seal(from.next())
			}
			order := []int{1, 0, 2, 4, 3, 3, 7, 6, 5, 19, 12, 12}
			for _, i := range order {
				from.media.conn.WriteToUDPAddrPort(packets[i], from.remote)
			}
			to.await("what was not lost", func() bool { return len(to.heard) == 15 })
			first := to.heard[4].SequenceNumber + 1
			for i, at := range []int{1, 0, 2, 4, 3, 7, 6, 5, 19, 12} {
				if got := to.heard[5+i].SequenceNumber - first; int(got) != at {
					t.Errorf("packet %d arrived as number %d, want %d", i, got, at)
				}
			}
			if r := c.a.Report()[0]; r.Lost < 8 || r.Lost > 10 {
				t.Errorf("%d lost, want about 10", r.Lost)
			}
		})
	}
}

// TestSilence tells of a peer from whom nothing comes: as often as it was silent
// for a minute since it was heard, or connected.
func TestSilence(t *testing.T) {
	e := newEngine(t)
	c := newCall(t, e, newPhone(t, plainPhone, "audio"), newPhone(t, sdesPhone))
	c.talk(5)
	c.b.Age(50 * time.Second)
	c.a.Age(50 * time.Second)
	c.a.Age(11 * time.Second)
	if ev := c.events.await(t, media.EventSilent); ev.Leg != c.a || ev.Text == "" {
		t.Errorf("event %+v", ev)
	}
	c.a.Age(50 * time.Second) // not again already
	c.a.Age(11 * time.Second)
	c.events.await(t, media.EventSilent)
	c.talk(5) // both are heard
	c.b.Age(50 * time.Second)
	c.session.Connect(c.a, c.b) // the answer
	c.b.Age(50 * time.Second)
	c.b.Age(11 * time.Second)
	if ev := c.events.await(t, media.EventSilent); ev.Leg != c.b {
		t.Error("the other leg was told of")
	}
	if n := len(c.events.list); n != 3 {
		t.Errorf("%d events", n)
	}
}

// TestSilenceOnHold has patience with a peer that is not to send, and hears the
// reports of one that sends nothing else.
func TestSilenceOnHold(t *testing.T) {
	e := newEngine(t)
	c := newCall(t, e, newPhone(t, plainPhone, "audio"), newPhone(t, sdesPhone))
	c.talk(5)
	callee := c.callee.lines[0]
	c.caller.lines[0].direction, callee.direction = "sendonly", "recvonly"
	c.exchange(c.caller, c.callee, c.a, c.b)
	c.b.Age(59 * time.Minute)
	callee.report(&rtcp.ReceiverReport{SSRC: callee.ssrc, Reports: []rtcp.ReceptionReport{{SSRC: callee.heard[0].SSRC, TotalLost: 7}}})
	for c.b.Report()[0].LostRemote != 7 {
	}
	c.b.Age(59 * time.Minute)
	c.b.Age(2 * time.Minute)
	if ev := c.events.await(t, media.EventSilent); ev.Leg != c.b {
		t.Errorf("event %+v", ev)
	}
	if n := len(c.events.list); n != 1 {
		t.Errorf("%d events", n)
	}
}

package media_test

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/pion/rtcp"
	"github.com/sparkleim/sparkle/media"
)

// TestHold puts a call on hold, with music for who is held, and back.
func TestHold(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, sdesPhone, icePhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, f))
			c.talk(5)
			caller, callee := c.caller.lines[0], c.callee.lines[0]
			caller.direction, callee.direction = "sendonly", "recvonly"
			c.exchange(c.caller, c.callee, c.a, c.b)
			c.silent(caller, func() { callee.send(5) }, func() { c.speak(caller, callee, 5) })

			caller.direction, callee.direction = "sendrecv", "sendrecv"
			c.exchange(c.caller, c.callee, c.a, c.b)
			c.talk(5)
		})
	}
}

// TestResume goes on after a hold during which who was held went on sending: the
// other phone sees a silence, no loss.
func TestResume(t *testing.T) {
	e := newEngine(t)
	c := newCall(t, e, newPhone(t, plainPhone, "audio"), newPhone(t, sdesPhone))
	c.talk(5)
	caller, callee := c.caller.lines[0], c.callee.lines[0]
	caller.direction, callee.direction = "sendonly", "recvonly"
	c.exchange(c.caller, c.callee, c.a, c.b)
	c.silent(caller, func() { callee.send(50) }, func() { c.speak(caller, callee, 5) })
	for c.b.Report()[0].Dropped["held"] < 50 {
	}
	caller.direction, callee.direction = "sendrecv", "sendrecv"
	c.exchange(c.caller, c.callee, c.a, c.b)
	c.talk(5)
	caller.mu.Lock()
	defer caller.mu.Unlock()
	for i, p := range caller.heard[1:] {
		if before := caller.heard[i]; p.SequenceNumber != before.SequenceNumber+1 {
			t.Errorf("packet %d has number %d after %d", i+1, p.SequenceNumber, before.SequenceNumber)
		}
	}
	if at := caller.heard[5]; !at.Marker {
		t.Error("the talkspurt after the hold is not marked")
	}
}

// TestOldHold holds as RFC 2543 did, by c=0.0.0.0: no media, but reports, and the
// address that was learned is not forgotten.
func TestOldHold(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, sdesPhone} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, f))
			c.talk(5)
			caller, callee := c.caller.lines[0], c.callee.lines[0]
			offer := bytes.Replace(c.caller.offer(), []byte("c=IN IP4 127.0.0.1"), []byte("c=IN IP4 0.0.0.0"), 1)
			c.negotiate(offer, c.caller, c.callee, c.a, c.b)
			c.silent(caller, func() { callee.send(5) }, func() { c.settle() })
			awaitSender(caller, 0)
			c.exchange(c.caller, c.callee, c.a, c.b)
			c.talk(5)
		})
	}
}

// TestRefresh repeats an offer: nothing changes, not even roll-over counters and
// the ports, and the text stays the same.
func TestRefresh(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{sdesPhone, gcmPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, f))
			c.caller.lines[0].sequence = 65500
			c.talk(20)
			c.talk(30) // rolls over
			ports := e.Usage().Ports
			for range 2 {
				c.exchange(c.caller, c.callee, c.a, c.b)
				c.talk(5)
				c.exchange(c.callee, c.caller, c.b, c.a)
				c.talk(5)
			}
			if now := e.Usage().Ports; now != ports {
				t.Errorf("%d ports, had %d", now, ports)
			}
		})
	}
}

// TestNewKeys changes the keys of one side, then of the other.
func TestNewKeys(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{sdesPhone, gcmPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, f))
			c.talk(5)
			c.caller.rekey()
			c.exchange(c.caller, c.callee, c.a, c.b)
			c.talk(5)
			c.callee.lines[0].offered = []sdes{newSDES(1, f.suites[0])}
			c.exchange(c.callee, c.caller, c.b, c.a)
			c.talk(5)
		})
	}
}

// TestGlare refuses an offer while another is pending, and takes it back.
func TestGlare(t *testing.T) {
	e := newEngine(t)
	c := newCall(t, e, newPhone(t, sdesPhone, "audio"), newPhone(t, sdesPhone))
	c.talk(5)
	before := e.Usage()
	c.caller.addLine("video")
	if err := c.a.TakeOffer(c.caller.offer()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.b.MakeOffer(c.a); err != nil {
		t.Fatal(err)
	}
	if err := c.b.TakeOffer(c.callee.offer()); !errors.Is(err, media.ErrState) {
		t.Errorf("glare: %v", err)
	}
	if err := c.a.TakeOffer(c.caller.offer()); !errors.Is(err, media.ErrState) {
		t.Errorf("two offers: %v", err)
	}
	if err := c.a.TakeAnswer(c.caller.offer()); !errors.Is(err, media.ErrState) {
		t.Errorf("an answer to no offer: %v", err)
	}
	c.a.Rollback()
	c.b.Rollback()
	if now := e.Usage(); now != before {
		t.Errorf("after rollback %+v, before %+v", now, before)
	}
	c.caller.lines = c.caller.lines[:1]
	c.talk(5)
	c.exchange(c.caller, c.callee, c.a, c.b)
	c.talk(5)
}

// TestVideoComesAndGoes adds a video line to a call and takes it away again.
func TestVideoComesAndGoes(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, sdesPhone, dtlsPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, f))
			c.talk(5)
			before := e.Usage().Ports
			c.caller.addLine("video")
			c.exchange(c.caller, c.callee, c.a, c.b)
			c.secured()
			c.talk(5)
			if now := e.Usage().Ports; now != 2*before {
				t.Errorf("%d ports with video, %d without", now, before)
			}
			c.caller.lines[1].stopped = true
			c.exchange(c.caller, c.callee, c.a, c.b)
			if now := e.Usage().Ports; now != before {
				t.Errorf("%d ports after video, %d before", now, before)
			}
			c.speak(c.caller.lines[0], c.callee.lines[0], 5)
			c.speak(c.callee.lines[0], c.caller.lines[0], 5)
		})
	}
}

// TestFork lets two branches ring with early media; one of them answers. The
// caller hears one stream, whoever sends it.
func TestFork(t *testing.T) {
	e := newEngine(t)
	events := newEvents()
	caller, first, second := newPhone(t, sdesPhone, "audio"), newPhone(t, gcmPhone), newPhone(t, plainPhone)
	s := e.NewSession(events.on)
	defer s.Close()
	a := s.NewLeg(caller.profile())
	if err := a.TakeOffer(caller.offer()); err != nil {
		t.Fatal(err)
	}
	branches := map[*phone]*media.Leg{}
	ports := map[int]bool{}
	for _, p := range []*phone{first, second} {
		b := s.NewLeg(p.profile())
		offer, err := b.MakeOffer(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.TakeAnswer(p.answer(offer)); err != nil {
			t.Fatal(err)
		}
		branches[p] = b
		ports[parse(offer)[0].port] = true
	}
	if len(ports) != 2 {
		t.Error("two branches share a port")
	}
	var answers [][]byte
	for _, p := range []*phone{first, second} {
		answer, err := a.MakeAnswer(branches[p])
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
		caller.accept(answer)
		s.Connect(a, branches[p])
		c := &call{t: t, engine: e, caller: caller, callee: p}
		c.settle()
		c.talk(10)
	}
	if !bytes.Equal(answers[0], answers[1]) {
		t.Errorf("the caller's answer changed:\n%s\n%s", answers[0], answers[1])
	}
	// Who lost may go on for a while.
	c := &call{t: t, engine: e, caller: caller, callee: second}
	c.silent(caller.lines[0], func() { first.lines[0].send(5) }, func() { c.speak(caller.lines[0], second.lines[0], 5) })
	before := e.Usage()
	branches[first].Close()
	if now := e.Usage(); now.Ports != before.Ports-2 || now.Legs != before.Legs-1 {
		t.Errorf("after a branch: %+v, before %+v", now, before)
	}
	c.talk(10)
	for i, p := range caller.lines[0].heard {
		if h := caller.lines[0].heard[0]; p.SSRC != h.SSRC || p.SequenceNumber != h.SequenceNumber+uint16(i) {
			t.Fatalf("packet %d is %d of %x, the first was %d of %x", i, p.SequenceNumber, p.SSRC, h.SequenceNumber, h.SSRC)
		}
	}
}

// TestLateOffer begins with an INVITE without SDP: the callee offers, the caller
// answers in its ACK.
func TestLateOffer(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, sdesPhone, dtlsPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := &call{t: t, engine: e, caller: newPhone(t, f), callee: newPhone(t, f, "audio")}
			c.session = e.NewSession(nil)
			defer c.session.Close()
			c.a, c.b = c.session.NewLeg(f.profile()), c.session.NewLeg(f.profile())
			c.session.Connect(c.a, c.b)
			c.exchange(c.callee, c.caller, c.b, c.a)
			c.secured()
			c.talk(5)
		})
	}
}

// TestSecondAnswer takes a later answer to one offer, of another phone behind the
// branch: it replaces the first (RFC 3261 §13.2.1 allows it of forking proxies).
func TestSecondAnswer(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, sdesPhone, dtlsPhone} {
		t.Run(f.name, func(t *testing.T) {
			caller, first, second := newPhone(t, sdesPhone, "audio"), newPhone(t, f), newPhone(t, f)
			c := &call{t: t, engine: e, caller: caller, callee: first, session: e.NewSession(nil)}
			defer c.session.Close()
			c.a, c.b = c.session.NewLeg(caller.profile()), c.session.NewLeg(f.profile())
			c.session.Connect(c.a, c.b)
			if err := c.a.TakeOffer(caller.offer()); err != nil {
				t.Fatal(err)
			}
			offer, err := c.b.MakeOffer(c.a)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []*phone{first, second} {
				c.callee = p
				if err := c.b.TakeAnswer(p.answer(offer)); err != nil {
					t.Fatal(err)
				}
				answer, err := c.a.MakeAnswer(c.b)
				if err != nil {
					t.Fatal(err)
				}
				c.settle()
				caller.accept(answer)
				c.secured()
				c.talk(10)
			}
		})
	}
}

// TestNewPorts lets a phone change its ports by a new offer.
func TestNewPorts(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, gcmPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, f))
			c.talk(5)
			l := c.caller.lines[0]
			seal, open := l.media.seal, l.media.open
			l.media.conn.Close()
			l.media, l.control = openPair(c.caller)
			l.media.mu.Lock()
			l.media.seal, l.media.open = seal, open
			l.media.mu.Unlock()
			c.exchange(c.caller, c.callee, c.a, c.b)
			c.talk(5)
		})
	}
}

// TestOwnOffer offers to a phone without anybody on the other side.
func TestOwnOffer(t *testing.T) {
	e := newEngine(t)
	p := newPhone(t, sdesPhone)
	s := e.NewSession(nil)
	defer s.Close()
	l := s.NewLeg(p.profile())
	offer, err := l.MakeOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.TakeAnswer(p.answer(offer)); err != nil {
		t.Fatal(err)
	}
	if r := l.Report(); len(r) != 1 || r[0].Kind != "audio" || r[0].Security != "AES_CM_128_HMAC_SHA1_80" {
		t.Errorf("report %+v", r)
	}
	if l.Keying() != media.SDES {
		t.Error("keying", l.Keying())
	}
}

// TestFamilies lets a phone of IPv6 call one of IPv4.
func TestFamilies(t *testing.T) {
	e := newEngine(t)
	six := netip.IPv6Loopback()
	for _, f := range []flavour{plainPhone, sdesPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := &call{t: t, engine: e, caller: newPhoneAt(t, f, six, "audio"), callee: newPhone(t, f)}
			c.session = e.NewSession(nil)
			defer c.session.Close()
			p := f.profile()
			p.Local, p.Peer = six, six
			c.a, c.b = c.session.NewLeg(p), c.session.NewLeg(f.profile())
			c.exchange(c.caller, c.callee, c.a, c.b)
			c.session.Connect(c.a, c.b)
			c.settle()
			c.talk(5)
		})
	}
}

// TestFax switches a call from voice to T.38 in place.
func TestFax(t *testing.T) {
	e := newEngine(t)
	f := plainPhone
	c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, f))
	c.talk(5)
	for _, p := range []*phone{c.caller, c.callee} {
		p.lines[0].become("image")
	}
	c.exchange(c.caller, c.callee, c.a, c.b)
	for _, way := range [][2]*phone{{c.caller, c.callee}, {c.callee, c.caller}} {
		from, to := way[0].lines[0], way[1].lines[0]
		want := [][]byte{{0, 1, 1, 0xc0, 7}, []byte("not RTP at all"), {0x80, 0, 0, 2, 9}}
		for _, b := range want {
			from.media.conn.WriteToUDPAddrPort(b, from.remote)
		}
		to.await("facsimile", func() bool { return len(to.opaque) == len(want) })
		for i, b := range want {
			if !bytes.Equal(b, to.opaque[i]) {
				t.Errorf("datagram %d changed", i)
			}
		}
	}
	if r := c.a.Report()[0]; r.PacketsReceived != 8 || r.PacketsSent != 8 {
		t.Errorf("report %+v", r)
	}
}

// TestReportAtTheEnd tells the same of a call that is over as of one that goes on,
// how ever many ask and whether there is an engine still.
func TestReportAtTheEnd(t *testing.T) {
	e := newEngine(t)
	c := newCall(t, e, newPhone(t, gcmPhone, "audio"), newPhone(t, plainPhone))
	c.talk(5)
	before := c.a.Report()
	c.session.Close()
	for range 2 {
		if after := c.a.Report(); !reflect.DeepEqual(after, before) || after[0].PacketsReceived == 0 {
			t.Errorf("%+v, before the end %+v", after, before)
		}
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := c.a.Report(); !reflect.DeepEqual(after, before) {
		t.Errorf("%+v without an engine, before the end %+v", after, before)
	}
}

// TestZRTP lets plain phones agree on keys of their own: nothing of it changes.
func TestZRTP(t *testing.T) {
	e := newEngine(t)
	c := newCall(t, e, newPhone(t, plainPhone, "audio"), newPhone(t, plainPhone))
	caller, callee := c.caller.lines[0], c.callee.lines[0]
	hello := append([]byte{0x10, 0, 0, 1, 'Z', 'R', 'T', 'P'}, make([]byte, 40)...)
	caller.media.conn.WriteToUDPAddrPort(hello, caller.remote)
	callee.await("ZRTP", func() bool { return len(callee.opaque) == 1 && bytes.Equal(callee.opaque[0], hello) })
	c.talk(5)
	bye := &rtcp.Goodbye{Sources: []uint32{caller.ssrc}, Reason: "secret"}
	caller.report(bye) // might be encrypted: nobody here can tell
	callee.await("RTCP as it was", func() bool {
		return slices.ContainsFunc(callee.reports, func(p rtcp.Packet) bool { return reflect.DeepEqual(p, bye) })
	})
	if p := callee.heard[0]; p.SSRC != caller.ssrc || p.SequenceNumber != 100 {
		t.Errorf("RTP changed on its way: %+v", p.Header)
	}
	if r := c.a.Report()[0]; r.Security != "ZRTP" {
		t.Errorf("security %q", r.Security)
	}
}

// TestErrorsLeaveNothing goes through everything that refuses a description: no
// port stays behind, and no text tells a key.
func TestErrorsLeaveNothing(t *testing.T) {
	e := newEngine(t)
	plain, sdes := newPhone(t, plainPhone, "audio"), newPhone(t, sdesPhone, "audio")
	strict := sdesPhone.profile()
	lied := bytes.ReplaceAll(sdes.offer(), []byte("127.0.0.1"), []byte("169.254.169.254"))
	for _, test := range []struct {
		name    string
		profile media.Profile
		offer   []byte
		want    error
	}{
		{"garbage", strict, []byte("hello"), media.ErrMalformed},
		{"nothing", strict, nil, media.ErrMalformed},
		{"plain", strict, plain.offer(), media.ErrInsecure},
		{"metadata", strict, lied, media.ErrNotAcceptable},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := e.NewSession(nil)
			defer s.Close()
			l := s.NewLeg(test.profile)
			if err := l.TakeOffer(test.offer); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if u := e.Usage(); u.Ports != 0 {
				t.Errorf("%d ports in use", u.Ports)
			}
		})
	}
}

// TestExhaustion offers until no port is left: the error says so, and what was
// opened half is given back.
func TestExhaustion(t *testing.T) {
	e := newEngine(t, func(c *media.Config) { c.FirstPort, c.LastPort = 31490, 31495 })
	caller := newPhone(t, sdesPhone, "audio", "video")
	s := e.NewSession(nil)
	defer s.Close()
	a := s.NewLeg(caller.profile())
	if err := a.TakeOffer(caller.offer()); err != nil {
		t.Fatal(err)
	}
	b := s.NewLeg(caller.profile())
	if _, err := b.MakeOffer(a); err != nil {
		t.Fatal(err)
	}
	other := s.NewLeg(caller.profile())
	if _, err := other.MakeOffer(a); !errors.Is(err, media.ErrExhausted) {
		t.Fatalf("error %v, want %v", err, media.ErrExhausted)
	}
	if u := e.Usage(); u.Ports != 4 {
		t.Errorf("%d ports in use, want 4", u.Ports)
	}
	b.Rollback()
	if u := e.Usage(); u.Ports != 0 {
		t.Errorf("%d ports in use, want none", u.Ports)
	}
}

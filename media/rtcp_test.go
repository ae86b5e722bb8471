package media_test

import (
	"testing"

	"github.com/pion/rtcp"
)

// TestReports lets the relay report on its own behalf, as every leg wants: a
// sender report of what it sends, the loss of what it gets, and the round trip
// from what the phone answers.
func TestReports(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, gcmPhone, webPhone} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c := newCall(t, e, newPhone(t, sdesPhone, "audio"), newPhone(t, f))
			from, to := c.caller.lines[0], c.callee.lines[0]
			c.talk(10)
			to.next() // is lost on its way
			c.talk(10)
			sr := awaitSender(to, 20)
			if sr.PacketCount != 20 || sr.OctetCount != 20*160 {
				t.Errorf("sender report of %d packets, %d bytes", sr.PacketCount, sr.OctetCount)
			}
			if len(sr.Reports) != 1 || sr.Reports[0].SSRC != to.ssrc || sr.Reports[0].TotalLost != 1 {
				t.Errorf("report blocks %+v", sr.Reports)
			}
			if sr.SSRC == from.ssrc {
				t.Error("the SSRC of the other side came through")
			}
			to.report(&rtcp.ReceiverReport{SSRC: to.ssrc, Reports: []rtcp.ReceptionReport{
				{SSRC: sr.SSRC, TotalLost: 3, LastSenderReport: uint32(sr.NTPTime >> 16)}}})
			for r := c.b.Report()[0]; ; r = c.b.Report()[0] {
				if r.LostRemote == 3 {
					if r.RoundTrip <= 0 || r.RoundTrip > patience || r.Lost != 1 || r.MOS < 1 {
						t.Errorf("report %+v", r)
					}
					return
				}
			}
		})
	}
}

// TestOneName calls all streams of a leg by one name, which tells the peer that they
// belong together (RFC 3550 §6.5.1), and those of another leg by another.
func TestOneName(t *testing.T) {
	e := newEngine(t)
	c := newCall(t, e, newPhone(t, plainPhone, "audio", "video"), newPhone(t, sdesPhone))
	c.talk(5)
	var names []string
	for _, l := range append(c.caller.lines, c.callee.lines...) {
		l.await("a name", func() bool {
			for _, p := range l.reports {
				if d, ok := p.(*rtcp.SourceDescription); ok {
					names = append(names, d.Chunks[0].Items[0].Text)
					return true
				}
			}
			return false
		})
	}
	if names[0] != names[1] || names[2] != names[3] || names[0] == names[2] {
		t.Errorf("names %q", names)
	}
}

// TestGoodbye takes leave of both peers when their call ends: of who was sent
// something, under the number by which he knows us.
func TestGoodbye(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, gcmPhone, webPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, sdesPhone, "audio"), newPhone(t, f))
			c.talk(5)
			c.session.Close()
			for _, l := range []*line{c.caller.lines[0], c.callee.lines[0]} {
				l.await("a goodbye", func() bool {
					for _, p := range l.reports {
						if bye, ok := p.(*rtcp.Goodbye); ok {
							return len(bye.Sources) == 1 && bye.Sources[0] == l.heard[0].SSRC
						}
					}
					return false
				})
			}
		})
	}
}

// TestNoGoodbye says nothing to a branch that has never been connected: it would
// be the first that it hears of us.
func TestNoGoodbye(t *testing.T) {
	e := newEngine(t)
	c := newCall(t, e, newPhone(t, plainPhone, "audio"), newPhone(t, plainPhone))
	other := newPhone(t, plainPhone)
	b := c.session.NewLeg(other.profile())
	offer, err := b.MakeOffer(c.a)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.TakeAnswer(other.answer(offer)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	c.talk(5) // over the same loop, so the relay is done with the other
	other.lines[0].mu.Lock()
	defer other.lines[0].mu.Unlock()
	if n := len(other.lines[0].reports); n != 0 {
		t.Errorf("%d reports to somebody who was never spoken to", n)
	}
}

// awaitSender waits for a sender report of n packets at least: one may have been due
// before they were all sent.
func awaitSender(l *line, n uint32) (sr *rtcp.SenderReport) {
	l.phone.Helper()
	l.await("a sender report", func() bool {
		for _, p := range l.reports {
			if found, ok := p.(*rtcp.SenderReport); ok && found.PacketCount >= n {
				sr = found
			}
		}
		return sr != nil
	})
	return sr
}

// TestPictureRequest takes a request for a picture to who sends it, in the SSRC
// that it knows as its own.
func TestPictureRequest(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, sdesPhone, dtlsPhone, webPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, f, "audio", "video"), newPhone(t, sdesPhone))
			c.talk(5)
			from, to := c.caller.lines[1], c.callee.lines[1]
			to.report(&rtcp.ReceiverReport{SSRC: to.ssrc}, &rtcp.PictureLossIndication{SenderSSRC: to.ssrc, MediaSSRC: to.heard[0].SSRC})
			awaitPicture(from)
		})
	}
}

// awaitPicture waits until the line is asked for a picture, in its own SSRC.
func awaitPicture(l *line) {
	l.phone.Helper()
	l.await("a picture request", func() bool {
		for _, p := range l.reports {
			if pli, ok := p.(*rtcp.PictureLossIndication); ok {
				if pli.MediaSSRC != l.ssrc {
					l.phone.Errorf("asks %x, want %x", pli.MediaSSRC, l.ssrc)
				}
				return true
			}
		}
		return false
	})
}

// TestPictureAtConnect asks a branch that sends video already for a whole
// picture when somebody begins to see it.
func TestPictureAtConnect(t *testing.T) {
	e := newEngine(t)
	c := &call{t: t, engine: e, caller: newPhone(t, sdesPhone, "audio", "video"), callee: newPhone(t, plainPhone), session: e.NewSession(nil)}
	defer c.session.Close()
	c.a, c.b = c.session.NewLeg(c.caller.profile()), c.session.NewLeg(c.callee.profile())
	c.exchange(c.caller, c.callee, c.a, c.b)
	early := c.callee.lines[1]
	early.send(3)
	for c.b.Report()[1].PacketsReceived < 3 {
	}
	c.session.Connect(c.a, c.b)
	awaitPicture(early)
}

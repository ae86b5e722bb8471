package media_test

import (
	"bytes"
	"testing"

	"github.com/sparkleim/sparkle/media"
)

// TestTwoAnswer lets two branches answer, with nothing in common: the caller talks to
// the first, undisturbed by what he is told of the second, and then to the second.
func TestTwoAnswer(t *testing.T) {
	for _, f := range []flavour{plainPhone, sdesPhone, icePhone, webPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newRivals(t, f, "audio")
			c.first.addLine("audio").codecs = []codec{{0, "PCMU/8000"}}
			c.second.addLine("audio").codecs = []codec{{8, "PCMA/8000"}}
			c.ring(c.first)
			answer, err := c.a.MakeAnswer(c.legs[c.first])
			if err != nil {
				t.Fatal(err)
			}
			c.session.Connect(c.a, c.legs[c.first])
			c.settle()
			c.caller.accept(answer)
			c.caller.secured()
			c.ring(c.second)
			talk := func(p *phone) {
				t.Helper()
				c.callee, c.b = p, c.legs[p]
				c.secured()
				c.talk(5)
			}
			talk(c.first)
			preview, err := c.a.PreviewAnswer(c.legs[c.second])
			if err != nil {
				t.Fatal(err)
			}
			talk(c.first)

			c.legs[c.first].Close()
			answer, err = c.a.MakeAnswer(c.legs[c.second])
			if err != nil || !bytes.Equal(answer, preview) {
				t.Errorf("the caller was told\n%s\nand the answer is (%v)\n%s", preview, err, answer)
			}
			c.session.Connect(c.a, c.legs[c.second])
			c.settle()
			c.caller.lines[0].codecs = []codec{{0, "PCMU/8000"}, {8, "PCMA/8000"}}
			c.caller.accept(preview)
			talk(c.second)
		})
	}
}

// TestPreviewOpensNothing refuses to tell of ports that are not open, and opens none.
func TestPreviewOpensNothing(t *testing.T) {
	c := newRivals(t, plainPhone, "audio", "video")
	c.first.addLine("audio")
	c.first.addLine("video").stopped = true
	c.ring(c.first)
	if _, err := c.a.MakeAnswer(c.legs[c.first]); err != nil {
		t.Fatal(err)
	}
	c.ring(c.second)
	before := c.engine.Usage()
	if text, err := c.a.PreviewAnswer(c.legs[c.second]); err == nil {
		t.Errorf("told of video that has no ports:\n%s", text)
	}
	if now := c.engine.Usage(); now != before {
		t.Errorf("in use is %+v, before %+v", now, before)
	}
	for name, from := range map[string]*media.Leg{"nobody": nil, "another call": c.engine.NewSession(nil).NewLeg(plainPhone.profile())} {
		if _, err := c.a.PreviewAnswer(from); err == nil {
			t.Errorf("an answer from %s", name)
		}
	}
	c.a.Close()
	if _, err := c.a.PreviewAnswer(c.legs[c.second]); err == nil {
		t.Error("an answer of a leg that is closed")
	}
}

// rivals is a call with two branches.
type rivals struct {
	call
	first, second *phone
	legs          map[*phone]*media.Leg
}

func newRivals(t *testing.T, f flavour, kinds ...string) *rivals {
	c := &rivals{call: call{t: t, engine: newEngine(t), events: newEvents(), caller: newPhone(t, f, kinds...)},
		first: newPhone(t, sdesPhone), second: newPhone(t, gcmPhone), legs: map[*phone]*media.Leg{}}
	c.session = c.engine.NewSession(c.events.on)
	t.Cleanup(c.session.Close)
	c.a = c.session.NewLeg(c.caller.profile())
	if err := c.a.TakeOffer(c.caller.offer()); err != nil {
		t.Fatal(err)
	}
	return c
}

// ring offers to a branch and takes its answer.
func (c *rivals) ring(p *phone) {
	c.t.Helper()
	b := c.session.NewLeg(p.profile())
	offer, err := b.MakeOffer(c.a)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := b.TakeAnswer(p.answer(offer)); err != nil {
		c.t.Fatal(err)
	}
	c.legs[p] = b
}

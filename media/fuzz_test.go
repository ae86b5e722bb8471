package media_test

import "testing"

// FuzzDescriptions lets both phones say anything at all: nothing panics, and
// every port is given back.
func FuzzDescriptions(f *testing.F) {
	c := sdesTranscript()
	f.Add(c.offer, c.answer)
	for _, kind := range []flavour{plainPhone, dtlsPhone, icePhone, webPhone} {
		p := newPhone(f, kind, "audio", "video")
		f.Add(p.offer(), p.offer())
	}
	e := newEngine(f)
	f.Fuzz(func(t *testing.T, offer, answer []byte) {
		s := e.NewSession(nil)
		a, b := s.NewLeg(icePhone.profile()), s.NewLeg(osrtpPhone.profile())
		s.Connect(a, b)
		for range 2 {
			if a.TakeOffer(offer) != nil {
				break
			}
			made, err := b.MakeOffer(a)
			if err != nil {
				break
			}
			carrier := osrtpPhone.profile()
			carrier.NAT = false // which leads the call back to us
			if s.NewLeg(carrier).TakeOffer(made) != nil {
				t.Errorf("we do not take our own offer:\n%s", made)
			}
			if b.TakeAnswer(answer) == nil {
				a.MakeAnswer(b)
			}
			a.Rollback()
			b.Rollback()
		}
		a.Report()
		s.Close()
		if u := e.Usage(); u.Ports != 0 {
			t.Errorf("%d ports stay", u.Ports)
		}
	})
}

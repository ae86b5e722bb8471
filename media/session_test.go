package media_test

import (
	"testing"
)

// TestPairings lets every kind of phone call every kind, with voice both ways.
func TestPairings(t *testing.T) {
	flavours := []flavour{plainPhone, sdesPhone, gcmPhone, osrtpPhone, dtlsPhone, icePhone, webPhone}
	e := newEngine(t)
	for _, a := range flavours {
		for _, b := range flavours {
			t.Run(a.name+" calls "+b.name, func(t *testing.T) {
				c := newCall(t, e, newPhone(t, a, "audio"), newPhone(t, b))
				c.talk(20)
			})
		}
	}
}

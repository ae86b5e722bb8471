package trunk

import (
	"testing"

	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/store"
)

// The record of a call that was transferred names whom it was transferred to, and
// not the number that the carrier had called before.
func TestTransferIsToldByItsTarget(t *testing.T) {
	story(t, "of a call from the carrier", []store.Trunk{line("t", first)}, func(t *testing.T, w *world) {
		m := newMoved(w)
		m.target = func(*dialog.Session) {}
		m.refer("<sip:1235@example.com>", nil)
		for i, want := range []Inbound{
			{Trunk: "t", Caller: "+4930123456", Dialled: "sip:+86105551234@192.0.2.1", Number: "+86105551234"},
			{Trunk: "t", Caller: "+4930123456", Dialled: "sip:1235@example.com"},
		} {
			about, ok := w.border.Inbound(w.rang[i].CallID)
			if !ok || about.Trunk != want.Trunk || about.Caller != want.Caller || about.Dialled != want.Dialled || about.Number != want.Number {
				t.Errorf("call %d: %+v, want %+v", i+1, about, want)
			}
		}
		m.outside.Do(func() { m.outside.HangUp("") })
	})
}

package trunk

import (
	"testing"

	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/transaction"

	"github.com/emiago/sipgo/sip"
)

// BenchmarkCallOut is a call from inside to a carrier and its end, with the phone
// and the carrier in the same process: two of the five user agents are theirs.
func BenchmarkCallOut(b *testing.B) {
	w := newWorld(b, line("t", first))
	c := w.carrier(first, "UDP")
	c.answer = func(in *transaction.Incoming, tx *transaction.Server) {
		s := c.Accept(in, tx, nil, dialog.Events{}, nil)
		s.Do(func() { s.Fork().Accept(dialog.SDP([]byte("carrier"))) })
	}
	r := Route{Trunk: "t", Number: "+498912345", own: "+86105551234", Shown: "+86105551234"}
	ended := make(chan bool, 1)
	b.ReportAllocs()
	for b.Loop() {
		target := w.border.Target(r, user(), nil)
		w.inside.Call(dialog.Call{
			URI: target.Contact, Flow: target.Flow, From: "<sip:alice@example.com>", Content: dialog.SDP([]byte("inside")),
		}, dialog.Events{
			Answered: func(d *dialog.Dialog, _ *sip.Response) {
				d.Ack(dialog.Content{})
				d.Session().HangUp("")
				ended <- true
			},
		})
		<-ended
	}
}

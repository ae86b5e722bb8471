package dialog

import (
	"fmt"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/wire"
)

// A peer that rings with a thousand tags costs no thousand dialogs, and can still
// answer with another one.
func TestManyRing(t *testing.T) {
	story(t, "a thousand tags", func(t *testing.T, w *world) {
		answer := func(in *transaction.Incoming, tx *transaction.Server, status int, tag string) {
			res := wire.NewResponse(in.Request, status, "", wire.H("Contact", "<sip:b@b.example.com>"))
			res.RemoveHeader("To")
			res.AppendHeader(wire.H("To", "<sip:b@b.example.com>;tag="+tag))
			if err := tx.Respond(res); err != nil {
				t.Error(err)
			}
		}
		w.b.accept = func(in *transaction.Incoming, tx *transaction.Server) {
			for i := range 1000 {
				answer(in, tx, 180, fmt.Sprint("tag", i))
			}
			time.AfterFunc(time.Second, func() { answer(in, tx, 200, "last") })
		}
		rang, answered := 0, ""
		s := w.call(Events{
			Progress: func(*Dialog, *sip.Response) { rang++ },
			Answered: func(d *Dialog, _ *sip.Response) { answered = d.remoteTag; d.Ack(Content{}) },
		})
		pass(500 * time.Millisecond)
		s.Do(func() {
			if rang != 1000 || len(s.dialogs) != maxEarly {
				t.Errorf("it rang %d times, with %d dialogs", rang, len(s.dialogs))
			}
		})
		pass(2 * time.Second)
		if answered != "last" {
			t.Errorf("answered by %q", answered)
		}
		s.Do(func() { s.HangUp("") })
		pass(time.Second)
	})
}

package e2e

import (
	"testing"
)

// A newcomer with one phone hears himself, whatever his phone does about
// encryption, and after he has held the call too.
func TestEchoCall(t *testing.T) {
	s := startServer(t)
	for _, caller := range []side{baresips[0], baresips[4], linphones[1]} {
		t.Run(caller.String(), func(t *testing.T) {
			alice := s.newTalker(t, caller.kind, "alice", caller.transport, caller.voice(t, callerTone))
			defer alice.Quit(t)
			alice.Call(t, "echo@"+s.Ready.Domain)
			eventually(t, limit, "echo answers", alice.InCall)
			wantTone(t, alice, callerTone)
			alice.Hold(t)
			alice.Resume(t)
			awaitPackets(t, alice, "audio")
			alice.HangUp(t)
			eventually(t, limit, "the call is over", func() bool { return !alice.Busy() })
			s.lastQuality(t)
		})
	}
}

package e2e

import (
	"testing"
	"time"
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
			eventually(t, 20*time.Second, "echo answers", alice.InCall)
			time.Sleep(leadIn + toneTime + time.Second)
			alice.Hold(t)
			time.Sleep(time.Second)
			alice.Resume(t)
			awaitPackets(t, alice, "audio")
			alice.HangUp(t)
			eventually(t, 20*time.Second, "the call is over", func() bool { return !alice.InCall() })
			time.Sleep(300 * time.Millisecond) // the recording is finished
			wantTone(t, "alice ("+caller.String()+")", listen(t, alice.Heard(t), callerTone))
			s.lastQuality(t)
		})
	}
}

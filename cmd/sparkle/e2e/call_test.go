package e2e

import (
	"testing"
	"time"
)

// A call between two makes of phone is set up and taken down through the
// proxy, from either side.
func TestCall(t *testing.T) {
	s := startServer(t)
	linphone := s.newPhone(t, "linphone", "alice", "tls")
	for _, transport := range []string{"tls", "udp"} {
		baresip := s.newPhone(t, "baresip", "bob", transport)
		t.Run("baresip calls over "+transport, func(t *testing.T) { s.talk(t, baresip, linphone, true) })
		t.Run("Linphone calls over "+transport, func(t *testing.T) { s.talk(t, linphone, baresip, false) })
		baresip.Quit(t)
	}
}

// talk makes a call; the caller hangs up, or the callee.
func (s *server) talk(t *testing.T, caller, callee phone, callerHangsUp bool) {
	caller.Call(t, callee.User()+"@"+s.Ready.Domain)
	eventually(t, 20*time.Second, callee.User()+" rings", callee.Ringing)
	callee.Answer(t)
	eventually(t, 20*time.Second, "both are in the call", func() bool { return caller.InCall() && callee.InCall() })
	last := callee
	if callerHangsUp {
		last = caller
	}
	last.HangUp(t)
	eventually(t, 20*time.Second, "the call is over at both ends", func() bool { return !caller.InCall() && !callee.InCall() })
}

// A caller who gives up stops the ringing.
func TestCallCancelled(t *testing.T) {
	s := startServer(t)
	alice := s.newPhone(t, "baresip", "alice", "tls")
	bob := s.newPhone(t, "linphone", "bob", "tls")
	alice.Call(t, "bob@"+s.Ready.Domain)
	eventually(t, 20*time.Second, "bob rings", bob.Ringing)
	alice.HangUp(t)
	eventually(t, 20*time.Second, "bob's phone stops ringing", func() bool { return !bob.Ringing() })
}

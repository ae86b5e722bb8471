package e2e

import (
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
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
	eventually(t, limit, callee.User()+" rings", callee.Ringing)
	callee.Answer(t)
	eventually(t, limit, "both are in the call", func() bool { return caller.InCall() && callee.InCall() })
	last := callee
	if callerHangsUp {
		last = caller
	}
	last.HangUp(t)
	eventually(t, limit, "the call is over at both ends", func() bool { return !caller.Busy() && !callee.Busy() })
}

// A caller who gives up stops the ringing.
func TestCallCancelled(t *testing.T) {
	s := startServer(t)
	alice := s.newPhone(t, "baresip", "alice", "tls")
	bob := s.newPhone(t, "linphone", "bob", "tls")
	alice.Call(t, "bob@"+s.Ready.Domain)
	eventually(t, limit, "bob rings", bob.Ringing)
	alice.HangUp(t)
	eventually(t, limit, "bob's phone stops ringing", func() bool { return !bob.Ringing() })
}

// Where nothing else is said, a phone that does not encrypt is told so, in words
// that help; one that does is put through.
func TestEncryptionIsRequired(t *testing.T) {
	s := startOffice(t, nil)
	alice := s.agent(t, "alice", "tls")
	s.answering(t, "bob")
	res, err := alice.Do(short(t), &agent.Request{Method: "INVITE", URI: "sip:bob@" + s.Ready.Domain, ContentType: "application/sdp", Body: agent.SDP})
	if err != nil {
		t.Fatal(err)
	}
	if res.Status() != 488 || !strings.Contains(res.Get("warning"), "SRTP") {
		t.Errorf("a call without encryption: %s, Warning %q", res.Start, res.Get("warning"))
	}
	d, err := alice.Call(short(t), "bob", offerSDES)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Bye(short(t)); err != nil {
		t.Fatal(err)
	}
}

// Where encryption is only preferred, phones that can still use it, on both
// sides, whatever each of them does.
func TestEncryptionIsPreferred(t *testing.T) {
	s := startServer(t)
	alice := s.newTalker(t, "linphone", "alice", "tls", voice{encryption: "dtls", play: writeTone(t, callerTone)})
	bob := s.newTalker(t, "linphone", "bob", "udp", voice{encryption: "dtls"})
	s.connect(t, alice, bob)
	awaitPackets(t, bob, "audio")
	bob.HangUp(t)
	over(t, alice, bob)
	for _, q := range s.endedCall(t).Quality {
		if q.Security == "" {
			t.Errorf("the %s's leg is not encrypted", q.Leg)
		}
	}
}

// An administrator sees a call and ends it for both.
func TestAdministratorEndsACall(t *testing.T) {
	s := startServer(t)
	alice := s.newTalker(t, "baresip", "alice", "tls", voice{encryption: "sdes"})
	bob := s.newTalker(t, "linphone", "bob", "tls", voice{encryption: "sdes"})
	s.connect(t, alice, bob)
	live := s.sparkle(t, "call", "list", "--live")
	if !strings.Contains(live, "alice@") || !strings.Contains(live, "bob@") {
		t.Errorf("live calls:\n%s", live)
	}
	id := s.lastCall(t).ID
	s.sparkle(t, "call", "hangup", id)
	over(t, alice, bob)
	if r := s.endedCall(t); r.ID != id || r.EndedBy != "administrator" {
		t.Errorf("record: %+v", r)
	}
	if live := s.sparkle(t, "call", "list", "--live"); strings.Contains(live, "alice@") {
		t.Errorf("live calls at the end:\n%s", live)
	}
}

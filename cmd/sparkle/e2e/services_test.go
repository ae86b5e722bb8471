package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// A click rings the user's phone and connects it with whom he wants, whatever
// keys either phone knows; both hear each other, and hold works.
func TestClickToCall(t *testing.T) {
	s := startServer(t)
	for _, pair := range [][2]side{
		{{"baresip", "tls", "sdes", false}, {"linphone", "tls", "dtls", false}},
		{{"linphone", "tls", "sdes", false}, {"baresip", "tls", "dtls", false}},
		{{"linphone", "udp", "dtls", false}, {"linphone", "tls", "sdes", false}},
		{{"baresip", "udp", "dtls", true}, {"baresip", "tls", "best", false}},
	} {
		t.Run(fmt.Sprint(pair[0], " clicks on ", pair[1]), func(t *testing.T) {
			alice := s.newTalker(t, pair[0].kind, "alice", pair[0].transport, pair[0].voice(t, callerTone))
			bob := s.newTalker(t, pair[1].kind, "bob", pair[1].transport, pair[1].voice(t, calleeTone))
			dial := exec.Command(s.bin, "call", "dial", "alice", "bob", "--data", s.dir)
			if err := dial.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, limit, "alice's own phone rings", alice.Ringing)
			alice.Answer(t)
			eventually(t, limit, "bob rings", bob.Ringing)
			if err := dial.Wait(); err != nil {
				t.Error("call dial:", err)
			}
			bob.Answer(t)
			eventually(t, limit, "both are in the call", func() bool { return alice.InCall() && bob.InCall() })
			wantTone(t, bob, callerTone)
			wantTone(t, alice, calleeTone)
			if live := s.sparkle(t, "call", "list", "--live"); strings.Count(live, "alice@") != 1 {
				t.Errorf("live:\n%s", live)
			}
			if pair[0].kind == "linphone" {
				alice.Hold(t)
				alice.Resume(t)
				awaitPackets(t, alice, "audio")
			}
			bob.HangUp(t)
			over(t, alice, bob)
			out := s.sparkle(t, "call", "list", "--limit", "1")
			if !strings.Contains(out, "bob") {
				t.Errorf("list:\n%s", out)
			}
			alice.Quit(t)
			bob.Quit(t)
		})
	}
}

// Calls follow what users and administrators have set up.
func TestForwardAndHunt(t *testing.T) {
	s := startServer(t)
	alice := s.newTalker(t, "baresip", "alice", "tls", voice{encryption: "sdes", play: writeTone(t, callerTone)})
	bob := s.newTalker(t, "linphone", "bob", "tls", voice{encryption: "sdes"})
	carol := s.newTalker(t, "baresip", "carol", "tls", voice{encryption: "dtls"})

	s.sparkle(t, "user", "calls", "bob", "--forward-no-answer", "carol", "--no-answer-after", "5")
	for _, caller := range []talker{alice, s.newTalker(t, "linphone", "zhangsan", "tls", voice{encryption: "sdes"})} {
		caller.Call(t, "bob@"+s.Ready.Domain)
		eventually(t, limit, "bob rings", bob.Ringing)
		eventually(t, limit, "carol rings instead", func() bool { return carol.Ringing() && !bob.Ringing() })
		carol.Answer(t)
		eventually(t, limit, caller.User()+" talks to carol", func() bool { return caller.InCall() && carol.InCall() })
		if caller == alice {
			awaitPackets(t, carol, "audio")
		}
		caller.HangUp(t)
		over(t, caller, carol)
	}

	s.sparkle(t, "hunt", "add", "sales", "--member", "bob", "--member", "carol", "--number", "600")
	alice.Call(t, "600@"+s.Ready.Domain)
	eventually(t, limit, "both ring", func() bool { return bob.Ringing() && carol.Ringing() })
	bob.Answer(t)
	eventually(t, limit, "alice talks to bob, carol has stopped ringing", func() bool { return alice.InCall() && bob.InCall() && !carol.Ringing() })
	alice.HangUp(t)
	over(t, alice, bob)
}

// A click on a number outside, and a forward to one: each is called in the name of
// the user, who pays, and both ends hear each other.
func TestServicesToACarrier(t *testing.T) {
	s := startServer(t)
	alice := s.newTalker(t, "baresip", "alice", "tls", voice{encryption: "sdes", play: writeTone(t, callerTone)})
	for _, kind := range []string{"click", "forward"} {
		t.Run(kind, func(t *testing.T) {
			telco := s.newCarrier(t, "carrier_answer", "", "acct", secretOfTrunk)
			s.addTrunk(t, kind, []*carrier{telco})
			defer s.sparkle(t, "trunk", "remove", kind)
			switch kind {
			case "click":
				s.sparkle(t, "user", "calls", "alice", "--forward-always", "bob", "--dnd") // his own devices ring all the same
				dial := exec.Command(s.bin, "call", "dial", "alice", "+1 (155) 501-234", "--data", s.dir)
				if err := dial.Start(); err != nil {
					t.Fatal(err)
				}
				eventually(t, limit, "alice's own phone rings", alice.Ringing)
				alice.Answer(t)
				if err := dial.Wait(); err != nil {
					t.Error("call dial:", err)
				}
			case "forward":
				s.sparkle(t, "user", "calls", "bob", "--forward-offline", "+1 155 501234")
				alice.Call(t, "bob@"+s.Ready.Domain)
			}
			eventually(t, limit, "the call is answered", func() bool { return alice.InCall() && s.lastCall(t).Answered != nil })
			wantTone(t, alice, callerTone) // her echo
			alice.HangUp(t)
			telco.wantPlayed(t, "carrier_answer")
			r := s.endedCall(t)
			if r.Number != "+1155501234" || r.Status != 200 || r.Cause != 16 || r.EndedBy != "caller" || r.Callee.Trunk != kind {
				t.Errorf("record: %+v", r)
			}
			if want := map[string]string{"click": "click", "forward": "out"}[kind]; r.Direction != want {
				t.Errorf("direction %s, want %s", r.Direction, want)
			}
			if story := s.sparkle(t, "call", "show", r.ID); kind == "forward" && !strings.Contains(story, "goes elsewhere: forward offline of bob@") {
				t.Errorf("the story does not tell of the forward:\n%s", story)
			}
		})
	}
}

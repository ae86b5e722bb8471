package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// A baresip and a Linphone behind two routers, whose private addresses are even the
// same, hear each other: what their SDP says of addresses is of no use, and their
// packets come from ports that the routers chose.
func TestCallThroughNAT(t *testing.T) {
	for _, story := range []struct {
		srtp           string // what the server demands of its users
		caller, callee side
		rebinds        bool // the Linphone's router, in the middle of the call
	}{
		{"require", side{"baresip", "tls", "sdes", false}, side{"linphone", "udp", "dtls", false}, true},
		{"require", side{"linphone", "udp", "dtls", true}, side{"baresip", "tls", "sdes", false}, true},
		{"prefer", side{"linphone", "tls", "sdes", false}, side{"baresip", "udp", "plain", false}, false},
	} {
		t.Run(fmt.Sprintf("%v calls %v", story.caller, story.callee), func(t *testing.T) {
			t.Parallel()
			n := newInternet(t)
			s := n.startOffice(t, story.srtp)
			homes := map[string]*place{"baresip": n.newHome(t), "linphone": n.newHome(t)}
			alice := s.newTalkerAt(t, homes[story.caller.kind], "alice", story.caller, callerTone)
			bob := s.newTalkerAt(t, homes[story.callee.kind], "bob", story.callee, calleeTone)
			b, l := byMake(alice, bob)
			s.connect(t, alice, bob)
			wantTone(t, alice, calleeTone)
			wantTone(t, bob, callerTone)
			holdAndResume(t, b, l)
			if story.rebinds {
				homes["linphone"].rebind(t)
				awaitPackets(t, l, "audio") // at ports that only its packets tell
			}
			l.HangUp(t)
			over(t, alice, bob)
			wantAddresses(t, b, n)
			quality := s.lastQuality(t)
			for i, end := range []side{story.caller, story.callee} {
				if story.rebinds && end.kind == "linphone" {
					wantSecurity(t, quality[i], end) // the router lost what came while it forgot
				} else {
					wantClean(t, quality[i], end)
				}
			}
		})
	}
}

// byMake tells two phones apart, of which one is a baresip and one a Linphone.
func byMake(x, y talker) (*baresip, *linphone) {
	if b, ok := x.(*baresip); ok {
		return b, y.(*linphone)
	}
	return y.(*baresip), x.(*linphone)
}

// wantClean wants the audio of an end to be recorded as nearly complete, and as
// encrypted as the end does it.
func wantClean(t *testing.T, q store.CallQuality, end side) {
	t.Helper()
	if q.Received < 250 || q.Lost > q.Received/100 || q.MOS < 4.3 {
		t.Errorf("the audio of %v is recorded as %+v", end, q)
	}
	wantSecurity(t, q, end)
}

// wantSecurity is the latter.
func wantSecurity(t *testing.T, q store.CallQuality, end side) {
	t.Helper()
	suite, isDTLS := strings.CutPrefix(q.Security, "DTLS ")
	if isDTLS != (end.encryption == "dtls") || (suite == "") != (end.encryption == "plain") {
		t.Errorf("the security of %v is recorded as %q", end, q.Security)
	}
}

// wantAddresses wants a phone to have sent its private address in SDP, and to have
// been sent none but the server's.
func wantAddresses(t *testing.T, b *baresip, n *internet) {
	t.Helper()
	seen := map[string]bool{}
	b.out.count(func(l string) bool {
		if address, ok := strings.CutPrefix(strings.TrimSpace(l), "c=IN IP4 "); ok {
			seen[address] = true
		}
		return false
	})
	if len(seen) != 2 || !seen["10.0.0.2"] || !seen[n.server().String()] {
		t.Errorf("the SDP that %s sent and got has the addresses %v; the server is %v", b.user, seen, n.server())
	}
}

// A path that loses and reorders packets in both directions: the call goes on, and
// its record tells the loss of the one end and the quality of both.
func TestCallOverLossyPath(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	s := n.startOffice(t, "require")
	caller, callee := side{"baresip", "tls", "sdes", false}, side{"linphone", "udp", "dtls", false}
	alice := s.newTalkerAt(t, n.newFarPlace(t), "alice", caller, callerTone)
	bob := s.newTalkerAt(t, n.newHome(t), "bob", callee, calleeTone)
	s.connect(t, alice, bob)
	wantTone(t, alice, calleeTone)
	wantTone(t, bob, callerTone)
	// Her phone tells of its loss every few seconds.
	var told uint64
	eventually(t, limit, "alice's phone tells what it lost", func() bool {
		q := s.quality(t, "--live")
		if len(q) == 2 && q[0].LostRemote >= q[0].Sent/40 {
			told = q[0].LostRemote
		}
		return told > 5
	})
	alice.HangUp(t)
	over(t, alice, bob)

	quality := s.lastQuality(t)
	lossy, clean := quality[0], quality[1]
	if loss := float64(lossy.Lost) / float64(lossy.Received+lossy.Lost); loss < 0.04 || loss > 0.06 || lossy.LostRemote < told {
		t.Errorf("alice's audio lost 5%% on its way; recorded is %+v", lossy)
	}
	if lossy.MOS > clean.MOS-0.3 {
		t.Errorf("the quality of a lossy path is recorded as %.2f, of a clean one as %.2f", lossy.MOS, clean.MOS)
	}
	wantClean(t, clean, callee)
}

// startOffice starts an office on the server's address of an internet.
func (n *internet) startOffice(t *testing.T, srtp string) *server {
	t.Helper()
	at := func(port int) string { return fmt.Sprintf("%v:%d", n.server(), port) }
	s := startOffice(t, map[string]string{
		"host": fmt.Sprintf("%q", n.server()), "srtp": fmt.Sprintf("%q", srtp),
		"udp": fmt.Sprintf("[%q]", at(5060)), "tls": fmt.Sprintf("[%q]", at(5061)),
	})
	s.Ready.Listeners["udp"], s.Ready.Listeners["tls"] = []string{at(5060)}, []string{at(5061)}
	return s
}

func (s *server) newTalkerAt(t *testing.T, at *place, user string, is side, hertz float64) talker {
	t.Helper()
	v := is.voice(t, hertz)
	v.at = at
	return s.newTalker(t, is.kind, user, is.transport, v)
}

// lastQuality is what the record of the newest call, when it is over, says of the
// caller's audio and the callee's, and wants `sparkle call show` to tell it.
func (s *server) lastQuality(t *testing.T) []store.CallQuality {
	t.Helper()
	id := s.endedCall(t).ID
	quality := s.quality(t)
	if len(quality) != 2 {
		t.Fatalf("the last call is recorded with %+v", quality)
	}
	shown := strings.Fields(s.sparkle(t, "call", "show", id))
	for _, q := range quality {
		if !slices.Contains(shown, fmt.Sprint(q.Received)) || !slices.Contains(shown, fmt.Sprintf("%.1f", q.MOS)) {
			t.Errorf("call show does not tell %+v: %q", q, shown)
		}
	}
	return quality
}

// quality is what the newest record tells of the streams, or with the flag --live
// the call that goes on.
func (s *server) quality(t *testing.T, flags ...string) []store.CallQuality {
	t.Helper()
	var calls []struct{ Quality []store.CallQuality }
	out := s.sparkle(t, append([]string{"call", "list", "--limit", "1", "--json"}, flags...)...)
	if err := json.Unmarshal([]byte(out), &calls); err != nil || len(calls) != 1 {
		t.Fatalf("the last call is recorded as %s (%v)", out, err)
	}
	return calls[0].Quality
}

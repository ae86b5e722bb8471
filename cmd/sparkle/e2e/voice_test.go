package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// side is one end of the voice matrix.
type side struct {
	kind, transport, encryption string
	ice                         bool
}

func (s side) String() string {
	name := s.kind + " " + s.transport + " " + s.encryption
	if s.ice {
		name += " ice"
	}
	return name
}

// Where signalling is not encrypted there is no SDES: the keys would be in the
// clear (RFC 4568 §7).
var (
	baresips = []side{
		{"baresip", "tls", "sdes", false},
		{"baresip", "tls", "best", false},
		{"baresip", "tls", "dtls", false},
		{"baresip", "udp", "dtls", true},
		{"baresip", "udp", "plain", false},
	}
	linphones = []side{
		{"linphone", "tls", "sdes", false},
		{"linphone", "tls", "dtls", true},
		{"linphone", "udp", "dtls", false},
		{"linphone", "udp", "plain", false},
	}
)

// Every kind of phone talks to every other, whatever each does about
// encryption: the tone of one is heard at the other, as loud and as long.
func TestVoiceMatrix(t *testing.T) {
	s := startServer(t)
	// Three calls at a time, each with two users of the demo organisation.
	pairs := make(chan [2]string, 3)
	for _, p := range [][2]string{{"alice", "bob"}, {"zhangsan", "lisi"}, {"wangwu", "carol"}} {
		pairs <- p
	}
	try := func(caller, callee side) {
		t.Run(fmt.Sprintf("%v calls %v", caller, callee), func(t *testing.T) {
			t.Parallel()
			users := <-pairs
			defer func() { pairs <- users }()
			s.hearEachOther(t, users, caller, callee)
		})
	}
	for i, b := range baresips {
		for j, l := range linphones {
			if (i+j)%2 == 0 {
				try(b, l)
			} else {
				try(l, b)
			}
		}
		try(b, baresips[(i+1)%len(baresips)])
	}
	for i, l := range linphones {
		try(l, linphones[(i+1)%len(linphones)])
	}
	zrtp := side{kind: "linphone", transport: "udp", encryption: "zrtp"}
	try(zrtp, zrtp)
}

const callerTone, calleeTone = 600, 1000

// hearEachOther makes a call between two fresh phones and listens at both ends.
func (s *server) hearEachOther(t *testing.T, users [2]string, caller, callee side) {
	a := s.newTalker(t, caller.kind, users[0], caller.transport, caller.voice(t, callerTone))
	b := s.newTalker(t, callee.kind, users[1], callee.transport, callee.voice(t, calleeTone))
	s.connect(t, a, b)
	if caller.encryption == "zrtp" {
		wantZRTP(t, a, b)
	}
	wantTone(t, b, callerTone)
	wantTone(t, a, calleeTone)
	a.HangUp(t)
	over(t, a, b)
	a.Quit(t)
	b.Quit(t)
}

func (s side) voice(t *testing.T, hertz float64) voice {
	return voice{encryption: strings.TrimPrefix(s.encryption, "plain"), ice: s.ice, play: writeTone(t, hertz)}
}

// wantZRTP wants both ends to have agreed keys that the server does not know.
func wantZRTP(t *testing.T, phones ...talker) {
	t.Helper()
	for _, p := range phones {
		eventually(t, limit, p.User()+"'s call is encrypted by ZRTP", func() bool {
			return strings.Contains(p.(*linphone).stats(t, "audio")[5], "ZRTP")
		})
	}
}

// connect makes a call and waits until both are in it.
func (s *server) connect(t *testing.T, caller, callee talker) {
	t.Helper()
	caller.Call(t, callee.User()+"@"+s.Ready.Domain)
	eventually(t, limit, callee.User()+" rings", callee.Ringing)
	callee.Answer(t)
	eventually(t, limit, "both are in the call", func() bool { return caller.InCall() && callee.InCall() })
}

// over waits for the end of a call at both ends.
func over(t *testing.T, a, b talker) {
	t.Helper()
	eventually(t, limit, "the call is over at both ends", func() bool { return !a.Busy() && !b.Busy() })
}

// In one call: digits both ways, hold and resume from both sides; packets stop
// and flow again.
func TestHoldAndDigits(t *testing.T) {
	s := startServer(t)
	a := s.newTalker(t, "baresip", "alice", "tls", voice{encryption: "dtls", play: writeTone(t, callerTone)})
	b := s.newTalker(t, "linphone", "bob", "tls", voice{encryption: "sdes", play: writeTone(t, calleeTone)})
	s.connect(t, a, b)
	awaitPackets(t, b, "audio")

	a.DTMF(t, "12#")
	b.DTMF(t, "90*")
	eventually(t, limit, "the digits arrive", func() bool { return b.Digits() == "12#" && a.Digits() == "90*" })

	holdAndResume(t, a, b.(*linphone))

	b.Hold(t)
	b.Resume(t)
	awaitPackets(t, b, "audio")
	b.HangUp(t)
	over(t, a, b)
}

// holdAndResume holds a call whose other end is a Linphone, which shows it.
func holdAndResume(t *testing.T, holder talker, held *linphone) {
	t.Helper()
	holder.Hold(t)
	eventually(t, limit, held.User()+"'s phone shows that it is held", func() bool {
		return held.callState() == "LinphoneCallPausedByRemote"
	})
	holder.Resume(t)
	eventually(t, limit, held.User()+"'s phone is in the call again", held.InCall)
	awaitPackets(t, held, "audio")
}

// awaitPackets waits until more packets of a kind have come than now.
func awaitPackets(t *testing.T, p talker, kind string) {
	t.Helper()
	before := p.Packets(t, kind)
	eventually(t, limit, p.User()+" receives "+kind, func() bool {
		now := p.Packets(t, kind)
		before = min(before, now) // a new call, or stream, is counted anew
		return now > before+10
	})
}

// A transfer to somebody who was not asked (RFC 5589 §6), by each make of phone.
func TestTransfer(t *testing.T) {
	s := startServer(t)
	carol := s.newTalker(t, "baresip", "carol", "tls", voice{encryption: "sdes", play: writeTone(t, 1400)})
	for _, kind := range []string{"baresip", "linphone"} {
		t.Run(kind, func(t *testing.T) {
			alice := s.newTalker(t, kind, "alice", "tls", voice{encryption: "sdes"})
			bob := s.newTalker(t, "linphone", "bob", "tls", voice{encryption: "dtls", play: writeTone(t, calleeTone)})
			s.connect(t, alice, bob)
			alice.Transfer(t, "carol@"+s.Ready.Domain)
			eventually(t, limit, "carol rings", carol.Ringing)
			carol.Answer(t)
			eventually(t, limit, "bob talks to carol, alice has left", func() bool { return bob.InCall() && carol.InCall() && !alice.Busy() })
			wantTone(t, bob, 1400)
			bob.HangUp(t)
			over(t, bob, carol)
			alice.Quit(t)
			bob.Quit(t)
		})
	}
}

// An attended transfer: alice has asked carol before (RFC 5589 §7, RFC 3891).
func TestAttendedTransfer(t *testing.T) {
	s := startServer(t)
	alice := s.newTalker(t, "linphone", "alice", "tls", voice{encryption: "sdes"})
	bob := s.newTalker(t, "linphone", "bob", "tls", voice{encryption: "sdes", play: writeTone(t, calleeTone)})
	carol := s.newTalker(t, "linphone", "carol", "tls", voice{encryption: "dtls", play: writeTone(t, 1400)})
	s.connect(t, alice, bob)
	alice.Hold(t)
	eventually(t, limit, "bob is held", func() bool { return bob.(*linphone).callState() == "LinphoneCallPausedByRemote" })
	s.connect(t, alice, carol)
	alice.(*linphone).tell(t, "attend")
	eventually(t, limit, "alice has left, bob and carol are in a call", func() bool {
		return !alice.Busy() && bob.InCall() && carol.InCall()
	})
	awaitPackets(t, bob, "audio")
	awaitPackets(t, carol, "audio")
	carol.HangUp(t)
	over(t, bob, carol)
}

// Video from a test source, with what each end does about encryption.
func TestVideo(t *testing.T) {
	s := startServer(t)
	for _, ends := range [][2]side{
		{{"linphone", "tls", "sdes", false}, {"linphone", "tls", "dtls", false}},
		{{"baresip", "tls", "sdes", false}, {"linphone", "tls", "sdes", false}},
		{{"linphone", "udp", "plain", false}, {"baresip", "tls", "dtls", false}},
	} {
		t.Run(fmt.Sprintf("%v calls %v", ends[0], ends[1]), func(t *testing.T) {
			var phones [2]talker
			for i, user := range []string{"alice", "bob"} {
				v := ends[i].voice(t, callerTone)
				v.video = true
				phones[i] = s.newTalker(t, ends[i].kind, user, ends[i].transport, v)
			}
			s.connect(t, phones[0], phones[1])
			for _, p := range phones {
				awaitPackets(t, p, "audio")
				awaitPackets(t, p, "video")
				if l, ok := p.(*linphone); ok {
					eventually(t, limit, p.User()+" sees a picture", func() bool { return l.stats(t, "video")[6] != "0x0" })
				}
			}
			phones[0].HangUp(t)
			over(t, phones[0], phones[1])
			for _, p := range phones {
				p.Quit(t)
			}
		})
	}
}

package rtp

import (
	"encoding/hex"
	"testing"
	"time"
)

// What phones really send, in a call with SSRC 0x01020304 on our side: baresip
// 1.0 opens the path with an APP packet and begins its farewell with BYE,
// Linphone 5.1 asks for its round trip as a receiver.
func TestReportsOfRealPhones(t *testing.T) {
	for _, phone := range []struct {
		name, packet string
		ssrc         uint32
		heard        Heard
		trip         time.Duration // after a report 2 s ago
		jitter       time.Duration
		answers      bool // to a receiver's reference time
	}{
		{
			name:   "baresip opens the path",
			packet: "80cc00033fbaebbc50494e47504f4e47",
			ssrc:   0x3fbaebbc,
		},
		{
			name: "baresip reports",
			packet: "81c8000c3fbaebbceeae41f9b6db2f66000145b1000000fa00009c40010203040000000000004c720000000741f800000001045a" +
				"81ca00073fbaebbc01157369703a61403132372e302e302e313a323539393900",
			ssrc: 0x3fbaebbc,
			trip: 2*time.Second - 0x1045a*time.Second/65536, jitter: 875 * time.Microsecond,
		},
		{
			name:   "baresip hangs up",
			packet: "81cb00033fbaebbc0441646a6f00000081ca00073fbaebbc01157369703a61403132372e302e302e313a323539393900",
			ssrc:   0x3fbaebbc,
			heard:  Heard{Bye: true},
		},
		{
			name: "Linphone reports",
			packet: "81c8000c8e487f34eeae429f39593e5fb00a546900000101000056670102030400000000000000ff00000000429d000000014037" +
				"81ca000d8e487f3401197369703a6c696e70686f6e6540756e6b6e6f776e2d686f737406104c696e70686f6e65632f352e312e3635000000" +
				"80cf00048e487f3404000002eeae429f395970b4",
			ssrc: 0x8e487f34,
			trip: 2*time.Second - 0x14037*time.Second/65536, answers: true,
		},
	} {
		s := newSide()
		s.out.ssrc, s.out.payload = 0x01020304, pcmu
		v := voice{ssrc: phone.ssrc}
		receive(t, &s.in, v.next(), second)
		receive(t, &s.in, v.next(), second)
		s.reports.sent[0] = sentReport{0x41f80000, 8 * second}
		s.reports.sent[1] = sentReport{0x429d0000, 8 * second}
		packet, err := hex.DecodeString(phone.packet)
		if err != nil {
			t.Fatal(err)
		}
		heard, ok := s.reports.Read(packet, 10*second)
		if !ok || heard != phone.heard {
			t.Errorf("%s: %+v, %v", phone.name, heard, ok)
		}
		remote := s.reports.Remote()
		if (remote.RoundTrip-phone.trip).Abs() > time.Microsecond || remote.Jitter != phone.jitter || remote.Lost != 0 {
			t.Errorf("%s: %+v", phone.name, remote)
		}
		if gone := s.in.known(phone.ssrc) == nil; gone != phone.heard.Bye {
			t.Errorf("%s: its source is gone: %v", phone.name, gone)
		}
		if answer := len(decode(t, s.reports.Append(nil, 11*second, nil))) == 3; answer != phone.answers {
			t.Errorf("%s: it got an answer to its reference time: %v", phone.name, answer)
		}
	}
}

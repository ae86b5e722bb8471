package negotiate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/media/negotiate"
)

// TestOtherNumbers: a callee that answers with numbers of its own gets its own,
// and the caller never sees them.
func TestOtherNumbers(t *testing.T) {
	const offer = audio + "\na=rtpmap:8 PCMA/8000" + `
		m=video 4002 RTP/AVP 96 97
		a=rtpmap:96 VP8/90000
		a=rtpmap:97 H264/90000
		a=fmtp:97 packetization-mode=1
		a=rtcp-fb:97 nack pli
		a=rtcp-fb:98 nack pli
		a=imageattr:97 send [x=640,y=480]
		a=imageattr:* recv [x=640,y=480]
		a=framesize:96 640-480
		b=AS:512`
	caller, callee := newLeg(t, 1, carrier), newLeg(t, 2, carrier)
	caller.takeOffer(crlf(offer))
	callee.makeOffer(caller)
	callee.takeAnswer(crlf(`
		v=0
		c=IN IP4 192.0.2.20
		m=audio 30000 RTP/AVP 0
		m=video 30002 RTP/AVP 120
		b=AS:256
		a=rtpmap:120 H264/90000
		a=fmtp:120 packetization-mode=1;profile-level-id=42e01f
		a=rtcp-fb:* nack pli
		a=imageattr:120 recv [x=320,y=240]
		a=framesize:121 320-240`))
	expect(t, "answer", only(caller.makeAnswer(callee), "m=video", "b=", "a=rtpmap:9", "a=fmtp", "a=rtcp-fb", "a=imageattr", "a=framesize"),
		"m=video 1002 RTP/AVP 97", "b=AS:256", "a=rtpmap:97 H264/90000", "a=fmtp:97 packetization-mode=1;profile-level-id=42e01f",
		"a=rtcp-fb:97 nack pli", "a=imageattr:97 recv [x=320,y=240]")
	pair := negotiate.Join(caller.state, callee.state)[1]
	if got := numbers(pair.AB) + " back " + numbers(pair.BA); got != "97>120 back 97>97 120>97" || pair.Untouched {
		t.Errorf("routes %s, untouched %v", got, pair.Untouched)
	}
}

func numbers(routes []negotiate.Route) string {
	var list []string
	for _, r := range routes {
		list = append(list, fmt.Sprintf("%d>%d", r.From.Number, r.To.Number))
	}
	return strings.Join(list, " ")
}

// TestEvents: every clock rate has its number (RFC 4733 §2.1); the relay
// converts, so one rate in common with nobody is enough.
func TestEvents(t *testing.T) {
	const wide = audio + `
		m=audio 4002 RTP/AVP 96 99 100
		a=rtpmap:96 opus/48000/2
		a=rtpmap:99 telephone-event/48000
		a=rtpmap:100 telephone-event/16000
		a=fmtp:100 0-11`
	caller, callee := newLeg(t, 1, carrier), newLeg(t, 2, carrier)
	caller.takeOffer(crlf(wide))
	offer := callee.makeOffer(caller)
	expect(t, "offer", only(offer, "m=audio 2002", "a=rtpmap:97"), "m=audio 2002 RTP/AVP 96 99 100 97", "a=rtpmap:97 telephone-event/8000")
	callee.takeAnswer(strings.Replace(phone(offer, nil), "RTP/AVP 96 99 100 97", "RTP/AVP 96 97", 1))
	expect(t, "answer", only(caller.makeAnswer(callee), "m=audio 1002", "a=fmtp"), "m=audio 1002 RTP/AVP 96 99 100", "a=fmtp:100 0-11")
	pair := negotiate.Join(caller.state, callee.state)[1]
	if got := numbers(pair.AB) + " back " + numbers(pair.BA); got != "96>96 99>97 100>97 back 96>96 97>99" {
		t.Errorf("routes %s", got)
	}
	if c, ok := callee.stream(1).Codec(97); !ok || !c.Event() || c.Rate != 8000 {
		t.Errorf("97 is %+v", c)
	}
	if _, ok := callee.stream(1).Codec(99); ok {
		t.Error("99 was not agreed")
	}
}

// TestAnswerWithoutNames: a phone that leaves a=rtpmap out means what was offered.
func TestAnswerWithoutNames(t *testing.T) {
	l := newLeg(t, 1, carrier)
	l.makeOffer(nil)
	l.takeAnswer(crlf("v=0\nc=IN IP4 192.0.2.20\nm=audio 30000 RTP/AVP 96 101"))
	if c := l.stream(0).Sending; len(c) != 2 || c[0].Name != "opus" || c[0].Channels != 2 || !c[1].Event() {
		t.Errorf("%+v", c)
	}
}

// TestNumbersKeepTheirMeaning for the life of a leg (RFC 3264 §8.3.2): when the
// other side comes to use one for something else, the leg gets another.
func TestNumbersKeepTheirMeaning(t *testing.T) {
	first := "v=0\nc=IN IP4 192.0.2.10\nm=audio 4000 RTP/AVP 96\na=rtpmap:96 opus/48000/2"
	caller, callee := call(t, first, nil)
	offered, _ := reoffer(t, caller, callee, strings.Replace(first, "opus/48000/2", "iLBC/8000", 1), nil)
	expect(t, "another codec", only(offered, "m=", "a=rtpmap"), "m=audio 2000 RTP/AVP 97", "a=rtpmap:97 iLBC/8000")
	offered, _ = reoffer(t, caller, callee, first, nil)
	expect(t, "the first again", only(offered, "m=", "a=rtpmap"), "m=audio 2000 RTP/AVP 96", "a=rtpmap:96 opus/48000/2")
}

// TestManyCodecs: when numbers run out, the rest is left out.
func TestManyCodecs(t *testing.T) {
	var formats, maps strings.Builder
	for n := 0; n < 128; n++ {
		fmt.Fprintf(&formats, " %d", n)
		fmt.Fprintf(&maps, "\na=rtpmap:%d codec%d/8000", n, n)
	}
	offer := "v=0\nc=IN IP4 192.0.2.10\nm=audio 4000 RTP/AVP" + formats.String() + maps.String()
	caller, callee := call(t, offer, nil)
	other := strings.ReplaceAll(offer, " codec", " other")
	caller.takeOffer(crlf(other))
	if _, _, err := callee.state.WriteOffer(&callee.profile, caller.state, callee.locals()); err == nil {
		t.Error("all numbers have another meaning, and yet there was an offer")
	}
}

// TestNothingTellsWho: what names or places a peer reaches nobody else.
func TestNothingTellsWho(t *testing.T) {
	caller, callee := newLeg(t, 1, user), newLeg(t, 2, carrier)
	caller.takeOffer(crlf(`
		v=0
		o=secret 1 1 IN IP4 192.0.2.10
		s=secret
		i=secret
		u=http://secret.example.com
		e=secret@example.com
		p=+1 secret
		c=IN IP4 192.0.2.10
		t=0 0
		k=clear:secret
		a=tool:secret
		a=ice-ufrag:secret
		a=ice-pwd:secretsecretsecretsecret
		m=audio 4000 RTP/SAVP 8
		i=secret
		k=clear:secret
		` + key80 + `
		a=ssrc:1 cname:secret
		a=msid:secret secret
		a=mid:secret
		a=rtcp:4009 IN IP4 192.0.2.10
		a=candidate:secret 1 UDP 1 192.0.2.10 4000 typ host
		a=remote-candidates:1 192.0.2.10 4000
		a=key-mgmt:mikey secret
		a=secret
		a=x-secret:secret
		a=ptime:20`))
	offer := callee.makeOffer(caller)
	for _, s := range []string{"secret", "192.0.2.10", "inline", "4000", "4009"} {
		if strings.Contains(offer, s) {
			t.Errorf("%q reaches the callee:\n%s", s, offer)
		}
	}
	expect(t, "what describes the media", only(offer, "a=p"), "a=ptime:20")
}

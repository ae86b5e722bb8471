package negotiate_test

import (
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/media/negotiate"
)

const credentials = "a=ice-ufrag:alice\na=ice-pwd:alicealicealicealicealice"

// answered lets a callee of a carrier take an offer, and gives our answer to it.
func answered(t *testing.T, caller *leg, offer string) string {
	t.Helper()
	callee := newLeg(t, 2, carrier)
	caller.takeOffer(offer)
	callee.takeAnswer(phone(callee.makeOffer(caller), nil))
	return caller.makeAnswer(callee)
}

// TestICE is answered as ICE-lite, with as many components as the peer has, when
// it works.
func TestICE(t *testing.T) {
	const (
		rtp  = "a=candidate:1 1 UDP 2130706431 192.0.2.10 4000 typ host"
		rtcp = "a=candidate:1 2 UDP 2130706430 192.0.2.10 4001 typ host"
	)
	ours := []string{"a=ice-lite", "a=ice-ufrag:user1000", "a=ice-pwd:passwordpasswordpassword", "a=candidate:1 1 UDP 2130706431 203.0.113.1 1000 typ host"}
	both := append(ours[:4:4], "a=candidate:1 2 UDP 2130706430 203.0.113.1 1001 typ host")
	tests := []struct {
		name   string
		lines  []string
		answer []string
		ice    bool
	}{
		{"two components", []string{credentials, rtp, rtcp}, both, true},
		{"rtcp-mux", []string{credentials, rtp, "a=rtcp-mux"}, ours, true},
		{"trickled later", []string{credentials}, both, true},
		{"names for addresses", []string{credentials, strings.Replace(rtp, "192.0.2.10", "4a3f.local", 1)}, both, true},
		{"candidates of TCP only", []string{credentials, strings.Replace(rtp, "UDP", "tcp", 1)}, both, true},
		{"somebody changed c=", []string{credentials, rtp, "c=IN IP4 198.51.100.1"}, []string{"a=ice-mismatch"}, false},
		{"somebody changed it, and RTCP only is left", []string{credentials, rtcp}, []string{"a=ice-mismatch"}, false},
		{"c= is not known yet", []string{credentials, rtp, "c=IN IP4 0.0.0.0"}, both, true},
		{"the peer is lite as well", []string{credentials, rtp, rtcp, "a=ice-lite"}, nil, false},
		{"a short password", []string{"a=ice-ufrag:alice\na=ice-pwd:short", rtp}, nil, false},
		{"a short name", []string{"a=ice-ufrag:al\na=ice-pwd:alicealicealicealicealice", rtp}, nil, false},
		{"no ICE", nil, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			offer := voice("RTP/SAVP", append(test.lines, key80)...)
			if strings.Contains(offer, "a=ice-lite") {
				offer = strings.Replace(strings.Replace(offer, "a=ice-lite\r\n", "", 1), "t=0 0", "t=0 0\r\na=ice-lite", 1)
			}
			l := newLeg(t, 1, user)
			expect(t, "answer", only(answered(t, l, offer), "a=ice", "a=candidate"), test.answer...)
			s := l.stream(0)
			if (s.ICE != nil) != test.ice || l.wants[0].ICE != test.ice || !s.Send || !s.Receive {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestCandidatesToNowhere are left out, but do not fail the call: a peer only
// tells what it has.
func TestCandidatesToNowhere(t *testing.T) {
	l := newLeg(t, 1, user)
	answered(t, l, voice("RTP/SAVP", credentials, key80, "c=IN IP4 127.0.0.1",
		"a=candidate:1 1 UDP 2130706431 127.0.0.1 4000 typ host", "a=candidate:2 1 UDP 2130706430 192.0.2.10 4000 typ host",
		"a=candidate:3 1 UDP 2130706430 fe80::1 4000 typ host", "a=candidate:4 3 UDP 1 192.0.2.10 4000 typ host", "a=candidate:5"))
	s := l.stream(0)
	if len(s.ICE.Candidates) != 1 || s.ICE.Candidates[0].Address.String() != "192.0.2.10:4000" || s.Remote.IsValid() {
		t.Errorf("%v of %+v", s.Remote, s.ICE)
	}
}

// TestRestart: other credentials of the peer want fresh ones of ours (RFC 8839
// §4.4.1).
func TestRestart(t *testing.T) {
	l := newLeg(t, 1, user)
	offer := voice("RTP/SAVP", credentials, key80)
	answered(t, l, offer)
	answered(t, l, offer)
	answered(t, l, strings.Replace(offer, "ufrag:alice", "ufrag:again", 1))
	for i, restart := range []bool{false, false, true} {
		if l.wants[i].Restart != restart {
			t.Errorf("round %d: %+v", i, l.wants[i])
		}
	}
}

// TestOfferICE: who offers it goes on with what was agreed.
func TestOfferICE(t *testing.T) {
	without := func(line string) string {
		if strings.HasPrefix(line, "a=ice") || strings.HasPrefix(line, "a=candidate") {
			return ""
		}
		return line
	}
	for name, edit := range map[string]func(string) string{"with": nil, "without": without} {
		l := newLeg(t, 1, dtls)
		offer := l.makeOffer(nil)
		l.takeAnswer(phone(offer, edit))
		if ice := l.stream(0).ICE != nil; ice != (edit == nil) {
			t.Errorf("%s: ICE %v", name, ice)
		}
		again := len(only(l.makeOffer(nil), "a=ice-lite")) == 1
		if again != (edit == nil) {
			t.Errorf("%s: offered again %v", name, again)
		}
	}
}

// TestMux is taken when it is offered, and agreed only when both say it.
func TestMux(t *testing.T) {
	for _, attribute := range []string{"a=rtcp-mux", "a=rtcp-mux-only"} {
		l := newLeg(t, 1, carrier)
		expect(t, attribute, only(answered(t, l, voice("RTP/AVP", attribute)), "a=rtcp"), "a=rtcp-mux")
		if s := l.stream(0); !s.Mux || s.RTCP != s.Remote {
			t.Errorf("%s: %+v", attribute, s)
		}
	}
	drop := func(line string) string {
		if line == "a=rtcp-mux" {
			return ""
		}
		return line
	}
	add := func(line string) string { return strings.Replace(line, "a=sendrecv", "a=sendrecv\r\na=rtcp-mux", 1) }
	muxed := carrier
	muxed.Mux = true
	for _, test := range []struct {
		name    string
		profile negotiate.Profile
		edit    func(string) string
		mux     bool
	}{{"both", muxed, nil, true}, {"only we", muxed, drop, false}, {"only the peer", carrier, add, false}} {
		l := newLeg(t, 1, test.profile)
		l.takeAnswer(phone(l.makeOffer(nil), test.edit))
		if s := l.stream(0); s.Mux != test.mux || (s.RTCP.Port() == s.Remote.Port()) != test.mux {
			t.Errorf("%s: %+v", test.name, s)
		}
	}
}

// bundle is what a browser says of its two streams.
func bundle(audioLines, videoLines string) string {
	return crlf(`
		v=0
		o=- 1 1 IN IP4 127.0.0.1
		s=-
		t=0 0
		a=group:BUNDLE a v
		m=audio 4000 UDP/TLS/RTP/SAVPF 111
		c=IN IP4 192.0.2.10
		a=mid:a
		a=rtpmap:111 opus/48000/2
		a=rtcp-mux
		a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
		` + certificate + "\n" + credentials + "\n" + audioLines + `
		m=video 4000 UDP/TLS/RTP/SAVPF 96
		c=IN IP4 192.0.2.10
		a=mid:v
		a=rtpmap:96 VP8/90000
		` + videoLines)
}

// TestBundle is taken from browsers: all on the first line's ports.
func TestBundle(t *testing.T) {
	whole := "a=rtcp-mux\n" + certificate + "\n" + credentials
	tests := []struct {
		name, offer string
		answer      []string
		carriers    []int
	}{
		{"every line with its transport", bundle("", whole), []string{"a=group:BUNDLE a v", "m=audio 1000", "m=video 1000"}, []int{0, 0}},
		{"the first alone has it", bundle("", ""), []string{"a=group:BUNDLE a v", "m=audio 1000", "m=video 1000"}, []int{0, 0}},
		{"bundle-only", strings.Replace(bundle("", "a=bundle-only\n"+whole), "video 4000", "video 0", 1), []string{"a=group:BUNDLE a v", "m=audio 1000", "m=video 1000"}, []int{0, 0}},
		{"one line is not muxed", bundle("", strings.Replace(whole, "a=rtcp-mux\n", "", 1)), []string{"m=audio 1000", "m=video 1002"}, []int{0, 1}},
		{"the first line is refused", strings.Replace(bundle("", whole), "m=audio 4000", "m=audio 0", 1), []string{"a=group:BUNDLE v", "m=audio 0", "m=video 1002"}, []int{0, 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLeg(t, 1, browser)
			var lines []string
			for _, line := range only(answered(t, l, test.offer), "a=group", "m=") {
				line, _, _ = strings.Cut(line, " UDP")
				lines = append(lines, line)
			}
			expect(t, "answer", lines, test.answer...)
			for i, c := range test.carriers {
				if l.stream(i).Carrier != c {
					t.Errorf("stream %d is on the ports of %d", i, l.stream(i).Carrier)
				}
			}
		})
	}
}

// TestBundleGrows: what a phone adds joins the ports of the browser, under a
// number that no other of its streams has.
func TestBundleGrows(t *testing.T) {
	b, p := newLeg(t, 1, browser), newLeg(t, 2, carrier)
	offer := bundle("", "")
	b.takeOffer(offer[:strings.Index(offer, "m=video")])
	p.takeAnswer(phone(p.makeOffer(b), nil))
	b.makeAnswer(p)
	p.takeOffer(voice("RTP/AVP", "m=video 5000 RTP/AVP 111", "a=rtpmap:111 VP8/90000"))
	text := b.makeOffer(p)
	expect(t, "offer", only(text, "a=group", "m=", "a=mid", "a=rtcp-mux"), "a=group:BUNDLE a r1",
		"m=audio 1000 UDP/TLS/RTP/SAVPF 8", "a=rtcp-mux", "a=mid:a", "m=video 1000 UDP/TLS/RTP/SAVPF 96", "a=rtcp-mux", "a=mid:r1")
	b.takeAnswer(phone(text, nil))
	p.makeAnswer(b)
	if s := b.stream(1); s.Carrier != 0 || s.MID != "r1" || !s.Mux || s.Keying != negotiate.DTLS {
		t.Errorf("%+v", s)
	}
	pairs := negotiate.Join(b.state, p.state)
	if len(pairs) != 2 || pairs[1].AB[0].From.Number != 96 || pairs[1].AB[0].To.Number != 111 {
		t.Errorf("%+v", pairs)
	}
}

// TestExtensions: between browsers the few that speak of the media pass, the
// transport's do not; phones are offered none.
func TestExtensions(t *testing.T) {
	level, congestion := "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	offer := bundle(level+"\n"+congestion, "")
	a, b, p := newLeg(t, 1, browser), newLeg(t, 2, browser), newLeg(t, 3, user)
	a.takeOffer(offer)
	text := b.makeOffer(a)
	expect(t, "browser", only(text, "a=extmap"), level)
	expect(t, "phone", only(p.makeOffer(a), "a=extmap"))
	b.takeAnswer(phone(text, nil))
	expect(t, "answer", only(a.makeAnswer(b), "a=extmap"), level, "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid")
	if s := a.stream(0); s.MIDExt != 4 || len(s.Exts) != 2 {
		t.Errorf("%+v", s)
	}
}

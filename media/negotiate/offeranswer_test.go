package negotiate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/media/negotiate"
)

// call is a caller and a callee on plain RTP, after an offer was answered.
func call(t *testing.T, offer string, edit func(string) string) (caller, callee *leg) {
	t.Helper()
	caller, callee = newLeg(t, 1, carrier), newLeg(t, 2, carrier)
	caller.takeOffer(crlf(offer))
	callee.takeAnswer(phone(callee.makeOffer(caller), edit))
	caller.makeAnswer(callee)
	return caller, callee
}

// reoffer lets a leg change the session and gives what each side reads: the
// other side's offer and the answer.
func reoffer(t *testing.T, from, to *leg, offer string, edit func(string) string) (offered, answered string) {
	t.Helper()
	from.takeOffer(crlf(offer))
	offered = to.makeOffer(from)
	to.takeAnswer(phone(offered, edit))
	return offered, from.makeAnswer(to)
}

// only gives the lines of a description that begin with one of some prefixes.
func only(text string, prefixes ...string) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\r\n") {
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				lines = append(lines, line)
				break
			}
		}
	}
	return lines
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n  got  %s\n  want %s", what, strings.Join(got, "\n       "), strings.Join(want, "\n       "))
	}
}

const audioAndTwoVideos = `
	v=0
	o=alice 2890844526 2890844526 IN IP4 192.0.2.10
	s=Alice calls
	c=IN IP4 192.0.2.10
	t=0 0
	m=audio 49170 RTP/AVP 0 8 97
	a=rtpmap:97 iLBC/8000
	m=video 51372 RTP/AVP 31 32
	m=video 53000 RTP/AVP 32`

// TestChooseAmongStreams is the exchange of RFC 3264 §10.1: three streams are
// offered, the first with one codec, the second not at all, the third accepted;
// then the callee moves and adds telephone events.
func TestChooseAmongStreams(t *testing.T) {
	caller, callee := newLeg(t, 1, carrier), newLeg(t, 2, carrier)
	caller.takeOffer(crlf(audioAndTwoVideos))
	offer := callee.makeOffer(caller)
	expect(t, "offer to the callee", only(offer, "o=", "s=", "c=", "m="),
		"o=- 2 1 IN IP4 203.0.113.1", "s=-", "c=IN IP4 203.0.113.1",
		"m=audio 2000 RTP/AVP 0 8 97", "m=video 2002 RTP/AVP 31 32", "m=video 2004 RTP/AVP 32")
	callee.takeAnswer(crlf(`
		v=0
		o=bob 2890844730 2890844730 IN IP4 192.0.2.20
		s=
		c=IN IP4 192.0.2.20
		t=0 0
		m=audio 49920 RTP/AVP 0
		m=video 0 RTP/AVP 31
		m=video 53000 RTP/AVP 32`))
	answer := caller.makeAnswer(callee)
	expect(t, "answer to the caller", only(answer, "m=", "a=rtpmap"),
		"m=audio 1000 RTP/AVP 0", "a=rtpmap:0 PCMU/8000",
		"m=video 0 RTP/AVP 31 32",
		"m=video 1004 RTP/AVP 32", "a=rtpmap:32 MPV/90000")
	if s := caller.stream(1); s.Active {
		t.Errorf("the refused stream: %+v", s)
	}

	offered, answered := reoffer(t, callee, caller, `
		v=0
		o=bob 2890844730 2890844731 IN IP4 192.0.2.20
		s=
		c=IN IP4 192.0.2.20
		t=0 0
		m=audio 65422 RTP/AVP 0 110
		a=rtpmap:110 telephone-event/8000
		m=video 0 RTP/AVP 31
		m=video 53000 RTP/AVP 32`, nil)
	expect(t, "new offer to the caller", only(offered, "o=", "m=", "a=rtpmap:110"),
		"o=- 1 2 IN IP4 203.0.113.1",
		"m=audio 1000 RTP/AVP 0 110", "a=rtpmap:110 telephone-event/8000", "m=video 0 RTP/AVP 31 32", "m=video 1004 RTP/AVP 32")
	expect(t, "answer to the callee", only(answered, "o=", "m="), "o=- 2 2 IN IP4 203.0.113.1",
		"m=audio 2000 RTP/AVP 0 110", "m=video 0 RTP/AVP 31", "m=video 2004 RTP/AVP 32")
	if to := callee.stream(0).Remote.String(); to != "192.0.2.20:65422" {
		t.Errorf("the callee moved, media goes to %s", to)
	}
}

const audio = `
	v=0
	o=alice 1 1 IN IP4 192.0.2.10
	s=-
	c=IN IP4 192.0.2.10
	t=0 0
	m=audio 4000 RTP/AVP 8 0
	a=ptime:30`

const video = "\nm=video 4002 RTP/AVP 96\na=rtpmap:96 VP8/90000\na=rtcp-fb:96 nack pli"

// TestHoldAndResume goes through the ways in which phones hold (RFC 3264 §8.4).
func TestHoldAndResume(t *testing.T) {
	tests := []struct {
		name, hold        string
		offered, answered string
		send, receive     bool // to and from who holds
	}{
		{"sendonly", audio + "\na=sendonly", "a=sendonly", "a=recvonly", false, true},
		{"inactive", audio + "\na=inactive", "a=inactive", "a=inactive", false, false},
		{"recvonly", audio + "\na=recvonly", "a=recvonly", "a=sendonly", true, false},
		{"of the session", strings.Replace(audio, "t=0 0", "t=0 0\na=inactive", 1), "a=inactive", "a=inactive", false, false},
		{"c=0.0.0.0", strings.Replace(audio, "c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0", 1), "a=sendonly", "a=recvonly", false, true},
		{"c=:: of the line", audio + "\nc=IN IP6 ::", "a=sendonly", "a=recvonly", false, true},
		{"c=0.0.0.0 and inactive", strings.Replace(audio, "IP4 192.0.2.10\nt", "IP4 192.0.2.10\nt", 1) + "\nc=IN IP4 0.0.0.0\na=inactive", "a=inactive", "a=inactive", false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			caller, callee := call(t, audio, nil)
			offered, answered := reoffer(t, caller, callee, test.hold, nil)
			directions := []string{"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}
			expect(t, "offer", only(offered, directions...), test.offered)
			expect(t, "answer", only(answered, directions...), test.answered)
			if s := caller.stream(0); s.Send != test.send || s.Receive != test.receive {
				t.Errorf("who holds: send %v receive %v", s.Send, s.Receive)
			}
			if s := callee.stream(0); s.Send != test.receive || s.Receive != test.send {
				t.Errorf("who is held: send %v receive %v", s.Send, s.Receive)
			}
			offered, answered = reoffer(t, caller, callee, audio, nil)
			expect(t, "resumed", append(only(offered, "o=", "a=send"), only(answered, "o=", "a=send")...),
				"o=- 2 3 IN IP4 203.0.113.1", "a=sendrecv", "o=- 1 3 IN IP4 203.0.113.1", "a=sendrecv")
			if s := caller.stream(0); !s.Send || !s.Receive {
				t.Errorf("resumed: send %v receive %v", s.Send, s.Receive)
			}
		})
	}
}

// TestBothHold: an answer never opens what the other side's hold has closed.
func TestBothHold(t *testing.T) {
	caller, callee := call(t, audio, nil)
	_, answered := reoffer(t, caller, callee, audio+"\na=sendonly", func(line string) string {
		return strings.Replace(line, "a=recvonly", "a=inactive", 1)
	})
	expect(t, "answer", only(answered, "a=inactive", "a=recvonly"), "a=inactive")
	if s := caller.stream(0); s.Send || s.Receive {
		t.Errorf("%+v", s)
	}
}

// TestVersionMovesWithTheText (RFC 3264 §8): a refresh has the same o=.
func TestVersionMovesWithTheText(t *testing.T) {
	caller, callee := call(t, audio, nil)
	for range 3 {
		offered, answered := reoffer(t, caller, callee, audio, nil)
		expect(t, "refresh", append(only(offered, "o="), only(answered, "o=")...), "o=- 2 1 IN IP4 203.0.113.1", "o=- 1 1 IN IP4 203.0.113.1")
	}
	offered, _ := reoffer(t, caller, callee, strings.Replace(audio, "ptime:30", "ptime:20", 1), nil)
	expect(t, "change", only(offered, "o=", "a=ptime"), "o=- 2 2 IN IP4 203.0.113.1", "a=ptime:20")
}

// TestAddVideo and take it away again: the line keeps its place with port 0 and
// comes back there.
func TestAddVideo(t *testing.T) {
	caller, callee := call(t, audio, nil)
	offered, answered := reoffer(t, caller, callee, audio+video, nil)
	expect(t, "added", append(only(offered, "m="), only(answered, "m=", "a=rtcp-fb")...),
		"m=audio 2000 RTP/AVP 8 0", "m=video 2002 RTP/AVP 96", "m=audio 1000 RTP/AVP 8 0", "m=video 1002 RTP/AVP 96", "a=rtcp-fb:96 nack pli")
	if f := caller.stream(1).Feedback; f != negotiate.PLI {
		t.Errorf("feedback %b", f)
	}
	offered, answered = reoffer(t, caller, callee, audio+strings.Replace(video, "4002", "0", 1), nil)
	expect(t, "removed", append(only(offered, "m="), only(answered, "m=")...),
		"m=audio 2000 RTP/AVP 8 0", "m=video 0 RTP/AVP 96", "m=audio 1000 RTP/AVP 8 0", "m=video 0 RTP/AVP 96")
	offered, _ = reoffer(t, callee, caller, strings.ReplaceAll(audio+video, "192.0.2.10", "192.0.2.20"), nil)
	expect(t, "back, by the other side", only(offered, "m="), "m=audio 1000 RTP/AVP 8 0", "m=video 1002 RTP/AVP 96")
}

// TestRefuseVideo: who takes voice only gets voice only, both ways.
func TestRefuseVideo(t *testing.T) {
	noVideo := func(line string) string { return strings.Replace(line, "m=video 30002", "m=video 0", 1) }
	caller, callee := call(t, audio+video, noVideo)
	if caller.stream(1).Active || callee.stream(1).Active {
		t.Error("a refused stream is active")
	}
	pairs := negotiate.Join(caller.state, callee.state)
	if len(pairs) != 1 || pairs[0].A != 0 || pairs[0].B != 0 {
		t.Errorf("joined %+v", pairs)
	}
}

// TestUnknownLines are refused in their place and never reach the other side.
func TestUnknownLines(t *testing.T) {
	caller, callee := newLeg(t, 1, carrier), newLeg(t, 2, carrier)
	caller.takeOffer(crlf(audio + `
		m=message 2855 TCP/TLS/MSRP *
		m=application 9 UDP/DTLS/SCTP webrtc-datachannel
		m=secret 4100 RTP/AVP 0` + video))
	offer := callee.makeOffer(caller)
	expect(t, "offer", only(offer, "m="), "m=audio 2000 RTP/AVP 8 0", "m=video 2002 RTP/AVP 96")
	callee.takeAnswer(phone(offer, nil))
	expect(t, "answer", only(caller.makeAnswer(callee), "m="), "m=audio 1000 RTP/AVP 8 0",
		"m=message 0 TCP/TLS/MSRP *", "m=application 0 UDP/DTLS/SCTP webrtc-datachannel", "m=secret 0 RTP/AVP 0", "m=video 1008 RTP/AVP 96")
	pairs := negotiate.Join(caller.state, callee.state)
	if len(pairs) != 2 || pairs[1].A != 4 || pairs[1].B != 1 {
		t.Errorf("joined %+v", pairs)
	}
	_, err := newLeg(t, 3, carrier).state.ReadOffer(&carrier, []byte(crlf("v=0\nc=IN IP4 192.0.2.10\nm=message 2855 TCP/MSRP *")))
	if !errors.Is(err, negotiate.ErrNotAcceptable) {
		t.Errorf("nothing but MSRP: %v", err)
	}
}

// TestLateOffer: an INVITE without SDP; the callee offers in its 200, the caller
// answers in its ACK.
func TestLateOffer(t *testing.T) {
	caller, callee := newLeg(t, 1, user), newLeg(t, 2, carrier)
	callee.takeOffer(crlf(strings.ReplaceAll(audio, "192.0.2.10", "192.0.2.20")))
	offer := caller.makeOffer(callee)
	expect(t, "offer to the caller", only(offer, "m=", "a=crypto:1"), "m=audio 1000 RTP/SAVP 8 0", only(offer, "a=crypto:1")[0])
	caller.takeAnswer(phone(offer, nil))
	expect(t, "answer to the callee", only(callee.makeAnswer(caller), "m=", "a=crypto"), "m=audio 2000 RTP/AVP 8 0")
	if len(negotiate.Join(caller.state, callee.state)) != 1 {
		t.Error("not joined")
	}
}

// TestOfferFromNobody has what everybody knows.
func TestOfferFromNobody(t *testing.T) {
	l := newLeg(t, 1, carrier)
	offer := l.makeOffer(nil)
	expect(t, "offer", only(offer, "m=", "a=rtpmap", "a=send"), "m=audio 1000 RTP/AVP 96 9 8 0 102 101",
		"a=rtpmap:96 opus/48000/2", "a=rtpmap:9 G722/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000",
		"a=rtpmap:102 telephone-event/48000", "a=rtpmap:101 telephone-event/8000", "a=sendrecv")
	l.takeAnswer(phone(offer, nil))
	again := l.makeOffer(nil)
	if again != offer {
		t.Errorf("the same again became\n%s", again)
	}

	silent, asked := newLeg(t, 1, carrier), newLeg(t, 1, carrier)
	if got := asked.makeOffer(silent); got != offer {
		t.Errorf("from who has said nothing\n%s", got)
	}

	noVideo := func(line string) string { return strings.Replace(line, "m=video 30002", "m=video 0", 1) }
	caller, callee := call(t, audio+video, noVideo)
	for _, l := range []*leg{caller, callee} {
		expect(t, "what was agreed", only(l.makeOffer(nil), "m=v", "a=send"), "a=sendrecv", "m=video 0 RTP/AVP 96")
	}
}

// TestKeying is that of the peer's first stream in use.
func TestKeying(t *testing.T) {
	l := newLeg(t, 1, lenient)
	if _, ok := l.state.Keying(); ok {
		t.Error("known before the peer said anything")
	}
	l.takeOffer(voice("RTP/SAVP") + "m=audio 4002 RTP/AVP 8\r\n")
	if k, ok := l.state.Keying(); !ok || k != negotiate.Plain {
		t.Errorf("keying %v", k)
	}
	ended := newLeg(t, 2, lenient)
	ended.takeAnswer(phone(ended.makeOffer(nil), nil))
	ended.takeOffer(strings.Replace(voice("RTP/AVP"), "4000", "0", 1))
	if k, ok := ended.state.Keying(); !ok || k != negotiate.Plain {
		t.Errorf("keying of nothing %v", k)
	}
}

// TestEndEverything: a new offer may end all streams, and the other side hears so
// (RFC 3264 §8.2).
func TestEndEverything(t *testing.T) {
	caller, callee := call(t, audio, nil)
	caller.takeOffer(crlf(strings.Replace(audio, "4000", "0", 1)))
	offer := callee.makeOffer(caller)
	expect(t, "offer", only(offer, "m=", "a="), "m=audio 0 RTP/AVP 8")
	callee.takeAnswer(phone(offer, nil))
	expect(t, "answer", only(caller.makeAnswer(callee), "m=", "a="), "m=audio 0 RTP/AVP 8 0")
	if callee.stream(0).Active || len(negotiate.Join(caller.state, callee.state)) != 0 {
		t.Error("something is left")
	}
}

// TestNothingInCommon: an answer that would refuse everything is none.
func TestNothingInCommon(t *testing.T) {
	caller, callee := call(t, audio, nil)
	caller.takeOffer(crlf(strings.Replace(audio, "RTP/AVP 8 0", "RTP/AVP 18", 1)))
	if _, _, err := caller.state.WriteAnswer(callee.state, caller.locals()); !errors.Is(err, negotiate.ErrNotAcceptable) {
		t.Errorf("%v", err)
	}
}

// TestMissingLines: a peer that forgets lines gets as many as it has now; a line
// that comes again has its place.
func TestMissingLines(t *testing.T) {
	caller, callee := call(t, audio+video, nil)
	offered, answered := reoffer(t, caller, callee, audio, nil)
	expect(t, "offer", only(offered, "m="), "m=audio 2000 RTP/AVP 8 0", "m=video 0 RTP/AVP 96")
	expect(t, "answer", only(answered, "m="), "m=audio 1000 RTP/AVP 8 0")
	offered, _ = reoffer(t, caller, callee, audio+video, nil)
	expect(t, "offer", only(offered, "m="), "m=audio 2000 RTP/AVP 8 0", "m=video 2002 RTP/AVP 96")
}

// TestFork: every branch has its own leg, the caller is answered by one after
// the other, and each packet map is that of the branch.
func TestFork(t *testing.T) {
	caller := newLeg(t, 1, carrier)
	caller.takeOffer(crlf(audio))
	early, final := newLeg(t, 2, carrier), newLeg(t, 3, user)
	first, second := early.makeOffer(caller), final.makeOffer(caller)
	early.takeAnswer(phone(first, func(line string) string { return strings.Replace(line, "RTP/AVP 8 0", "RTP/AVP 0", 1) }))
	expect(t, "183", only(caller.makeAnswer(early), "o=", "m="), "o=- 1 1 IN IP4 203.0.113.1", "m=audio 1000 RTP/AVP 0")
	final.takeAnswer(phone(second, nil))
	expect(t, "200 of the other branch", only(caller.makeAnswer(final), "o=", "m="), "o=- 1 2 IN IP4 203.0.113.1", "m=audio 1000 RTP/AVP 8 0")
	if pairs := negotiate.Join(caller.state, final.state); len(pairs) != 1 || len(pairs[0].AB) != 2 || pairs[0].Untouched {
		t.Errorf("%+v", pairs)
	}
}

// TestLaterAnswer replaces the one before to the same offer.
func TestLaterAnswer(t *testing.T) {
	l := newLeg(t, 1, user)
	offer := l.makeOffer(nil)
	l.takeAnswer(phone(offer, nil))
	l.takeAnswer(strings.ReplaceAll(phone(offer, nil), "192.0.2.20", "192.0.2.30"))
	if to := l.stream(0).Remote.Addr().String(); to != "192.0.2.30" {
		t.Errorf("media goes to %s", to)
	}
}

// TestTurns: offers and answers have their turn (RFC 3264 §4).
func TestTurns(t *testing.T) {
	caller, callee := call(t, audio, nil)
	fails := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, negotiate.ErrState) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := caller.state.ReadAnswer(&caller.profile, []byte(crlf(audio)))
	fails("an answer to no offer of ours", err)
	caller.takeOffer(crlf(audio))
	_, err = caller.state.ReadOffer(&caller.profile, []byte(crlf(audio)))
	fails("a second offer", err)
	_, _, err = caller.state.WriteOffer(&caller.profile, callee.state, caller.locals())
	fails("glare", err)
	_, _, err = caller.state.WriteAnswer(negotiate.New(9, relay), caller.locals())
	fails("an answer of who has not answered", err)
	_, _, err = callee.state.WriteAnswer(caller.state, callee.locals())
	fails("our answer to our offer", err)
}

// TestRollback: a refused re-INVITE leaves everything as it was, but a version
// that was sent is not sent again with another text.
func TestRollback(t *testing.T) {
	caller, callee := call(t, audio, nil)
	before := callee.state.Plan()
	caller.takeOffer(crlf(audio + video))
	callee.makeOffer(caller) // the callee says 488
	callee.state, caller.state = callee.state.Rollback(), caller.state.Rollback()
	if callee.state.Plan() != before || callee.state.Rollback() != callee.state {
		t.Error("the plan changed")
	}
	offered, answered := reoffer(t, caller, callee, audio+"\na=sendonly", nil)
	expect(t, "hold afterwards", append(only(offered, "o=", "m="), only(answered, "o=", "m=")...),
		"o=- 2 3 IN IP4 203.0.113.1", "m=audio 2000 RTP/AVP 8 0", "o=- 1 2 IN IP4 203.0.113.1", "m=audio 1000 RTP/AVP 8 0")
}

// TestTransfer connects a caller with voice and video to somebody who has them
// in another order, without a new line.
func TestTransfer(t *testing.T) {
	caller, _ := call(t, audio+video, nil)
	other := newLeg(t, 3, carrier)
	other.takeOffer(crlf("v=0\nc=IN IP4 192.0.2.30" + strings.ReplaceAll(video, "96", "99") + "\nm=audio 4000 RTP/AVP 0"))
	first := newLeg(t, 4, carrier)
	first.takeAnswer(phone(first.makeOffer(other), nil))
	other.makeAnswer(first)

	offer := caller.makeOffer(other)
	expect(t, "offer to the caller", only(offer, "m="), "m=audio 1000 RTP/AVP 0", "m=video 1002 RTP/AVP 96")
	caller.takeAnswer(phone(offer, nil))
	pairs := negotiate.Join(caller.state, other.state)
	if len(pairs) != 2 || pairs[0].B != 1 || pairs[1].B != 0 {
		t.Fatalf("joined %+v", pairs)
	}
	if r := pairs[1].AB; len(r) != 1 || r[0].From.Number != 96 || r[0].To.Number != 99 {
		t.Errorf("video goes by %+v", r)
	}
}

// TestFax switches a line from voice to T.38 and back, in its place.
func TestFax(t *testing.T) {
	const fax = `
		v=0
		o=alice 1 2 IN IP4 192.0.2.10
		s=-
		c=IN IP4 192.0.2.10
		t=0 0
		m=image 4000 udptl t38
		a=T38FaxVersion:0
		a=T38FaxUdpEC:t38UDPRedundancy`
	caller, callee := call(t, audio, nil)
	offered, answered := reoffer(t, caller, callee, fax, nil)
	expect(t, "offer", only(offered, "m=", "a="), "m=image 2000 udptl t38", "a=T38FaxVersion:0", "a=T38FaxUdpEC:t38UDPRedundancy")
	expect(t, "answer", only(answered, "m=", "a="), "m=image 1000 udptl t38", "a=T38FaxVersion:0", "a=T38FaxUdpEC:t38UDPRedundancy")
	pairs := negotiate.Join(caller.state, callee.state)
	if len(pairs) != 1 || !pairs[0].Untouched || !caller.stream(0).Opaque {
		t.Errorf("%+v", pairs)
	}
	offered, _ = reoffer(t, caller, callee, audio, nil)
	expect(t, "voice again", only(offered, "m="), "m=audio 2000 RTP/AVP 8 0")

	secure := newLeg(t, 5, user)
	caller.takeOffer(crlf(fax))
	if _, _, err := secure.state.WriteOffer(&secure.profile, caller.state, secure.locals()); !errors.Is(err, negotiate.ErrInsecure) {
		t.Errorf("fax where SRTP is required: %v", err)
	}
}

// TestNoPorts: what the engine cannot give ends the step, and nothing else.
func TestNoPorts(t *testing.T) {
	exhausted := errors.New("no ports")
	l := newLeg(t, 1, carrier)
	_, _, err := l.state.WriteOffer(&l.profile, nil, negotiate.Locals{
		Line: func(negotiate.Want) (negotiate.Local, error) { return negotiate.Local{}, exhausted },
	})
	if !errors.Is(err, exhausted) {
		t.Errorf("%v", err)
	}
	l.makeOffer(nil)

	caller, callee := call(t, audio, nil)
	caller.takeOffer(crlf(audio))
	_, _, err = caller.state.WriteAnswer(callee.state, negotiate.Locals{
		Line: func(negotiate.Want) (negotiate.Local, error) { return negotiate.Local{}, exhausted },
	})
	if !errors.Is(err, exhausted) {
		t.Errorf("%v", err)
	}
}

// TestShortAnswer: m-lines that an answer leaves out are refused, and more than
// were offered are not there.
func TestShortAnswer(t *testing.T) {
	caller, callee := newLeg(t, 1, carrier), newLeg(t, 2, carrier)
	caller.takeOffer(crlf(audio + video))
	callee.makeOffer(caller)
	callee.takeAnswer(crlf(audio))
	expect(t, "answer", only(caller.makeAnswer(callee), "m="), "m=audio 1000 RTP/AVP 8 0", "m=video 0 RTP/AVP 96")
	callee.takeAnswer(crlf(audio + video + video))
	expect(t, "answer", only(caller.makeAnswer(callee), "m="), "m=audio 1000 RTP/AVP 8 0", "m=video 1002 RTP/AVP 96")
}

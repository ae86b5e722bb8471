package negotiate_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/secure"
)

const (
	// The keys of alice; one for each suite that her phone may offer.
	keyGCM      = "a=crypto:3 AEAD_AES_128_GCM inline:YWxpY2VzIGtleSBmb3IgR0NNIGlzIGxvbmdlcg=="
	key80       = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:YWxpY2VzIGtleSBmb3IgdGhlIDgwIGJpdHMgb2Yg"
	key32       = "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:YWxpY2VzIGtleSBmb3IgdGhlIDMyIGJpdHMgb2Yg"
	odd         = "a=crypto:7 F8_128_HMAC_SHA1_80 inline:YWxpY2VzIGtleSBmb3IgdGhlIDgwIGJpdHMgb2Yg"
	unencrypted = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:YWxpY2VzIGtleSBmb3IgdGhlIDgwIGJpdHMgb2Yg UNENCRYPTED_SRTP"
	certificate = "a=fingerprint:sha-256 CC:CC:CC:CC\na=setup:actpass"
	weak        = "a=fingerprint:sha-1 CC:CC:CC:CC\na=setup:actpass"
)

// voice is an offer of one audio stream.
func voice(proto string, attributes ...string) string {
	return crlf("v=0\no=alice 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\nm=audio 4000 " + proto + " 8\n" + strings.Join(attributes, "\n"))
}

// TestPolicyOfOffers: what each profile makes of what a peer offers.
func TestPolicyOfOffers(t *testing.T) {
	insecure := func(p negotiate.Profile) negotiate.Profile { p.Secure = false; return p }
	tests := []struct {
		name    string
		profile negotiate.Profile
		offer   string
		answer  string // transport and keys of our answer
		err     error
	}{
		{"SDES required", user, voice("RTP/SAVP", key80), "RTP/SAVP a=crypto:1 AES_CM_128_HMAC_SHA1_80", nil},
		{"under RTP/AVP", user, voice("RTP/AVP", key80), "RTP/AVP a=crypto:1 AES_CM_128_HMAC_SHA1_80", nil},
		{"the tag is echoed", user, voice("RTP/SAVPF", key32), "RTP/SAVPF a=crypto:2 AES_CM_128_HMAC_SHA1_32", nil},
		{"GCM is best", user, voice("RTP/SAVP", key80, key32, keyGCM), "RTP/SAVP a=crypto:3 AEAD_AES_128_GCM", nil},
		{"unknown suites are passed over", user, voice("RTP/SAVP", odd, key32), "RTP/SAVP a=crypto:2 AES_CM_128_HMAC_SHA1_32", nil},
		{"none but unknown", user, voice("RTP/SAVP", odd), "", negotiate.ErrInsecure},
		{"encryption switched off", user, voice("RTP/SAVP", unencrypted), "", negotiate.ErrInsecure},
		{"plain where required", user, voice("RTP/AVP"), "", negotiate.ErrInsecure},
		{"plain where preferred", lenient, voice("RTP/AVP"), "RTP/AVP", nil},
		{"SRTP where preferred", lenient, voice("RTP/AVP", key80), "RTP/AVP a=crypto:1 AES_CM_128_HMAC_SHA1_80", nil},
		{"SRTP where forbidden", carrier, voice("RTP/SAVP", key80), "", negotiate.ErrNotAcceptable},
		{"opportunistic where forbidden", carrier, voice("RTP/AVP", key80), "RTP/AVP", nil},
		{"keys over clear signalling", insecure(user), voice("RTP/SAVP", key80), "", negotiate.ErrInsecure},
		{"opportunistic keys over clear signalling", insecure(user), voice("RTP/AVP", key80), "", negotiate.ErrInsecure},
		{"the same where preferred", insecure(lenient), voice("RTP/AVP", key80), "RTP/AVP", nil},
		{"SAVP over clear signalling where preferred", insecure(lenient), voice("RTP/SAVP", key80), "", negotiate.ErrNotAcceptable},
		{"DTLS over clear signalling", insecure(user), voice("UDP/TLS/RTP/SAVP", certificate), "UDP/TLS/RTP/SAVP a=fingerprint:sha-256 AA:AA:AA:AA a=setup:passive", nil},
		{"DTLS in the old way", user, voice("RTP/SAVPF", certificate), "RTP/SAVPF a=fingerprint:sha-256 AA:AA:AA:AA a=setup:passive", nil},
		{"opportunistic DTLS", lenient, voice("RTP/AVP", certificate), "RTP/AVP a=fingerprint:sha-256 AA:AA:AA:AA a=setup:passive", nil},
		{"DTLS without fingerprint", user, voice("UDP/TLS/RTP/SAVP"), "", negotiate.ErrInsecure},
		{"a SHA-1 fingerprint", user, voice("UDP/TLS/RTP/SAVP", weak), "", negotiate.ErrInsecure},
		{"DTLS where forbidden", carrier, voice("UDP/TLS/RTP/SAVP", certificate), "", negotiate.ErrNotAcceptable},
		{"both ways to key", user, voice("RTP/SAVP", certificate, key80), "RTP/SAVP a=crypto:1 AES_CM_128_HMAC_SHA1_80", nil},
		{"holdconn", user, voice("UDP/TLS/RTP/SAVP", strings.Replace(certificate, "actpass", "holdconn", 1)), "", negotiate.ErrNotAcceptable},
		{"malformed", user, "hello", "", negotiate.ErrMalformed},
		{"no stream at all", user, crlf("v=0\nc=IN IP4 192.0.2.10"), "", negotiate.ErrNotAcceptable},
		{"a codec without name", user, strings.Replace(voice("RTP/SAVP", key80), "SAVP 8", "SAVP 96", 1), "", negotiate.ErrNotAcceptable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			caller, callee := newLeg(t, 1, test.profile), newLeg(t, 2, carrier)
			next, err := caller.state.ReadOffer(&caller.profile, []byte(test.offer))
			if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err != nil {
				return
			}
			caller.state = next
			callee.takeAnswer(phone(callee.makeOffer(caller), nil))
			lines := only(caller.makeAnswer(callee), "m=", "a=crypto", "a=fingerprint", "a=setup")
			lines[0] = strings.Fields(lines[0])[2]
			got, _, _ := strings.Cut(strings.Join(lines, " "), " inline:")
			if got != test.answer {
				t.Errorf("answer %q, want %q", got, test.answer)
			}
		})
	}
}

// TestPolicyOfAnswers: what each profile offers, and what it takes as answer.
func TestPolicyOfAnswers(t *testing.T) {
	plainOffer := voice("RTP/AVP")
	bob := "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:Ym9ib25seWJvYm9ubHlib2Jvbmx5Ym9ib25seWJv"
	insecure := lenient
	insecure.Secure = false
	opportunistic := negotiate.Profile{SRTP: negotiate.Prefer, Offer: negotiate.DTLS}
	tests := []struct {
		name    string
		profile negotiate.Profile
		proto   string // that is offered
		answer  string
		keying  negotiate.Keying
		err     error
	}{
		{"keys", user, "RTP/SAVP", voice("RTP/SAVP", bob), negotiate.SDES, nil},
		{"keys with another tag", user, "RTP/SAVP", voice("RTP/SAVP", strings.Replace(bob, ":2", ":1", 1)), negotiate.SDES, nil},
		{"a suite that was not offered", user, "RTP/SAVP", voice("RTP/SAVP", strings.Replace(key32, "_32", "_80 ", 1)+" UNENCRYPTED_SRTP"), 0, negotiate.ErrInsecure},
		{"no keys", user, "RTP/SAVP", voice("RTP/AVP"), 0, negotiate.ErrInsecure},
		{"keys where preferred", lenient, "RTP/AVP", voice("RTP/AVP", bob), negotiate.SDES, nil},
		{"no keys where preferred", lenient, "RTP/AVP", voice("RTP/AVP"), negotiate.Plain, nil},
		{"either, and keys are taken", either, "RTP/SAVP", voice("RTP/SAVP", bob), negotiate.SDES, nil},
		{"either, and DTLS is taken", either, "RTP/SAVP", voice("RTP/SAVP", strings.Replace(certificate, "actpass", "active", 1)), negotiate.DTLS, nil},
		{"either, and neither is taken", either, "RTP/SAVP", voice("RTP/SAVP"), 0, negotiate.ErrInsecure},
		{"SDES, and DTLS that was not offered", user, "RTP/SAVP", voice("RTP/SAVP", strings.Replace(certificate, "actpass", "active", 1)), 0, negotiate.ErrInsecure},
		{"SAVP without keys", lenient, "RTP/AVP", voice("RTP/SAVP"), 0, negotiate.ErrNotAcceptable},
		{"plain", carrier, "RTP/AVP", voice("RTP/AVP"), negotiate.Plain, nil},
		{"keys that nobody offered", carrier, "RTP/AVP", voice("RTP/AVP", bob), negotiate.Plain, nil},
		{"SAVP that nobody offered", carrier, "RTP/AVP", voice("RTP/SAVP", bob), 0, negotiate.ErrNotAcceptable},
		{"clear signalling has no keys", insecure, "RTP/AVP", voice("RTP/AVP", bob), negotiate.Plain, nil},
		{"DTLS", dtls, "UDP/TLS/RTP/SAVP", voice("UDP/TLS/RTP/SAVP", strings.Replace(certificate, "actpass", "active", 1)), negotiate.DTLS, nil},
		{"DTLS without fingerprint", dtls, "UDP/TLS/RTP/SAVP", voice("UDP/TLS/RTP/SAVP"), 0, negotiate.ErrInsecure},
		{"DTLS put off", dtls, "UDP/TLS/RTP/SAVP", voice("UDP/TLS/RTP/SAVP", strings.Replace(certificate, "actpass", "holdconn", 1)), 0, negotiate.ErrNotAcceptable},
		{"opportunistic DTLS", opportunistic, "RTP/AVP", voice("RTP/AVP", strings.Replace(certificate, "actpass", "active", 1)), negotiate.DTLS, nil},
		{"opportunistic DTLS that nobody takes", opportunistic, "RTP/AVP", voice("RTP/AVP"), negotiate.Plain, nil},
		{"refused", user, "RTP/SAVP", strings.Replace(voice("RTP/SAVP", bob), "4000", "0", 1), 0, negotiate.ErrNotAcceptable},
		{"no codec in common", carrier, "RTP/AVP", strings.Replace(voice("RTP/AVP"), "AVP 8", "AVP 18", 1), 0, negotiate.ErrNotAcceptable},
		{"fax to voice", carrier, "RTP/AVP", strings.Replace(voice("udptl"), "udptl 8", "udptl t38", 1), 0, negotiate.ErrNotAcceptable},
		{"malformed", carrier, "RTP/AVP", "", 0, negotiate.ErrMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			caller, callee := newLeg(t, 1, carrier), newLeg(t, 2, test.profile)
			caller.takeOffer(plainOffer)
			if proto := strings.Fields(only(callee.makeOffer(caller), "m=")[0])[2]; proto != test.proto {
				t.Errorf("offered %s, want %s", proto, test.proto)
			}
			next, err := callee.state.ReadAnswer(&callee.profile, []byte(test.answer))
			if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err != nil {
				return
			}
			if k, ok := next.Keying(); !ok || k != test.keying || next.Plan().Streams[0].Keying != test.keying {
				t.Errorf("keying %v, want %v", k, test.keying)
			}
		})
	}
}

// TestNoKeyInTheClear: a profile that requires SRTP cannot offer over clear
// signalling, nor with keying that has none.
func TestNoKeyInTheClear(t *testing.T) {
	for _, p := range []negotiate.Profile{{Offer: negotiate.SDES}, {Offer: negotiate.Plain, Secure: true}} {
		if _, _, err := newLeg(t, 1, p).state.WriteOffer(&p, nil, newLeg(t, 1, p).locals()); !errors.Is(err, negotiate.ErrInsecure) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// TestSuites: our offers have the best first, and what every phone knows second;
// a new offer begins with what is in use, under the same keys.
func TestSuites(t *testing.T) {
	l := newLeg(t, 1, user)
	offer := l.makeOffer(nil)
	names := func(text string) (list []string) {
		for _, line := range only(text, "a=crypto:") {
			list = append(list, strings.Fields(line)[0]+" "+strings.Fields(line)[1])
		}
		return list
	}
	expect(t, "offer", names(offer), "a=crypto:1 AEAD_AES_128_GCM", "a=crypto:2 AES_CM_128_HMAC_SHA1_80",
		"a=crypto:3 AES_CM_128_HMAC_SHA1_32", "a=crypto:4 AES_256_CM_HMAC_SHA1_80")
	l.takeAnswer(phone(offer, nil))
	s := l.stream(0)
	if s.Inbound.Suite != secure.AES_CM_128_HMAC_SHA1_80 || s.Outbound.Suite != s.Inbound.Suite || s.Inbound.Key.Equal(s.Outbound.Key) {
		t.Errorf("agreed %v and %v", s.Inbound.Suite, s.Outbound.Suite)
	}
	again := l.makeOffer(nil)
	expect(t, "new offer", names(again), "a=crypto:1 AES_CM_128_HMAC_SHA1_80", "a=crypto:2 AEAD_AES_128_GCM",
		"a=crypto:3 AES_CM_128_HMAC_SHA1_32", "a=crypto:4 AES_256_CM_HMAC_SHA1_80")
	l.takeAnswer(phone(again, nil))
	if !l.stream(0).Outbound.Key.Equal(s.Outbound.Key) || l.keys != 4 {
		t.Errorf("%d keys were made for one line", l.keys)
	}
}

// TestKeysStayWithTheLeg: in a new offer of the peer, our key is the one it has.
func TestKeysStayWithTheLeg(t *testing.T) {
	caller, callee := newLeg(t, 1, user), newLeg(t, 2, carrier)
	offer := voice("RTP/SAVP", key32, key80)
	var first *negotiate.Stream
	for range 2 {
		caller.takeOffer(offer)
		callee.takeAnswer(phone(callee.makeOffer(caller), nil))
		caller.makeAnswer(callee)
		if first == nil {
			first = caller.stream(0)
		}
		offer = strings.Replace(offer, key32, keyGCM, 1) // something better is no reason to change
	}
	if s := caller.stream(0); !s.Outbound.Key.Equal(first.Outbound.Key) || s.Inbound.Suite != first.Inbound.Suite {
		t.Errorf("%v became %v", first.Inbound.Suite, s.Inbound.Suite)
	}
}

// TestRoles of DTLS (RFC 5763 §5, RFC 8842 §5).
func TestRoles(t *testing.T) {
	tests := []struct {
		offered, answered string
		client            bool
	}{
		{"a=setup:actpass", "a=setup:passive", false},
		{"a=setup:active", "a=setup:passive", false},
		{"a=setup:passive", "a=setup:active", true},
		{"", "a=setup:passive", false},
	}
	for _, test := range tests {
		caller, callee := newLeg(t, 1, dtls), newLeg(t, 2, carrier)
		caller.takeOffer(voice("UDP/TLS/RTP/SAVP", "a=fingerprint:sha-256 CC:CC", test.offered))
		callee.takeAnswer(phone(callee.makeOffer(caller), nil))
		expect(t, test.offered, only(caller.makeAnswer(callee), "a=setup"), test.answered)
		if s := caller.stream(0); s.Client != test.client {
			t.Errorf("%s: client %v", test.offered, s.Client)
		}
	}
}

// TestRoleStays: the peer answered passive, so we are the client; when it offers
// anew, with the same certificate, we still are, and with another one no longer.
func TestRoleStays(t *testing.T) {
	l, other := newLeg(t, 1, dtls), newLeg(t, 2, carrier)
	other.takeOffer(voice("RTP/AVP"))
	passive := func(line string) string { return strings.Replace(line, "setup:active", "setup:passive", 1) }
	l.takeAnswer(phone(l.makeOffer(other), passive))
	other.makeAnswer(l)
	if !l.stream(0).Client {
		t.Error("nobody is the client")
	}
	for description, role := range map[string]string{
		"a=fingerprint:sha-256 BB:BB:BB:BB":                     "a=setup:active",
		"a=fingerprint:sha-256 DD:DD:DD:DD":                     "a=setup:passive",
		"a=fingerprint:sha-256 BB:BB:BB:BB\na=tls-id:another_1": "a=setup:passive",
	} {
		again := *l
		again.takeOffer(voice("UDP/TLS/RTP/SAVP", "a=setup:actpass", description))
		expect(t, description, only(again.makeAnswer(other), "a=setup"), role)
	}
}

// TestAgreedDTLSGoesOn although the profile would offer something else.
func TestAgreedDTLSGoesOn(t *testing.T) {
	p := user
	p.Secure = false // a phone on UDP that does DTLS
	caller, callee := newLeg(t, 1, p), newLeg(t, 2, carrier)
	caller.takeOffer(voice("UDP/TLS/RTP/SAVPF", certificate))
	callee.takeAnswer(phone(callee.makeOffer(caller), nil))
	caller.makeAnswer(callee)
	callee.takeOffer(voice("RTP/AVP", "a=sendonly"))
	expect(t, "hold", only(caller.makeOffer(callee), "m=", "a=send", "a=setup"), "m=audio 1000 UDP/TLS/RTP/SAVPF 8", "a=sendonly", "a=setup:actpass")
}

// TestEither: a new offer has only what the peer took.
func TestEither(t *testing.T) {
	for _, dtlsOnly := range []bool{false, true} {
		l := newLeg(t, 1, either)
		offer := l.makeOffer(nil)
		if len(only(offer, "a=crypto")) != 4 || len(only(offer, "a=fingerprint", "a=setup:actpass")) != 2 {
			t.Errorf("offer\n%s", offer)
		}
		l.takeAnswer(phone(offer, func(line string) string {
			if strings.HasPrefix(line, "a=crypto") && dtlsOnly || strings.HasPrefix(line, "a=fingerprint") && !dtlsOnly {
				return ""
			}
			return line
		}))
		again := l.makeOffer(nil)
		if (len(only(again, "a=crypto")) == 0) != dtlsOnly || (len(only(again, "a=setup")) == 1) != dtlsOnly {
			t.Errorf("DTLS only: %v, new offer\n%s", dtlsOnly, again)
		}
	}
}

// TestLyingAddresses: nobody has the relay send to where media does not belong.
func TestLyingAddresses(t *testing.T) {
	at := func(address string) string {
		return strings.Replace(voice("RTP/AVP"), "c=IN IP4 192.0.2.10", "c=IN "+address, 1)
	}
	refused := map[string]string{
		"loopback":              at("IP4 127.0.0.1"),
		"all of 127":            at("IP4 127.8.9.10"),
		"loopback of IPv6":      at("IP6 ::1"),
		"mapped loopback":       at("IP6 ::ffff:127.0.0.1"),
		"metadata of a cloud":   at("IP4 169.254.169.254"),
		"metadata over IPv6":    at("IP6 fd00:ec2::254"),
		"link-local IPv6":       at("IP6 fe80::1"),
		"this network":          at("IP4 0.1.2.3"),
		"multicast":             at("IP4 233.252.0.1/127"),
		"multicast of IPv6":     at("IP6 ff02::1"),
		"broadcast":             at("IP4 255.255.255.255"),
		"a name":                at("IP4 metadata.example.com"),
		"nothing":               strings.Replace(voice("RTP/AVP"), "c=IN IP4 192.0.2.10\r\n", "", 1),
		"RTCP to loopback":      voice("RTP/AVP", "a=rtcp:53 IN IP4 127.0.0.1"),
		"of the line":           voice("RTP/AVP", "c=IN IP4 127.0.0.1"),
		"the last of two lines": voice("RTP/AVP", "m=video 5000 RTP/AVP 31", "c=IN IP4 127.0.0.1"),
	}
	for name, offer := range refused {
		if _, err := negotiate.New(1, relay).ReadOffer(&carrier, []byte(offer)); !errors.Is(err, negotiate.ErrNotAcceptable) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "127.") {
			t.Errorf("%s: the error tells the address: %v", name, err)
		}
	}
	l := newLeg(t, 1, carrier)
	l.makeOffer(nil)
	if _, err := l.state.ReadAnswer(&carrier, []byte(at("IP4 127.0.0.1"))); !errors.Is(err, negotiate.ErrNotAcceptable) {
		t.Errorf("in an answer: %v", err)
	}

	local := carrier
	local.Allowed = func(to netip.AddrPort) bool { return to.Addr().IsLoopback() && to.Port() != 1000 }
	if _, err := negotiate.New(1, relay).ReadOffer(&local, []byte(at("IP4 127.0.0.1"))); err != nil {
		t.Errorf("an address that is allowed: %v", err)
	}
	ours := strings.Replace(at("IP4 127.0.0.1"), "4000", "1000", 1)
	if _, err := negotiate.New(1, relay).ReadOffer(&local, []byte(ours)); !errors.Is(err, negotiate.ErrNotAcceptable) {
		t.Errorf("a port of ours: %v", err)
	}
	dead := strings.Replace(at("IP4 127.0.0.1"), "4000", "0", 1) + "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 192.0.2.10\r\n"
	if _, err := negotiate.New(1, relay).ReadOffer(&carrier, []byte(dead)); err != nil {
		t.Errorf("an address that is not used: %v", err)
	}
}

// TestAddresses finds where RTP and RTCP go.
func TestAddresses(t *testing.T) {
	tests := []struct{ name, offer, rtp, rtcp string }{
		{"the port above", voice("RTP/AVP"), "192.0.2.10:4000", "192.0.2.10:4001"},
		{"a=rtcp with a port", voice("RTP/AVP", "a=rtcp:5005"), "192.0.2.10:4000", "192.0.2.10:5005"},
		{"a=rtcp with an address", voice("RTP/AVP", "a=rtcp:5005 IN IP4 192.0.2.11"), "192.0.2.10:4000", "192.0.2.11:5005"},
		{"c= of the line", voice("RTP/AVP", "c=IN IP4 192.0.2.12"), "192.0.2.12:4000", "192.0.2.12:4001"},
		{"rtcp-mux", voice("RTP/AVP", "a=rtcp-mux"), "192.0.2.10:4000", "192.0.2.10:4000"},
		{"the last port", strings.Replace(voice("RTP/AVP"), "4000", "65535", 1), "192.0.2.10:65535", "invalid AddrPort"},
		{"IPv6 towards a relay on IPv4", voice("RTP/AVP", "c=IN IP6 2001:db8::1"), "invalid AddrPort", "invalid AddrPort"},
	}
	for _, test := range tests {
		caller, callee := newLeg(t, 1, carrier), newLeg(t, 2, carrier)
		caller.takeOffer(test.offer)
		callee.takeAnswer(phone(callee.makeOffer(caller), nil))
		caller.makeAnswer(callee)
		if s := caller.stream(0); s.Remote.String() != test.rtp || s.RTCP.String() != test.rtcp {
			t.Errorf("%s: %v and %v, want %s and %s", test.name, s.Remote, s.RTCP, test.rtp, test.rtcp)
		}
	}
	s, err := negotiate.New(1, relay).ReadOffer(&carrier, []byte(voice("RTP/AVP", "c=IN IP6 2001:db8::1")))
	if err != nil || s.Remote().Lines[0].Address.String() != "[2001:db8::1]:4000" {
		t.Errorf("who chooses our address cannot see the peer's: %v", err)
	}
}

// TestOddPorts: an RTCP port that is not the one above is told (RFC 3605 §2.1).
func TestOddPorts(t *testing.T) {
	l := newLeg(t, 1, carrier)
	locals := l.locals()
	locals.Line = func(negotiate.Want) (negotiate.Local, error) {
		return negotiate.Local{Address: netip.MustParseAddr("2001:db8::9"), RTP: 1000, RTCP: 1003}, nil
	}
	_, text, err := l.state.WriteOffer(&l.profile, nil, locals)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "offer", only(string(text), "c=", "a=rtcp"), "c=IN IP6 2001:db8::9", "a=rtcp:1003")
}

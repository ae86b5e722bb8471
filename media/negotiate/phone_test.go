package negotiate_test

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/secure"
)

// relay is our address in all tests, and relayPrint our certificate's fingerprint.
var relay = netip.MustParseAddr("203.0.113.1")

const relayPrint = "sha-256 AA:AA:AA:AA"

// captured reads an offer that a phone sent.
func captured(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("../sdp/testdata/" + name + ".sdp")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// crlf makes a description of the lines of a test.
func crlf(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		b.WriteString(strings.TrimSpace(line) + "\r\n")
	}
	return b.String()
}

// leg is one side of a call as the relay sees it: its state, profile, ports and
// keys, which count up from a base.
type leg struct {
	t       testing.TB
	state   *negotiate.State
	profile negotiate.Profile
	base    int
	keys    int
	wants   []negotiate.Want
}

func newLeg(t testing.TB, id int, p negotiate.Profile) *leg {
	return &leg{t: t, state: negotiate.New(uint64(id), relay), profile: p, base: id * 1000}
}

func (l *leg) locals() negotiate.Locals { return negotiate.Locals{Line: l.line, Key: l.key} }

func (l *leg) line(w negotiate.Want) (negotiate.Local, error) {
	l.wants = append(l.wants, w)
	port := uint16(l.base + 2*w.Line)
	local := negotiate.Local{Address: relay, RTP: port, RTCP: port + 1}
	if w.ICE {
		local.Ufrag, local.Pwd = fmt.Sprintf("user%d", l.base), "passwordpasswordpassword"
	}
	if w.DTLS {
		local.Fingerprint = relayPrint
	}
	return local, nil
}

// key makes keys that tell where they were made.
func (l *leg) key(s secure.Suite) secure.Key {
	l.keys++
	return fixedKey(l.t, s, fmt.Sprintf("relay leg %d key %d", l.base, l.keys))
}

// fixedKey makes a key of a text.
func fixedKey(t testing.TB, s secure.Suite, text string) secure.Key {
	for n := 16; n <= 46; n++ {
		b := make([]byte, n)
		copy(b, text)
		if c, ok := secure.ParseCrypto("1 " + s.String() + " inline:" + base64.StdEncoding.EncodeToString(b)); ok {
			return c.Key
		}
	}
	t.Fatalf("no key of any length fits %v", s)
	return secure.Key{}
}

func (l *leg) takeOffer(text string) {
	l.t.Helper()
	next, err := l.state.ReadOffer(&l.profile, []byte(text))
	if err != nil {
		l.t.Fatalf("offer of %d: %v\n%s", l.base, err, text)
	}
	l.state = next
}

func (l *leg) makeOffer(from *leg) string {
	l.t.Helper()
	var source *negotiate.State
	if from != nil {
		source = from.state
	}
	next, text, err := l.state.WriteOffer(&l.profile, source, l.locals())
	if err != nil {
		l.t.Fatalf("offer to %d: %v", l.base, err)
	}
	l.state = next
	return string(text)
}

func (l *leg) takeAnswer(text string) {
	l.t.Helper()
	next, err := l.state.ReadAnswer(&l.profile, []byte(text))
	if err != nil {
		l.t.Fatalf("answer of %d: %v\n%s", l.base, err, text)
	}
	l.state = next
}

func (l *leg) makeAnswer(from *leg) string {
	l.t.Helper()
	next, text, err := l.state.WriteAnswer(from.state, l.locals())
	if err != nil {
		l.t.Fatalf("answer to %d: %v", l.base, err)
	}
	l.state = next
	return string(text)
}

// stream gives a stream of the plan.
func (l *leg) stream(i int) *negotiate.Stream {
	l.t.Helper()
	if p := l.state.Plan(); p == nil || i >= len(p.Streams) {
		l.t.Fatalf("leg %d has no stream %d", l.base, i)
	}
	return &l.state.Plan().Streams[i]
}

// phone answers an offer as a phone would that takes everything, at 192.0.2.20.
// edit may change lines: it gives what to write instead, "" to leave it out.
func phone(offer string, edit func(line string) string) string {
	var b strings.Builder
	port, crypto := 30000, false
	for line := range strings.SplitSeq(strings.TrimSuffix(offer, "\r\n"), "\r\n") {
		switch {
		case strings.HasPrefix(line, "o="):
			line = "o=bob 1 1 IN IP4 192.0.2.20"
		case strings.HasPrefix(line, "c="):
			line = "c=IN IP4 192.0.2.20"
		case strings.HasPrefix(line, "m="):
			crypto = false
			word := strings.Fields(line)
			if word[1] != "0" {
				word[1] = strconv.Itoa(port)
			}
			port += 2
			line = strings.Join(word, " ")
		case strings.HasPrefix(line, "a=crypto:"):
			// This phone knows no GCM and takes the first that it knows.
			if crypto || !strings.Contains(line, " AES_CM_128_HMAC_SHA1_80 ") {
				continue
			}
			crypto = true
			line = line[:strings.Index(line, "inline:")] + "inline:Ym9ib25seWJvYm9ubHlib2Jvbmx5Ym9ib25seWJv"
		case line == "a=setup:actpass":
			line = "a=setup:active"
		case strings.HasPrefix(line, "a=fingerprint:"):
			line = "a=fingerprint:sha-256 BB:BB:BB:BB"
		case line == "a=ice-lite":
			continue
		case strings.HasPrefix(line, "a=ice-ufrag:"):
			line = "a=ice-ufrag:bobbob"
		case strings.HasPrefix(line, "a=ice-pwd:"):
			line = "a=ice-pwd:bobbobbobbobbobbobbobbob"
		case strings.HasPrefix(line, "a=candidate:"):
			word := strings.Fields(line)
			component, _ := strconv.Atoi(word[1])
			word[4], word[5] = "192.0.2.20", strconv.Itoa(port-2+component-1)
			line = strings.Join(word, " ")
		case line == "a=sendonly":
			line = "a=recvonly"
		case line == "a=recvonly":
			line = "a=sendonly"
		}
		if edit != nil {
			if line = edit(line); line == "" {
				continue
			}
		}
		b.WriteString(line + "\r\n")
	}
	return b.String()
}

// The profiles that a server has: its users on TLS, a carrier on UDP, browsers.
var (
	user    = negotiate.Profile{SRTP: negotiate.Require, Offer: negotiate.SDES, Secure: true}
	either  = negotiate.Profile{SRTP: negotiate.Require, Offer: negotiate.SDES, Secure: true, Either: true}
	lenient = negotiate.Profile{SRTP: negotiate.Prefer, Offer: negotiate.SDES, Secure: true}
	dtls    = negotiate.Profile{SRTP: negotiate.Require, Offer: negotiate.DTLS, Secure: true, ICE: true}
	carrier = negotiate.Profile{SRTP: negotiate.Forbid, Offer: negotiate.Plain}
	browser = negotiate.Profile{SRTP: negotiate.Require, Offer: negotiate.DTLS, Secure: true, ICE: true, Mux: true}
)

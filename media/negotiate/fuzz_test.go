package negotiate_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/sdp"
)

// FuzzRound plays two peers that say whatever they like: an offer, an answer to
// ours, and that answer as a new offer. What the relay sends stays its own.
func FuzzRound(f *testing.F) {
	files, _ := filepath.Glob("../sdp/testdata/*.sdp")
	for i, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			f.Add(text, text, uint8(i), uint8(i/5))
		}
	}
	f.Add([]byte(bundle("", "")), []byte(voice("RTP/AVP", key80)), uint8(4), uint8(0))
	f.Add([]byte(voice("udptl")), []byte(voice("RTP/AVP", "a=sendonly", "a=rtcp:9")), uint8(3), uint8(3))
	profiles := []negotiate.Profile{user, either, lenient, dtls, carrier, browser}
	f.Fuzz(func(t *testing.T, offer, answer []byte, p, q uint8) {
		caller := newLeg(t, 1, profiles[int(p)%len(profiles)])
		callee := newLeg(t, 2, profiles[int(q)%len(profiles)])
		round(t, caller, callee, offer, answer)
		round(t, callee, caller, answer, offer)
		round(t, caller, callee, answer, nil)
	})
}

// round lets one leg's peer offer and the other's answer, with the text given
// or, when that is not acceptable, as a phone would. Steps that are refused are
// taken back.
func round(t *testing.T, from, to *leg, offer, answer []byte) {
	next, err := from.state.ReadOffer(&from.profile, offer)
	if err != nil {
		return
	}
	from.state = next
	theirs := to.count()
	next, text, err := to.state.WriteOffer(&to.profile, from.state, to.locals())
	if err != nil {
		from.state = from.state.Rollback()
		return
	}
	to.state = next
	if n := ours(t, to, text); n < theirs {
		t.Fatalf("%d m-lines became %d", theirs, n)
	}
	reader := negotiate.Profile{SRTP: negotiate.Prefer, Secure: true}
	if _, err := negotiate.New(9, relay).ReadOffer(&reader, text); err != nil && inUse(text) {
		t.Fatalf("our own offer: %v\n%s", err, text)
	}
	if next, err = to.state.ReadAnswer(&to.profile, answer); err != nil {
		next, err = to.state.ReadAnswer(&to.profile, []byte(phone(string(text), nil)))
	}
	if err != nil {
		to.state, from.state = to.state.Rollback(), from.state.Rollback()
		return
	}
	to.state = next
	next, text, err = from.state.WriteAnswer(to.state, from.locals())
	if err != nil {
		from.state = from.state.Rollback()
		return
	}
	from.state = next
	d, _ := sdp.Parse(offer)
	if n := ours(t, from, text); n != len(d.Media) {
		t.Fatalf("%d m-lines were answered by %d\n%s\n%s", len(d.Media), n, offer, text)
	}
	for _, pair := range negotiate.Join(from.state, to.state) {
		a, b := from.stream(pair.A), to.stream(pair.B)
		if from.profile.SRTP == negotiate.Require && a.Keying == negotiate.Plain || to.profile.SRTP == negotiate.Require && b.Keying == negotiate.Plain {
			t.Fatalf("plain RTP where SRTP is required\n%s", text)
		}
	}
}

// inUse tells whether any m-line has a port.
func inUse(text []byte) bool {
	d, err := sdp.Parse(text)
	return err == nil && slices.ContainsFunc(d.Media, func(m sdp.Media) bool { return m.Port != 0 })
}

// count is how many m-lines the leg's last description had.
func (l *leg) count() int {
	if l.state.Plan() == nil {
		return 0
	}
	return len(l.state.Plan().Streams)
}

// ours checks that a description has nothing but our own addresses and this
// leg's keys, and counts its m-lines.
func ours(t *testing.T, l *leg, text []byte) int {
	d, err := sdp.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	check := func(line sdp.Line) {
		name, value := line.Attribute()
		place := line.Type == 'o' || line.Type == 'c' || line.Type == 'a' && name == "candidate"
		if place && !strings.Contains(line.Value, relay.String()) {
			t.Fatalf("a foreign address: %s", line.Value)
		}
		if line.Type != 'a' || name != "crypto" {
			return
		}
		_, key, _ := strings.Cut(value, "inline:")
		b, err := base64.StdEncoding.DecodeString(key)
		if want := "relay leg " + map[int]string{1000: "1000", 2000: "2000"}[l.base]; err != nil || !strings.HasPrefix(string(b), want) {
			t.Fatalf("a foreign key in what leg %d is sent: %q", l.base, b)
		}
	}
	for _, line := range d.Session {
		check(line)
	}
	for _, m := range d.Media {
		for _, line := range m.Lines {
			check(line)
		}
	}
	return len(d.Media)
}

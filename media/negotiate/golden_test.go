package negotiate_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/media/negotiate"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestCapturedOffers lets every phone that we captured call through the relay,
// under every profile, and compares what each side reads.
func TestCapturedOffers(t *testing.T) {
	files, err := filepath.Glob("../sdp/testdata/*.sdp")
	if err != nil || len(files) < 12 {
		t.Fatalf("captured offers: %d, %v", len(files), err)
	}
	profiles := []struct {
		name    string
		profile negotiate.Profile
	}{{"user", user}, {"either", either}, {"lenient", lenient}, {"dtls", dtls}, {"carrier", carrier}, {"browser", browser}}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sdp")
		t.Run(name, func(t *testing.T) {
			var story strings.Builder
			for _, p := range profiles {
				fmt.Fprintf(&story, "==== the caller is held to the profile %q\n", p.name)
				answerStory(t, &story, captured(t, name), p.profile)
			}
			for _, p := range profiles {
				fmt.Fprintf(&story, "==== the callee has the profile %q\n", p.name)
				offerStory(t, &story, captured(t, name), p.profile)
			}
			golden(t, name, story.String())
		})
	}
}

// answerStory tells what the caller is answered when the callee, a phone of a
// carrier, takes all that it can.
func answerStory(t *testing.T, story *strings.Builder, offer string, p negotiate.Profile) {
	caller, callee := newLeg(t, 1, p), newLeg(t, 2, carrier)
	state, err := caller.state.ReadOffer(&caller.profile, []byte(offer))
	if err != nil {
		fmt.Fprintf(story, "refused: %v\n", err)
		return
	}
	caller.state = state
	callee.takeAnswer(phone(callee.makeOffer(caller), nil))
	story.WriteString(lf(caller.makeAnswer(callee)))
	describe(story, caller)
}

// offerStory tells what the callee is offered, and the plan when it takes all.
func offerStory(t *testing.T, story *strings.Builder, offer string, p negotiate.Profile) {
	anything := negotiate.Profile{SRTP: negotiate.Prefer, Secure: true}
	caller, callee := newLeg(t, 1, anything), newLeg(t, 2, p)
	caller.takeOffer(offer)
	text := callee.makeOffer(caller)
	story.WriteString(lf(text))
	callee.takeAnswer(phone(text, nil))
	describe(story, callee)
	caller.makeAnswer(callee)
	for _, pair := range negotiate.Join(caller.state, callee.state) {
		fmt.Fprintf(story, "join %d-%d", pair.A, pair.B)
		if pair.Untouched {
			story.WriteString(" untouched")
		}
		for _, r := range pair.AB {
			fmt.Fprintf(story, " %d>%d", r.From.Number, r.To.Number)
		}
		story.WriteString(" back")
		for _, r := range pair.BA {
			fmt.Fprintf(story, " %d>%d", r.From.Number, r.To.Number)
		}
		story.WriteString("\n")
	}
}

// describe writes a plan in one line a stream.
func describe(b *strings.Builder, l *leg) {
	for i := range l.state.Plan().Streams {
		s := l.stream(i)
		if !s.Active {
			fmt.Fprintf(b, "plan %d %s refused\n", i, s.Kind)
			continue
		}
		fmt.Fprintf(b, "plan %d %s at %d to %v and %v mux=%v send=%v receive=%v", i, s.Kind, s.Local.RTP, s.Remote, s.RTCP, s.Mux, s.Send, s.Receive)
		switch s.Keying {
		case negotiate.SDES:
			fmt.Fprintf(b, " SDES %d %v", s.Inbound.Tag, s.Inbound.Suite)
		case negotiate.DTLS:
			fmt.Fprintf(b, " DTLS client=%v", s.Client)
		case negotiate.Plain:
			fmt.Fprintf(b, " plain zrtp=%v", s.ZRTP)
		}
		if s.ICE != nil {
			fmt.Fprintf(b, " ICE %d candidates", len(s.ICE.Candidates))
		}
		if s.MID != "" {
			fmt.Fprintf(b, " bundle %d mid %s by %d", s.Carrier, s.MID, s.MIDExt)
		}
		fmt.Fprintf(b, " feedback=%06b\n", s.Feedback)
	}
}

func lf(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// golden compares a story with the one that was read and found good.
func golden(t *testing.T, name, story string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(story), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == story {
		return
	}
	was, is := strings.Split(string(want), "\n"), strings.Split(story, "\n")
	for i := range was {
		if i >= len(is) || was[i] != is[i] {
			t.Fatalf("%s:%d\nwas %s\nis  %s", file, i+1, was[i], strings.Join(is[min(i, len(is)):min(i+3, len(is))], "\n    "))
		}
	}
	t.Fatalf("%s: the story goes on:\n%s", file, strings.Join(is[len(was):], "\n"))
}

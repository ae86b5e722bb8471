package negotiate

import (
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/media/sdp"
)

func codecs(t *testing.T, text string) []Codec {
	t.Helper()
	d, err := sdp.Parse([]byte(strings.ReplaceAll(text, "; ", "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return readCodecs(&d.Media[0])
}

// TestReadCodecs: names come from a=rtpmap or, for static numbers, from the
// profile.
func TestReadCodecs(t *testing.T) {
	for text, want := range map[string]Codec{
		"m=audio 1 RTP/AVP 0":                                        {0, "PCMU", 8000, 1, ""},
		"m=audio 1 RTP/AVP 18; a=fmtp:18 annexb=no":                  {18, "G729", 8000, 1, "annexb=no"},
		"m=audio 1 RTP/AVP 96; a=rtpmap:96 opus/48000/2":             {96, "opus", 48000, 2, ""},
		"m=audio 1 RTP/AVP 96; a=RTPMAP: 96  opus/48000/2":           {96, "opus", 48000, 2, ""},
		"m=audio 1 RTP/AVP 96; a=fmtp:96 x=1; a=rtpmap:96 iLBC/8000": {96, "iLBC", 8000, 1, "x=1"},
		"m=audio 1 RTP/AVP 0; a=rtpmap:0 PCMU/16000":                 {0, "PCMU", 16000, 1, ""},
		"m=audio 1 RTP/AVP 96; a=rtpmap:96 opus":                     {96, "", 0, 1, ""},
		"m=audio 1 RTP/AVP 96; a=rtpmap:96 opus/0":                   {96, "", 0, 1, ""},
		"m=audio 1 RTP/AVP 96; a=rtpmap:97 opus/48000":               {96, "", 0, 1, ""},
		"m=audio 1 RTP/AVP x 300 128 96 96":                          {96, "", 0, 1, ""},
	} {
		if got := codecs(t, text); len(got) != 1 || got[0] != want {
			t.Errorf("%s\n got %+v\nwant %+v", text, got, want)
		}
	}
}

// TestSame is which formats can take each other's packets.
func TestSame(t *testing.T) {
	h264 := func(params string) Codec { return Codec{96, "H264", 90000, 1, params} }
	tests := []struct {
		a, b Codec
		same bool
	}{
		{Codec{0, "PCMU", 8000, 1, ""}, Codec{96, "pcmu", 8000, 1, ""}, true},
		{Codec{0, "PCMU", 8000, 1, ""}, Codec{0, "PCMU", 16000, 1, ""}, false},
		{Codec{96, "L16", 8000, 1, ""}, Codec{96, "L16", 8000, 2, ""}, false},
		{Codec{96, "opus", 48000, 2, "stereo=1"}, Codec{97, "opus", 48000, 2, "useinbandfec=1"}, true},
		{h264("packetization-mode=1;profile-level-id=42e01f"), h264("profile-level-id=42801F; packetization-mode=1"), true},
		{h264("packetization-mode=1"), h264("packetization-mode=0"), false},
		{h264("packetization-mode=0"), h264(""), true},
		{h264("profile-level-id=42e01f"), h264("profile-level-id=64001f"), false},
		{h264("profile-level-id=4"), h264("profile-level-id=4"), false},
		{Codec{98, "VP9", 90000, 1, "profile-id=0"}, Codec{98, "VP9", 90000, 1, ""}, true},
		{Codec{98, "VP9", 90000, 1, "profile-id=2"}, Codec{98, "VP9", 90000, 1, ""}, false},
		{Codec{98, "H265", 90000, 1, "profile-id=1"}, Codec{98, "H265", 90000, 1, ""}, true},
		{Codec{98, "AV1", 90000, 1, "profile=1"}, Codec{98, "AV1", 90000, 1, ""}, false},
	}
	for _, test := range tests {
		if same(test.a, test.b) != test.same || same(test.b, test.a) != test.same {
			t.Errorf("%+v and %+v: want %v", test.a, test.b, test.same)
		}
	}
}

// TestMatch: of several that are the same format, the one with the same
// parameters is it, then the one with the same number.
func TestMatch(t *testing.T) {
	list := []Codec{{97, "opus", 48000, 2, ""}, {98, "opus", 48000, 2, "stereo=1"}, {99, "opus", 48000, 2, "stereo=0"}}
	for want, c := range []Codec{{100, "OPUS", 48000, 2, "x=1"}, {97, "opus", 48000, 2, "stereo=1"}, {99, "opus", 48000, 2, "x=1"}} {
		if got := match(c, list); got != want {
			t.Errorf("%+v is %d, want %d", c, got, want)
		}
	}
	if got := match(Codec{97, "opus", 16000, 1, ""}, list); got != -1 {
		t.Errorf("found %d", got)
	}
}

// TestFeedbackKinds reads a=rtcp-fb (RFC 4585 §4.2).
func TestFeedbackKinds(t *testing.T) {
	for value, want := range map[string]feedback{
		"* nack pli":          {everyFormat, PLI, "nack pli"},
		"96 nack":             {96, NACK, "nack"},
		"96 ccm fir":          {96, FIR, "ccm fir"},
		"96 ccm tmmbr smaxpr": {96, TMMBR, "ccm tmmbr smaxpr"},
		"96 goog-remb":        {96, REMB, "goog-remb"},
		"96 nack sli":         {96, SLI, "nack sli"},
		"* trr-int 1000":      {everyFormat, timing, "trr-int 1000"},
		"96 transport-cc":     {},
		"96 ack rpsi":         {},
		"x nack":              {},
		"128 nack":            {},
		"":                    {},
	} {
		if f, ok := readFeedback(value); ok != (want.kind != 0) || ok && f != want {
			t.Errorf("%q: %+v", value, f)
		}
	}
}

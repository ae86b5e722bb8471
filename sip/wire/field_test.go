package wire

import (
	"strings"
	"testing"
)

// A message that went through this package can still be shown by sipgo.
func TestFieldIsAHeaderForSipgo(t *testing.T) {
	req := parsed(t, options("Subject: lunch"))
	if text := req.String(); !strings.Contains(text, "\r\nSubject: lunch\r\n") || !strings.Contains(text, "\r\nCSeq: 1 OPTIONS\r\n") {
		t.Errorf("shown as\n%s", text)
	}
	var b strings.Builder
	h := H("s", "lunch")
	h.StringWrite(&b)
	if b.String() != "Subject: lunch" || h.String() != b.String() {
		t.Errorf("%q and %q", b.String(), h.String())
	}
}

func TestParsingAllocatesLittle(t *testing.T) {
	text := []byte(register)
	if n := testing.AllocsPerRun(100, func() { _, _ = Parse(text) }); n > 4 {
		t.Errorf("Parse allocates %v times, want 4 at most: the text, the request, its fields, their list", n)
	}
	req := parsed(t, register)
	if n := testing.AllocsPerRun(100, func() { _, _ = Examine(req) }); n > 1 {
		t.Errorf("Examine allocates %v times, want 1 at most: all parameters", n)
	}
}

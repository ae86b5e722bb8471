package wire

import (
	"slices"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestValues(t *testing.T) {
	tests := []struct {
		name string
		text []string
		want []string
	}{
		{"Supported", []string{"path, outbound ,gruu", "100rel"}, []string{"path", "outbound", "gruu", "100rel"}},
		{"k", []string{"path"}, []string{"path"}},
		{"Contact", []string{`"Bell, A" <sip:a@b?x=1,2>;m="x,y", <sip:c@d>`}, []string{`"Bell, A" <sip:a@b?x=1,2>;m="x,y"`, "<sip:c@d>"}},
		{"Contact", []string{`<sip:a"b@c>, <sip:d>`}, []string{`<sip:a"b@c>`, "<sip:d>"}},
		{"Route", []string{",,<sip:a>,,", ""}, []string{"<sip:a>"}},
		{"Contact", []string{`"open <sip:a>, <sip:b>`}, []string{`"open <sip:a>, <sip:b>`}},
		{"Authorization", []string{`Digest a="b", c=d`, "Digest e=f"}, []string{`Digest a="b", c=d`, "Digest e=f"}},
		{"Allow", nil, nil},
	}
	for _, test := range tests {
		req := NewRequest("OPTIONS", sip.Uri{Host: "a"}, nil, H("Subject", "x, y"))
		for _, text := range test.text {
			req.AppendHeader(H(test.name, text))
		}
		if got := Values(req, test.name); !slices.Equal(got, test.want) {
			t.Errorf("%s %q: got %q, want %q", test.name, test.text, got, test.want)
		}
	}
}

func TestHas(t *testing.T) {
	req := NewRequest("OPTIONS", sip.Uri{Host: "a"}, nil, H("k", "path, Outbound"), H("X-Own", "a"))
	for token, want := range map[string]bool{"path": true, "outbound": true, "pat": false, "": false} {
		if got := Has(req, "supported", token); got != want {
			t.Errorf("%q: %v", token, got)
		}
	}
	if got := Header(req, "x-oWN"); got != "a" {
		t.Errorf("X-Own is %q", got)
	}
}

func TestHKeepsToOneLine(t *testing.T) {
	h := H("Subject\r\nX", "a\r\nP-Asserted-Identity: b\x00")
	if h.Name() != "Subject  X" || h.Value() != "a  P-Asserted-Identity: b " {
		t.Errorf("%q: %q", h.Name(), h.Value())
	}
	// A header made behind our back still cannot end its line.
	res := sip.NewResponse(200, "OK\r\nX: 1")
	res.AppendHeader(sip.NewHeader("Subject", "a\r\nX: 2"))
	want := "SIP/2.0 200 OK  X: 1\r\nSubject: a  X: 2\r\nContent-Length: 0\r\n\r\n"
	if got := string(Append(nil, res)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestQuote(t *testing.T) {
	for _, s := range []string{"", "a", `a"b`, `\`, "a, b;c", "ä"} {
		if got := Unquote(QuoteString(s)); got != s {
			t.Errorf("%q: read back as %q", s, got)
		}
	}
	for _, s := range []string{"", "a", `"`, `a"b"`} {
		if got := Unquote(s); got != s {
			t.Errorf("%q: unquoted as %q", s, got)
		}
	}
}

func TestCanonicalNames(t *testing.T) {
	compact := map[string]string{
		"a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition", "e": "Content-Encoding",
		"f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported", "l": "Content-Length", "m": "Contact",
		"n": "Identity-Info", "o": "Event", "r": "Refer-To", "s": "Subject", "t": "To", "u": "Allow-Events", "v": "Via",
		"x": "Session-Expires", "y": "Identity", "WWW-AUTHENTICATE": "WWW-Authenticate", "sip-etag": "SIP-ETag",
		"X-Own": "X-Own", "z": "z",
	}
	for name, want := range compact {
		if got := canonical(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

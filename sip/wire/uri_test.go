package wire

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func mustURI(t testing.TB, s string) *sip.Uri {
	t.Helper()
	u, err := ParseURI(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return &u
}

func TestURIRoundTrip(t *testing.T) {
	for _, s := range []string{
		"sip:example.com", "sips:alice@example.com:5061", "sip:alice:pw@example.com;transport=tcp;lr",
		"sip:[2001:db8::10]", "sip:a@[2001:db8::10]:5070;maddr=[::1]", "sip:a@b?Subject=x&Route=%3Csip:c%3E",
		"sip:a@b;x=1?h=2", `sip:a@b;x="q z;?";y=1`, "sip:sips%3Auser%40example.com@example.net",
		"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
		"sip:user;par=u%40example.net@example.com", "tel:+1-201-555-0123", "tel:7042;phone-context=example.com",
		"soap.beep://192.0.2.103:3002", "urn:service:sos", "http://www.example.com/a?b=c;d@e", "mailto:a@b",
	} {
		if got := URIString(mustURI(t, s)); got != s {
			t.Errorf("%s: written as %s", s, got)
		}
	}
}

func TestParseURIParts(t *testing.T) {
	u := mustURI(t, "SIP:al%69ce;x@[2001:DB8::1]:5070;Transport=TCP;%6c%72;gr=urn:uuid:1?a=b")
	if u.Scheme != "sip" || u.User != "al%69ce;x" || u.Host != "2001:DB8::1" || u.Port != 5070 {
		t.Errorf("%+v", u)
	}
	for name, want := range map[string]string{"transport": "TCP", "lr": "", "GR": "urn:uuid:1"} {
		if got, ok := URIParam(u, name); !ok || got != want {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	if _, ok := URIParam(u, "a"); ok {
		t.Error("a header is taken for a parameter")
	}
	if got := AOR(u); got != "alice;x@[2001:db8::1]" {
		t.Errorf("AOR %s", got)
	}
}

func TestParseURIRefuses(t *testing.T) {
	for _, s := range []string{
		"", "sip", "sip:", ":a", "1sip:a", "s p:a", "sip:a b", "sip:<a>", "sip:a\x00", "sip:a\"b", "sip::pw@a", "sip:a@b@c", "sip://a",
		"sip:a@[::1", "sip:a@[1.2.3.4]", "sip:a@[fe80::1%25eth0]", "sip:a@::1", "sip:a:", "sip:a:70000", "sip:a:5x", "tel:", "tel:;x", "x:",
		"sip:a" + strings.Repeat(";x", maxURIParams+1),
	} {
		if u, err := ParseURI(s); err == nil {
			t.Errorf("%q: read as %+v", s, u)
		}
	}
}

func TestAOR(t *testing.T) {
	for s, want := range map[string]string{
		"sip:Alice@EXAMPLE.com:5061;transport=tls": "Alice@example.com",
		"sips:%61lice:pw@example.com":              "alice@example.com",
		"sip:%00@example.com":                      "\x00@example.com",
		"sip:a%2540b@example.com":                  "a%40b@example.com",
		"sip:a%4@example.com":                      "a%4@example.com",
		"sip:example.com":                          "example.com",
		"tel:+1-(201)-555.0123;ext=1":              "+12015550123",
	} {
		if got := AOR(mustURI(t, s)); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
}

func TestEscapeUser(t *testing.T) {
	for _, user := range []string{"alice", "a b", "a@b:c", "用户", "a%40", "a\"<>", "\x00"} {
		u := mustURI(t, "sip:"+EscapeUser(user)+"@example.com")
		if got := AOR(u); got != user+"@example.com" {
			t.Errorf("%q: read back as %q", user, got)
		}
	}
}

// What code puts into a URI can end neither the URI nor the line.
func TestAppendURIEscapes(t *testing.T) {
	u := sip.Uri{Scheme: "sip", User: "a\r\nb", Host: "h> x", UriParams: sip.HeaderParams{{K: "k\x00", V: "<v>"}}}
	got := URIString(&u)
	if strings.ContainsAny(got, "\r\n\x00<> ") {
		t.Errorf("got %q", got)
	}
}

// The examples of RFC 3261 §19.1.4.
func TestEqualURI(t *testing.T) {
	equal := [][2]string{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;security=on"},
		{"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com", "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent", "sip:alice@atlanta.com?priority=urgent&subject=project%20x"},
		{"sip:a%3bb@h", "sip:a%3Bb@h"},
		{"urn:service:sos", "urn:service:sos"},
		{"sip:a;x=1;X", "sip:a;x=1;y"},
	}
	different := [][2]string{
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"},
		{"sip:a@b", "sips:a@b"},
		{"sip:a@b", "sip:a:p@b"},
		{"sip:b", "sip:a@b"},
		{"sip:a@b", "sip:a@b;maddr=c"},
		{"sip:a@b;user=phone", "sip:a@b"},
		{"sip:%00@b", "sip:%00%00@b"},
		{"sip:a;b@h", "sip:a%3Bb@h"},
		{"urn:service:sos", "urn:service:sos.fire"},
	}
	for _, pair := range equal {
		a, b := mustURI(t, pair[0]), mustURI(t, pair[1])
		if !EqualURI(a, b) || !EqualURI(b, a) {
			t.Errorf("%s differs from %s", pair[0], pair[1])
		}
	}
	for _, pair := range different {
		a, b := mustURI(t, pair[0]), mustURI(t, pair[1])
		if EqualURI(a, b) || EqualURI(b, a) {
			t.Errorf("%s equals %s", pair[0], pair[1])
		}
	}
}

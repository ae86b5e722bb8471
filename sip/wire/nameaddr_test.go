package wire

import (
	"testing"
)

func TestParseNameAddr(t *testing.T) {
	tests := []struct {
		text, display, uri string
		params             map[string]string
	}{
		{"<sip:a@b>", "", "sip:a@b", nil},
		{"sip:a@b", "", "sip:a@b", nil},
		{"sip:a@b;tag=1", "", "sip:a@b", map[string]string{"tag": "1"}},
		{"sip:+1972@gw;unknownparam", "", "sip:+1972@gw", map[string]string{"unknownparam": ""}},
		{"<sip:+1972@gw;unknownparam>", "", "sip:+1972@gw;unknownparam", nil},
		{"caller<sip:a@b>;tag=323", "caller", "sip:a@b", map[string]string{"tag": "323"}},
		{"A. Bell <sip:a@b> ; TAG = x", "A. Bell", "sip:a@b", map[string]string{"tag": "x"}},
		{`"Bell, A" <sip:a@b;x="q z";y=1>;methods="INVITE, ACK"`, "Bell, A", `sip:a@b;x="q z";y=1`, map[string]string{"methods": "INVITE, ACK"}},
		{`"a\"b\\" <sip:a@b>`, `a"b\`, "sip:a@b", nil},
		{`<sip:a@x>;pub-gruu="sip:a@x;gr=urn:uuid:1";+sip.instance="<urn:uuid:1>"`, "", "sip:a@x",
			map[string]string{"pub-gruu": "sip:a@x;gr=urn:uuid:1", "+sip.instance": "<urn:uuid:1>"}},
		{"<sip:[2001:db8::1]:5070>;q=0.3;", "", "sip:[2001:db8::1]:5070", map[string]string{"q": "0.3"}},
		{"张三 <sip:a@b>", "张三", "sip:a@b", nil},
		{"<http://www.example.com>;tag=1", "", "http://www.example.com", map[string]string{"tag": "1"}},
		{"isbn:2983792873", "", "isbn:2983792873", nil},
		{"<tel:+1-201;phone-context=x>", "", "tel:+1-201;phone-context=x", nil},
		{"*", "", "*", nil},
	}
	for _, test := range tests {
		a, err := ParseNameAddr(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if a.Display != test.display || URIString(&a.URI) != test.uri || len(a.Params) != len(test.params) {
			t.Errorf("%s: display %q, URI %q, params %v", test.text, a.Display, URIString(&a.URI), a.Params)
		}
		for name, want := range test.params {
			if got, ok := a.Param(name); !ok || got != want {
				t.Errorf("%s: %s is %q, %v", test.text, name, got, ok)
			}
		}
	}
}

func TestParseNameAddrRefuses(t *testing.T) {
	for _, text := range []string{
		"", "<>", "bob", "bob@example.com", "<sip:a@b", `"a <sip:a@b>`, `"a" sip:a@b`, "< sip:a@b>", "<sip:a@b >",
		"Bell, A <sip:a@b>", "sip:a@b?Route=%3Csip:x%3E", "sip:a@b,c", "<sip:a@b>x", "<sip:a@b>;;;;", "<sip:a@b>;=1",
		`<sip:a@b>;x="1`, "<sip:a@b>;x=1 2", "<sip:a@2001:db8::1>", "<sip:a@[2001:db8:::1]>",
	} {
		if a, err := ParseNameAddr(text); err == nil {
			t.Errorf("%s: read as %+v", text, a)
		}
	}
}

func TestFormatNameAddr(t *testing.T) {
	for _, display := range []string{"", "Bob", `a "b" \c`, "Bell, A"} {
		a, err := ParseNameAddr(FormatNameAddr(display, "sip:a@b"))
		if err != nil || a.Display != display || URIString(&a.URI) != "sip:a@b" {
			t.Errorf("%q: read back as %+v, %v", display, a, err)
		}
	}
	if got := FormatNameAddr("a\r\nFrom: b", "sip:a@b"); got != `"a  From: b" <sip:a@b>` {
		t.Errorf("got %q", got)
	}
}

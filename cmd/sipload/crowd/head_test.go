package crowd

import (
	"strings"
	"testing"
)

// wire makes the bytes of a message from lines.
func wire(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n") }

func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		name, contact string
		request       []byte
		want          []byte
	}{
		{"a message", "", wire("MESSAGE sip:bob@127.1.0.1:6000;transport=udp SIP/2.0",
			"Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK1", "Max-Forwards: 70", `From: "Team" <sip:team@bench.example>;tag=f`,
			"To: <sip:bob@bench.example>", "Call-ID: one", "CSeq: 1 MESSAGE", "Sparkle-Id: 00000000000000a1", "Content-Length: 2"),
			wire("SIP/2.0 200 OK", "Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK1", `From: "Team" <sip:team@bench.example>;tag=f`,
				"To: <sip:bob@bench.example>;tag=mine", "Call-ID: one", "CSeq: 1 MESSAGE", "Content-Length: 0")},
		{"in a dialog, over proxies, in short", "Contact: <sip:bob@bench.example;gr=1>\r\n", wire("INVITE sip:bob@bench.example;gr=1 SIP/2.0",
			"v: SIP/2.0/TLS a;branch=z9hG4bK2", "v:SIP/2.0/TLS b;branch=z9hG4bK3", "Record-Route: <sip:a;lr>", "RECORD-ROUTE: <sip:b;lr>",
			"f: <sip:team@bench.example>;tag=f", "t: <sip:bob@bench.example>;tag=t", "i: two", "CSeq:  7 INVITE", "l: 0"),
			wire("SIP/2.0 200 OK", "v: SIP/2.0/TLS a;branch=z9hG4bK2", "v:SIP/2.0/TLS b;branch=z9hG4bK3", "Record-Route: <sip:a;lr>", "RECORD-ROUTE: <sip:b;lr>",
				"From: <sip:team@bench.example>;tag=f", "To: <sip:bob@bench.example>;tag=t", "Call-ID: two", "CSeq: 7 INVITE",
				"Contact: <sip:bob@bench.example;gr=1>", "Content-Length: 0")},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h head
			if err := h.read(c.request); err != nil || !h.request {
				t.Fatalf("read: %v, a request: %t", err, h.request)
			}
			if got := h.appendOK(nil, "mine", c.contact); string(got) != string(c.want) {
				t.Errorf("answered\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestUser(t *testing.T) {
	for uri, want := range map[string]string{
		"sip:u000001@127.1.0.1:6000":                 "u000001",
		`"Bob @ work" <sip:bob@bench.example>;tag=1`: "bob",
		"sip:bench.example":                          "",
		"tel:110":                                    "",
	} {
		if got := string(user([]byte(uri))); got != want {
			t.Errorf("user of %q is %q, want %q", uri, got, want)
		}
	}
}

// Whatever comes, a phone reads no further than it goes, and answers what it has
// read in a form that it can read itself.
func FuzzHead(f *testing.F) {
	f.Add([]byte("MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nl:9\r\n\r\n"))
	f.Add([]byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h head
		if h.read(b) != nil || !h.request {
			return
		}
		if h.length < 0 {
			t.Fatalf("length %d", h.length)
		}
		var again head
		if err := again.read(h.appendOK(nil, "t", "")); err != nil || again.request {
			t.Errorf("the answer to %q cannot be read: %v", b, err)
		}
	})
}

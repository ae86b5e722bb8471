package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// options makes an OPTIONS request with further header lines.
func options(lines ...string) string {
	return "OPTIONS sip:bob@example.com SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" +
		"From: <sip:alice@example.com>;tag=1\r\n" +
		"To: <sip:bob@example.com>\r\n" +
		"Call-ID: 1@example.com\r\n" +
		"CSeq: 1 OPTIONS\r\n" +
		"Max-Forwards: 70\r\n" +
		strings.Join(append(lines, "", ""), "\r\n")
}

// What one reader takes for a header and another for part of a value, or for
// none, is refused or written so that both agree.
func TestSmuggling(t *testing.T) {
	tests := []struct {
		name  string
		lines string // as one header of an OPTIONS request
		want  int
		sent  string // what goes out, when it is accepted
	}{
		{"blank before colon", "P-Asserted-Identity : <sip:ceo@example.com>", 0, "\r\nP-Asserted-Identity: <sip:ceo@example.com>\r\n"},
		{"tab before colon", "X-Trunk\t: 1", 0, "\r\nX-Trunk: 1\r\n"},
		{"tabs in value", "Subject:\ta\tb\t", 0, "\r\nSubject: a\tb\r\n"},
		{"compact", "s: a\r\nK: path", 0, "\r\nSubject: a\r\nSupported: path\r\n"},
		{"odd case", "p-aSSerted-identity: <sip:a@b>", 0, "\r\nP-Asserted-Identity: <sip:a@b>\r\n"},
		{"fold", "Subject: a\r\n P-Asserted-Identity: <sip:a@b>", 0, "\r\nSubject: a P-Asserted-Identity: <sip:a@b>\r\n"},
		{"fold with tab", "Subject: a\r\n\tb", 0, "\r\nSubject: a b\r\n"},
		{"fold of blanks only", "Subject: a\r\n \r\n b", 0, "\r\nSubject: a b\r\n"},
		{"no blank", "Subject:a", 0, "\r\nSubject: a\r\n"},
		{"bare LF", "Subject: a\nP-Asserted-Identity: <sip:a@b>", 400, ""},
		{"bare CR", "Subject: a\rP-Asserted-Identity: <sip:a@b>", 400, ""},
		{"CR CR LF", "Subject: a\r\r\nX: b", 400, ""},
		{"NUL in value", "Subject: a\x00b", 400, ""},
		{"NUL outside quotes", "Subject: a\\\x00b", 400, ""},
		{"NUL without backslash", "Subject: \"a\x00b\"", 400, ""},
		{"NUL as quoted-pair", "Subject: \"a\\\x00b\"", 0, "\r\nSubject: \"a\\\x00b\"\r\n"},
		{"NUL in name", "Sub\x00ject: a", 400, ""},
		{"blank in name", "Sub ject: a", 400, ""},
		{"no colon", "Subject", 400, ""},
		{"no name", ": a", 400, ""},
		{"UTF-8 confusable", "Ｆrom: <sip:ceo@example.com>;tag=2", 400, ""},
		{"Kelvin sign", "Acc\u212ept: a", 400, ""},
		{"second From", "f: <sip:ceo@example.com>;tag=2", 400, ""},
		{"second To", "T : <sip:ceo@example.com>", 400, ""},
		{"second Call-ID", "CALL-ID: 2", 400, ""},
		{"second CSeq", "cseq: 2 OPTIONS", 400, ""},
		{"second Max-Forwards", "Max-Forwards: 1", 400, ""},
		{"empty and second", "Expires:\r\nExpires: 3", 400, ""},
		{"second Content-Type", "c: a/b\r\nContent-Type: c/d", 400, ""},
		{"other Content-Length", "l: 0\r\nContent-Length: 1", 400, ""},
		{"same Content-Length", "l: 0\r\nContent-Length: 0", 0, "\r\nContent-Length: 0\r\n\r\n"},
		{"Content-Length list", "Content-Length: 0, 0", 400, ""},
		{"Content-Length sign", "Content-Length: +0", 400, ""},
		{"Content-Length hex", "Content-Length: 0x0", 400, ""},
		{"Content-Length empty", "Content-Length:", 400, ""},
		{"Content-Length huge", "Content-Length: 99999999999999999999999999", 413, ""},
		{"Content-Length zeros", "Content-Length: 0000", 0, "\r\nContent-Length: 0\r\n\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, got := verdict([]byte(options(test.lines)))
			if got != test.want {
				t.Fatalf("verdict %d, want %d", got, test.want)
			}
			if got == 0 {
				if text := string(Append(nil, m)); !strings.Contains(text, test.sent) {
					t.Errorf("sent %q, want %q in it", text, test.sent)
				}
				roundTrip(t, m)
			}
		})
	}
}

func TestParseStartLine(t *testing.T) {
	rest := strings.TrimPrefix(options(), "OPTIONS sip:bob@example.com SIP/2.0")
	tests := []struct {
		line string
		want int
	}{
		{"OPTIONS sip:bob@example.com SIP/2.0", 0},
		{"OPTIONS sip:bob@example.com sip/2.0", 0},
		{"OPTIONS tel:+15551234 SIP/2.0", 0},
		{"OPTIONS sips:example.com SIP/2.0", 0},
		{"options sip:bob@example.com SIP/2.0", 400}, // another method than that of CSeq
		{"OPTIONS sip:bob@example.com SIP/3.0", 505},
		{"OPTIONS mailto:bob@example.com SIP/2.0", 416},
		{"OPTIONS * SIP/2.0", 400},
		{"OPTIONS example.com SIP/2.0", 400},
		{"OPTIONS sip: SIP/2.0", 400},
		{"OPTIONS sip:bob@ SIP/2.0", 400},
		{"OPTIONS sip:bob@example.com:99999 SIP/2.0", 400},
		{"OPTIONS sip:bob@example.com\tSIP/2.0", drop},
		{" OPTIONS sip:bob@example.com SIP/2.0", drop},
		{"OPTIONS sip:bob@example.com HTTP/1.1", drop},
		{"OPTIONS sip:bob@example.com", drop},
		{"OPTIONS", drop},
		{"OPT\x00IONS sip:bob@example.com SIP/2.0", drop},
		{"SIP/2.0 200 OK", 0},
		{"SIP/2.0 200", 0},
		{"SIP/2.0 200 ", 0},
		{"SIP/2.0 099 Low", drop},
		{"SIP/2.0 700 High", drop},
		{"SIP/2.0 20 Short", drop},
		{"SIP/3.0 200 OK", drop},
		{"SIP/2.0", drop},
		{"SIP/2.0200 OK", drop},
		{"SIP/2.0  200 OK", drop},
	}
	for _, test := range tests {
		if _, got := verdict([]byte(test.line + rest)); got != test.want {
			t.Errorf("%q: verdict %d, want %d", test.line, got, test.want)
		}
	}
}

// A bad request carries what could be read, so that it can be answered.
func TestParseErrorIsAnswerable(t *testing.T) {
	_, err := Parse([]byte(options("Subject: a\nb", "Expires: 3")))
	e, ok := err.(*Error)
	if !ok || e.Status != 400 || e.Request == nil {
		t.Fatalf("got %v", err)
	}
	res := string(Append(nil, NewResponse(e.Request, e.Status, e.Reason)))
	for _, want := range []string{"SIP/2.0 400 Malformed Header Line\r\n", "\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n", "\r\nCSeq: 1 OPTIONS\r\n"} {
		if !strings.Contains(res, want) {
			t.Errorf("%q is not in\n%s", want, res)
		}
	}
	if Header(e.Request, "Subject") != "" {
		t.Error("the malformed line is in the request")
	}
}

func TestParseDropsWhatCannotBeAnswered(t *testing.T) {
	ack := strings.ReplaceAll(options("Subject: a\nb"), "OPTIONS", "ACK")
	noVia := strings.Replace(options("Subject: a\nb"), "Via", "X-Via", 1)
	for _, text := range []string{"", "\r\n\r\n", "\x00\x00\x00\x00", "hello", "GET / HTTP/1.1\r\n\r\n", ack, noVia} {
		m, err := Parse([]byte(text))
		if _, is := err.(*Error); m != nil || err == nil || is {
			t.Errorf("%q: got %v, %v", text, m, err)
		}
	}
}

func TestParseLimits(t *testing.T) {
	header := func(n int) string { return "Subject: " + strings.Repeat("a", n) }
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat("X-1: 1\r\n", n), "\r\n") }
	vias := func(n int) string {
		return "Via: SIP/2.0/UDP a" + strings.Repeat(", SIP/2.0/UDP a", n-1)
	}
	tests := []struct {
		name, lines string
		want        int
	}{
		{"value", header(MaxValue), 0},
		{"value too long", header(MaxValue + 1), 400},
		{"headers", many(MaxHeaders - 6), 0},
		{"too many headers", many(MaxHeaders - 5), 400},
		{"vias", vias(MaxVias - 1), 0},
		{"too many vias", vias(MaxVias), 400},
		{"head too long", strings.Repeat(header(8000)+"\r\n", 5) + "X: 1", 513},
		{"body", "\r\n" + strings.Repeat("a", 30000), 0},
	}
	for _, test := range tests {
		if _, got := verdict([]byte(options(test.lines))); got != test.want {
			t.Errorf("%s: verdict %d, want %d", test.name, got, test.want)
		}
	}
}

func TestParseBody(t *testing.T) {
	tests := []struct{ length, body, want string }{
		{"Content-Length: 3", "abc", "abc"},
		{"l: 2", "abc", "ab"},
		{"l: " + strings.Repeat("0", MaxValue) + "2", "abc", "ab"},
		{"l:0", "abc", ""},
		{"X: no length", "a\r\n\r\nb\x00", "a\r\n\r\nb\x00"},
	}
	for _, test := range tests {
		req := parsed(t, options(test.length)+test.body)
		if got := string(req.Body()); got != test.want {
			t.Errorf("%s: body %q, want %q", test.length, got, test.want)
		}
		if Header(req, "Content-Length") != "" {
			t.Errorf("%s: Content-Length is kept", test.length)
		}
	}
}

// The message must not change when the buffer of the socket is used again.
func TestParseCopies(t *testing.T) {
	b := []byte(options("l: 3") + "abc")
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	before := dump(m)
	copy(b, bytes.Repeat([]byte("x"), len(b)))
	if dump(m) != before {
		t.Error("the message is part of the datagram")
	}
}

func TestParseWhitespaceInvite(t *testing.T) {
	m, _ := verdict(readSample(t, "rfc4475/wsinv.dat"))
	req := m.(*sip.Request)
	core, err := Examine(req)
	if err != nil {
		t.Fatal(err)
	}
	if core.FromTag != "98asjd8" || core.ToTag != "1918181833n" || core.From.Display != `J Rosenberg \"` ||
		core.CSeq != 9 || core.MaxForwards != 68 || core.Via.SentBy != "192.0.2.2" || core.Via.Transport != "UDP" {
		t.Errorf("core %+v", core)
	}
	vias := Values(req, "v")
	if len(vias) != 3 {
		t.Fatalf("vias %q", vias)
	}
	if via, err := ParseVia(vias[2]); err != nil || via.Branch != "z9hG4bK30239" || via.SentBy != "192.168.255.111" {
		t.Errorf("third via %+v, %v", via, err)
	}
	if got := Header(req, "NewFangledHeader"); got != "newfangled value continued newfangled value" {
		t.Errorf("folded header %q", got)
	}
	if got := Forward(req, Edit{}); Header(got, "Max-Forwards") != "67" {
		t.Errorf("forwarded with %s hops", Header(got, "Max-Forwards"))
	}
}

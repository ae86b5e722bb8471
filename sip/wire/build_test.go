package wire

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func invite(lines ...string) string {
	return strings.ReplaceAll(options(lines...), "OPTIONS", "INVITE")
}

func TestNewResponse(t *testing.T) {
	req := parsed(t, invite("v: SIP/2.0/TCP b", "Record-Route: <sip:r1;lr>", "Record-Route: <sip:r2;lr>", "Timestamp: 5", "Subject: x"))
	tag, ok := findParam(Header(NewResponse(req, 180, ""), "To"), "tag")
	if !ok || len(tag) < 8 {
		t.Fatalf("tag %q", tag)
	}
	const head = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:alice@example.com>;tag=1\r\n"
	const tail = "Call-ID: 1@example.com\r\nCSeq: 1 INVITE\r\nVia: SIP/2.0/TCP b\r\n"
	const routes = "Record-Route: <sip:r1;lr>\r\nRecord-Route: <sip:r2;lr>\r\n"
	const end = "Content-Length: 0\r\n\r\n"
	to := "To: <sip:bob@example.com>;tag=" + tag + "\r\n"
	tests := []struct {
		status       int
		reason, want string
	}{
		{100, "", "SIP/2.0 100 Trying\r\n" + head + "To: <sip:bob@example.com>\r\n" + tail + "Timestamp: 5\r\nServer: s\r\n" + end},
		{183, "", "SIP/2.0 183 Session Progress\r\n" + head + to + tail + routes + "Server: s\r\n" + end},
		{200, "Fine\r\nX: 1", "SIP/2.0 200 Fine  X: 1\r\n" + head + to + tail + routes + "Server: s\r\n" + end},
		{486, "", "SIP/2.0 486 Busy Here\r\n" + head + to + tail + "Server: s\r\n" + end},
	}
	for _, test := range tests {
		if got := string(Append(nil, NewResponse(req, test.status, test.reason, H("Server", "s")))); got != test.want {
			t.Errorf("got\n%s\nwant\n%s", got, test.want)
		}
	}
}

func TestNewResponseTag(t *testing.T) {
	tag := func(text string) string {
		tag, _ := findParam(Header(NewResponse(parsed(t, text), 200, ""), "To"), "tag")
		return tag
	}
	first := tag(invite())
	if tag(invite("Subject: again")) != first {
		t.Error("a retransmission has another tag")
	}
	if tag(strings.ReplaceAll(invite(), "INVITE", "CANCEL")) != first {
		t.Error("the CANCEL has another tag than its INVITE")
	}
	for _, change := range [][2]string{{"z9hG4bK1", "z9hG4bK2"}, {"1@example", "2@example"}, {"CSeq: 1", "CSeq: 2"}, {"tag=1", "tag=2"}} {
		if tag(strings.Replace(invite(), change[0], change[1], 1)) == first {
			t.Errorf("%s has the same tag as %s", change[1], change[0])
		}
	}
	for _, to := range []string{"<sip:bob@example.com>;Tag=own", "sip:bob@example.com;tag=own", `"x;tag=a<" <sip:bob@b;tag=b> ; tag = "own"`} {
		text := strings.Replace(invite(), "<sip:bob@example.com>", to, 1)
		if got := Header(NewResponse(parsed(t, text), 200, ""), "To"); got != to {
			t.Errorf("To %s became %s", to, got)
		}
	}
	if got := tag(strings.Replace(invite(), "<sip:bob@example.com>", "<sip:bob@b;tag=b>", 1)); got == "b" {
		t.Error("a URI parameter is taken for the tag")
	}
}

func TestNewRequestSharesNoParameters(t *testing.T) {
	u := mustURI(t, "sip:a@b;x=1")
	req := NewRequest("MESSAGE", *u, []byte("hi"), H("Subject", "s"))
	u.UriParams[0].V = "2"
	want := "MESSAGE sip:a@b;x=1 SIP/2.0\r\nSubject: s\r\nContent-Length: 2\r\n\r\nhi"
	if got := string(Append(nil, req)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestForward(t *testing.T) {
	req := parsed(t, options("Route: <sip:r1;lr>, <sip:r2;lr>", "Record-Route: <sip:old;lr>", "Proxy-Authorization: Digest x", "m: <sip:c>", "l: 2")+"hi")
	before := dump(req)
	head := "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\n" +
		"Call-ID: 1@example.com\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 69\r\n"
	old := "Record-Route: <sip:old;lr>\r\nProxy-Authorization: Digest x\r\nContact: <sip:c>\r\n"
	tests := []struct {
		name string
		edit Edit
		want string
	}{
		{"nothing", Edit{}, "OPTIONS sip:bob@example.com SIP/2.0\r\n" + head + "Route: <sip:r1;lr>, <sip:r2;lr>\r\n" + old + "Content-Length: 2\r\n\r\nhi"},
		{"all", Edit{
			URI: mustURI(t, "sip:bob@[::1]:5070;ob"), Via: "SIP/2.0/TLS p;branch=z9hG4bKp", RecordRoute: []string{"<sip:p1;lr>", "<sip:p2;lr>"},
			Routes: []string{"<sip:r2;lr>"}, Drop: []string{"proxy-authorization", "Contact"}, Add: []sip.Header{H("X-Trace", "t")}, Body: []byte("other"), SetBody: true,
		}, "OPTIONS sip:bob@[::1]:5070;ob SIP/2.0\r\nVia: SIP/2.0/TLS p;branch=z9hG4bKp\r\nRecord-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n" +
			"Route: <sip:r2;lr>\r\n" + head + "Record-Route: <sip:old;lr>\r\nX-Trace: t\r\nContent-Length: 5\r\n\r\nother"},
		{"no routes, no body", Edit{Routes: []string{}, SetBody: true}, "OPTIONS sip:bob@example.com SIP/2.0\r\n" + head + old + "Content-Length: 0\r\n\r\n"},
	}
	for _, test := range tests {
		out := Forward(req, test.edit)
		if got := string(Append(nil, out)); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
		out.AppendHeader(H("X", "1"))
		out.Recipient.Host = "changed"
	}
	if dump(req) != before {
		t.Error("forwarding changed the request")
	}
}

func TestForwardHops(t *testing.T) {
	for text, want := range map[string]string{"70": "69", "1": "0", "0": "0", "0068": "67"} {
		out := Forward(parsed(t, strings.Replace(options(), ": 70", ": "+text, 1)), Edit{})
		if got := Header(out, "Max-Forwards"); got != want {
			t.Errorf("%s became %s", text, got)
		}
	}
	out := Forward(parsed(t, strings.Replace(options(), "Max-Forwards: 70\r\n", "", 1)), Edit{})
	if got := Values(out, "Max-Forwards"); len(got) != 1 || got[0] != "70" {
		t.Errorf("without Max-Forwards: %q", got)
	}
}

func TestForwardResponse(t *testing.T) {
	tests := []struct {
		vias, want []string
	}{
		{[]string{"SIP/2.0/UDP a", "SIP/2.0/UDP b"}, []string{"SIP/2.0/UDP b"}},
		{[]string{"SIP/2.0/UDP a, SIP/2.0/UDP b", "SIP/2.0/UDP c"}, []string{"SIP/2.0/UDP b", "SIP/2.0/UDP c"}},
		{[]string{`SIP/2.0/UDP a;x=","`}, nil},
		{nil, nil},
	}
	for _, test := range tests {
		req := NewRequest("OPTIONS", sip.Uri{Host: "a"}, nil)
		for _, v := range test.vias {
			req.AppendHeader(H("Via", v))
		}
		res := NewResponse(req, 200, "Fine", H("Content-Type", "a/b"))
		res.SetBody([]byte("hi"))
		out := ForwardResponse(res)
		if test.want == nil {
			if out != nil {
				t.Errorf("%q: forwarded as %s", test.vias, dump(out))
			}
			continue
		}
		if got := Values(out, "Via"); strings.Join(got, "|") != strings.Join(test.want, "|") {
			t.Errorf("%q: got %q, want %q", test.vias, got, test.want)
		}
		if string(out.Body()) != "hi" || out.StatusCode != 200 || out.Reason != "Fine" {
			t.Errorf("%q: forwarded as %s", test.vias, dump(out))
		}
	}
}

func TestIdentifiersDiffer(t *testing.T) {
	for _, make := range []func() string{NewBranch, NewTag, NewCallID} {
		if a, b := make(), make(); a == b || len(a) < 16 {
			t.Errorf("%s and %s", a, b)
		}
	}
	if !strings.HasPrefix(NewBranch(), magicCookie) {
		t.Error("a branch without cookie")
	}
}

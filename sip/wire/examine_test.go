package wire

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestExamineFields(t *testing.T) {
	base := options()
	tests := []struct {
		old, new string
		status   int
		reason   string
	}{
		{"", "", 0, ""},
		{";tag=1", "", 0, ""},                  // RFC 2543
		{";branch=z9hG4bK1", "", 0, ""},        // RFC 2543
		{"Max-Forwards: 70\r\n", "", 0, ""},    // RFC 2543
		{"Forwards: 70", "Forwards: 0", 0, ""}, // whoever forwards refuses
		{"Forwards: 70", "Forwards: 0068", 0, ""},
		{"CSeq: 1 ", "CSeq: 2147483647\t ", 0, ""},
		{"CSeq: 1 ", "CSeq: 0 ", 0, ""},
		{"<sip:bob@example.com>", "isbn:2983792873", 0, ""},
		{"Forwards: 70", "Forwards: 256", 400, "Bad Max-Forwards"},
		{"Forwards: 70", "Forwards: -1", 400, "Bad Max-Forwards"},
		{"Forwards: 70", "Forwards:", 400, "Bad Max-Forwards"},
		{"CSeq: 1 ", "CSeq: 2147483648 ", 400, "Bad CSeq"},
		{"CSeq: 1 ", "CSeq: 1", 400, "Bad CSeq"},
		{"CSeq: 1 OPTIONS", "CSeq: 1", 400, "Bad CSeq"},
		{"CSeq: 1 OPTIONS", "CSeq: 1 OPTIONS x", 400, "Bad CSeq"},
		{"CSeq: 1 OPTIONS", "CSeq: 1 options", 400, "CSeq Method Mismatch"},
		{"CSeq: 1 OPTIONS\r\n", "", 400, "Missing CSeq"},
		{"1@example.com", "1 2", 400, "Bad Call-ID"},
		{"1@example.com", "", 400, "Bad Call-ID"},
		{"Call-ID: 1@example.com\r\n", "", 400, "Missing Call-ID"},
		{"From: <sip:alice@example.com>;tag=1\r\n", "", 400, "Missing From"},
		{"<sip:alice@example.com>;tag=1", "*", 400, "Bad From"},
		{"<sip:alice@example.com>;tag=1", "alice", 400, "Bad From"},
		{"To: <sip:bob@example.com>\r\n", "", 400, "Missing To"},
		{"<sip:bob@example.com>", `"bob <sip:bob@example.com>`, 400, "Bad To"},
		{"z9hG4bK1", "z9hG4bK", 400, "Empty Branch"},
		{"SIP/2.0/UDP", "SIP/2.0", 400, "Bad Via"},
		{"SIP/2.0\r\n", "SIP/2.1\r\n", 505, "Version Not Supported"},
		{"sip:bob@example.com ", "xmpp:bob@example.com ", 416, "Unsupported URI Scheme"},
		{"sip:bob@example.com ", "sip:bob@example.com?Route=x ", 400, "Headers in Request-URI"},
	}
	for _, test := range tests {
		req := parsed(t, strings.Replace(base, test.old, test.new, 1))
		core, e := Examine(req)
		switch {
		case e == nil && test.status != 0:
			t.Errorf("%q → %q: accepted as %+v", test.old, test.new, core)
		case e != nil && (e.Status != test.status || e.Reason != test.reason || e.Request != req || e.Fatal()):
			t.Errorf("%q → %q: %v", test.old, test.new, e)
		}
	}
}

func TestExamineCore(t *testing.T) {
	core, e := Examine(parsed(t, register))
	if e != nil {
		t.Fatal(e)
	}
	if core.Via.Branch != "z9hG4bK.vVnKD8RrG" || core.Via.RPort != 0 || core.FromTag != "6qLyG2Mcc" || core.ToTag != "" ||
		core.CallID != "6jKb0sYzPX" || core.CSeq != 21 || core.CSeqMethod != "REGISTER" || core.MaxForwards != 70 ||
		AOR(&core.To.URI) != "alice@example.com" {
		t.Errorf("%+v", core)
	}
}

func TestExamineNeverAnswersACK(t *testing.T) {
	ack := strings.ReplaceAll(options("CSeq: 2 OPTIONS"), "OPTIONS", "ACK")
	if _, e := Examine(parsed(t, ack)); e == nil || e.Request != nil {
		t.Errorf("got %+v", e)
	}
}

func TestExamineResponse(t *testing.T) {
	text := strings.Replace(options(), "OPTIONS sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK", 1)
	tests := []struct {
		old, new string
		ok       bool
	}{
		{"", "", true},
		{"Forwards: 70", "Forwards: many", true},
		{"CSeq: 1 ", "CSeq: 9292394834772304023312 ", false},
		{"CSeq: ", "X-CSeq: ", false},
		{"Max-Forwards: 70", "To: <sip:eve@example.com>", false},
		{"SIP/2.0/UDP", "", false},
	}
	for _, test := range tests {
		m, err := Parse([]byte(strings.Replace(text, test.old, test.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		core, err := ExamineResponse(m.(*sip.Response))
		if (err == nil) != test.ok {
			t.Errorf("%q → %q: %+v, %v", test.old, test.new, core, err)
		}
	}
}

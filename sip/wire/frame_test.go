package wire

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// frameAll feeds text in pieces of n bytes and returns the messages, with errors
// in their place.
func frameAll(f *Framer, text string, n int) (got []string) {
	for chunk := range slices.Chunk([]byte(text), n) {
		f.Write(chunk)
		clear(chunk)
		for {
			m, err := f.Next()
			var e *Error
			if errors.As(err, &e) {
				got = append(got, e.Error())
				if e.Fatal() {
					return append(got, "closed")
				}
				continue
			}
			if m == nil {
				break
			}
			got = append(got, dump(m))
		}
	}
	return got
}

func TestFramerInAnyPieces(t *testing.T) {
	stream := "\r\n" + options("l: 0") + "\r\n\r\n" + options("l: 10") + "a\r\n\r\nb\r\nc\x00" + options() +
		strings.Replace(options("l: 3"), "sip:bob@", "<sip:bob@", 1) + "xyz" +
		strings.Replace(options("l: 3"), "OPTIONS sip:bob@example.com SIP/2.0", "SIP/2.0 4294967301 big", 1) + "xyz" +
		register + options("Content-Length: 6000") + strings.Repeat("0123456789", 600) + options("l: 1") + "z"
	var whole Framer
	want := frameAll(&whole, stream, len(stream))
	if len(want) != 8 {
		t.Fatalf("%d messages: %q", len(want), want)
	}
	for i, e := range []string{3: "refuse with 400 Bad Request-URI", 4: "refuse with 400 Bad Status Line"} {
		if e != "" && want[i] != e {
			t.Errorf("message %d is %q, want %q", i, want[i], e)
		}
	}
	for _, n := range []int{1, 2, 3, 5, 7, 64, 1000, 4096, 5000} {
		var f Framer
		if got := frameAll(&f, stream, n); !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q", n, got)
		}
		if f.Partial() || f.buf != nil || f.pooled != nil {
			t.Errorf("in pieces of %d: memory is kept", n)
		}
		if p := f.Pings(); p != 1 {
			t.Errorf("in pieces of %d: %d pings, want 1", n, p)
		}
	}
}

func TestFramerTortureAsDatagrams(t *testing.T) {
	for name := range torture {
		text := string(readSample(t, "rfc4475/"+name+".dat"))
		var whole, bytewise Framer
		a, b := frameAll(&whole, text, len(text)), frameAll(&bytewise, text, 1)
		if !slices.Equal(a, b) {
			t.Errorf("%s: whole %q, in bytes %q", name, a, b)
		}
	}
}

func TestFramerPings(t *testing.T) {
	tests := []struct {
		text  string
		pings int
	}{
		{"\r\n\r\n", 1},
		{"\r\n", 0},
		{"\r\n\r\n\r\n", 1},
		{"\r\n\r\n\r\n\r\n", 2},
		{"\r\n" + options() + "\r\n", 0},
		{options() + "\r\n\r\n" + options(), 1},
	}
	for _, test := range tests {
		for _, n := range []int{1, 2, 3, len(test.text)} {
			var f Framer
			frameAll(&f, test.text, n)
			if got := f.Pings(); got != test.pings {
				t.Errorf("%q in pieces of %d: %d pings, want %d", test.text, n, got, test.pings)
			}
			if f.Pings() != 0 || f.Partial() || f.buf != nil {
				t.Errorf("%q: something is left", test.text)
			}
		}
	}
}

// When nobody knows where the next message begins, the stream ends.
func TestFramerFatal(t *testing.T) {
	tests := []struct {
		name, text string
		status     int
		answered   bool
	}{
		{"differing lengths", options("l: 1", "l: 2"), 400, true},
		{"negative length", options("l: -1"), 400, true},
		{"too large", options("l: 65536"), 413, true},
		{"endless header", options("X: " + strings.Repeat("a", MaxHead)), 513, true},
		{"endless line", strings.Repeat("a", MaxHead+1), 513, false},
		{"not SIP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
		{"TLS on a TCP port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, false},
		{"bare LF in a header", options("Subject: a\nContent-Length: 50", "l: 0"), 400, true},
		{"malformed without length", options("Content-Length 50"), 400, true},
		{"too many headers", options(strings.Repeat("X-1: 1\r\n", MaxHeaders) + "l: 5"), 400, true},
		{"bare LF", "\n" + options(), 400, false},
	}
	for _, test := range tests {
		for _, n := range []int{1, 1000, len(test.text)} {
			var f Framer
			got := frameAll(&f, test.text, n)
			if len(got) == 0 || got[len(got)-1] != "closed" {
				t.Errorf("%s: got %q", test.name, got)
				continue
			}
			f.Write([]byte(options()))
			m, err := f.Next()
			var e *Error
			if m != nil || !errors.As(err, &e) || e.Status != test.status || !e.Fatal() || (e.Request != nil) != test.answered {
				t.Errorf("%s: afterwards %v, %v", test.name, m, err)
			}
			if f.buf != nil || f.pooled != nil {
				t.Errorf("%s: memory is kept", test.name)
			}
		}
	}
}

// A line that is refused does not cost the connection as long as everybody
// agrees where the message ends.
func TestFramerGoesOnAfterBadLine(t *testing.T) {
	var f Framer
	got := frameAll(&f, options("Subject", "l: 3")+"abc"+options("l: 0"), 1000)
	if len(got) != 2 || got[0] != "refuse with 400 Malformed Header Line" || got[1] != dump(parsed(t, options())) {
		t.Errorf("got %q", got)
	}
}

// A peer that promises much and sends little holds little.
func TestFramerGrowsWithWhatArrives(t *testing.T) {
	var f Framer
	f.Write([]byte(options("l: 60000")))
	if m, err := f.Next(); m != nil || err != nil {
		t.Fatal(m, err)
	}
	if cap(f.buf) > frameSize {
		t.Errorf("holds %d bytes", cap(f.buf))
	}
}

func TestFramerTwoMessagesInOneWrite(t *testing.T) {
	var f Framer
	f.Write([]byte(register + register))
	for range 2 {
		m, err := f.Next()
		if err != nil || m.(*sip.Request).Method != sip.REGISTER {
			t.Fatal(m, err)
		}
	}
	if m, err := f.Next(); m != nil || err != nil {
		t.Fatal(m, err)
	}
}

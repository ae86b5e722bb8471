package sdp

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestCapturedOffersSurvive reads what phones sent and writes it again: not a
// byte differs.
func TestCapturedOffersSurvive(t *testing.T) {
	files, err := filepath.Glob("testdata/*.sdp")
	if err != nil || len(files) < 12 {
		t.Fatalf("captured offers: %d, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if got := string(rewrite(d)); got != string(text) {
			t.Errorf("%s became\n%s", file, got)
		}
	}
}

// rewrite writes a description line by line.
func rewrite(d *Description) []byte {
	var w Writer
	section := func(lines []Line) {
		for _, l := range lines {
			if l.Type == 0 {
				w.b = append(append(w.b, l.Value...), "\r\n"...)
				continue
			}
			w.Line(l.Type, l.Value)
		}
	}
	section(d.Session)
	for _, m := range d.Media {
		w.Media(m.Kind, uint16(m.Port), m.Proto, m.Formats)
		section(m.Lines)
	}
	return w.Bytes()
}

// TestWhatPhonesWrite is what the grammar forbids and calls depend on.
func TestWhatPhonesWrite(t *testing.T) {
	const head, media = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n", "m=audio 4000 RTP/AVP 0\r\n"
	audio := Media{Kind: "audio", Port: 4000, Proto: "RTP/AVP", Formats: "0"}
	tests := []struct {
		name, text string
		last       Media // the last m-line, without its lines
		lines      int   // in all sections
	}{
		{"no s= and no t=", head + media, audio, 2},
		{"an empty s=", head + "s=\r\nt=0 0\r\n" + media, audio, 4},
		{"c= after t=", head + "s=-\r\nt=0 0\r\nc=IN IP4 192.0.2.1\r\n" + media, audio, 5},
		{"o= with a name of two words", "v=0\r\no=Alice Example 1 1 IN IP4 192.0.2.1\r\n" + media, audio, 2},
		{"spaces around =", head + media + "a = sendonly\r\n", audio, 3},
		{"no end of the last line", head + strings.TrimSpace(media), audio, 2},
		{"LF alone", strings.ReplaceAll(head+media, "\r\n", "\n"), audio, 2},
		{"CR alone", strings.ReplaceAll(head+media, "\r\n", "\r"), audio, 2},
		{"empty lines and lines of spaces", head + "\r\n  \r\n" + media + "\r\n\r\n", audio, 2},
		{"b= and c= after a=", head + media + "a=ptime:20\r\nb=AS:64\r\nc=IN IP4 192.0.2.1\r\n", audio, 5},
		{"nothing before m=", media, audio, 0},
		{"a line without =", head + media + "hello\r\n", audio, 3},
		{"upper-case types", "V=0\r\nM=audio 4000 RTP/AVP 0\r\n", audio, 1},
		{"a number of ports", head + "m=audio 4000/2 RTP/AVP 0\r\n", audio, 2},
		{"spaces in m=", head + "m=audio  4000 \tRTP/AVP  0\r\n", audio, 2},
		{"lower-case transport", head + "m=audio 4000 rtp/avp 0\r\n", Media{Kind: "audio", Port: 4000, Proto: "rtp/avp", Formats: "0"}, 2},
		{"fax", head + "m=image 4000 udptl t38\r\n", Media{Kind: "image", Port: 4000, Proto: "udptl", Formats: "t38"}, 2},
		{"an unknown transport", head + "m=message 2855 TCP/TLS/MSRP *\r\n", Media{Kind: "message", Port: 2855, Proto: "TCP/TLS/MSRP", Formats: "*"}, 2},
		{"a port that is none", head + "m=audio x RTP/AVP 0\r\n", Media{Kind: "audio", Proto: "RTP/AVP", Formats: "0"}, 2},
		{"a port too large", head + "m=audio 65536 RTP/AVP 0\r\n", Media{Kind: "audio", Proto: "RTP/AVP", Formats: "0"}, 2},
		{"an m-line of one word", head + "m=audio\r\n", Media{Kind: "audio"}, 2},
		{"a session id of 23 digits", "v=0\r\no=- 12345678901234567890123 1 IN IP4 192.0.2.1\r\n" + media, audio, 2},
		{"UTF-8", head + "s=通话\r\n" + media, audio, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, err := Parse([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			last, lines := d.Media[len(d.Media)-1], len(d.Session)
			for _, m := range d.Media {
				lines += len(m.Lines)
			}
			last.Lines = nil
			if !reflect.DeepEqual(last, test.last) || lines != test.lines {
				t.Errorf("%+v and %d lines, want %+v and %d", last, lines, test.last, test.lines)
			}
		})
	}
}

// TestLimits: a description may be as large as it likes up to a limit.
func TestLimits(t *testing.T) {
	repeat := func(s string, n int) string { return "v=0\r\n" + strings.Repeat(s, n) }
	tests := []struct {
		name, text string
		err        error
	}{
		{"64 kB", "v=0\r\ns=" + strings.Repeat("x", MaxSize-9) + "\r\n", nil},
		{"over 64 kB", "v=0\r\ns=" + strings.Repeat("x", MaxSize-8) + "\r\n", ErrTooLarge},
		{"32 m-lines", repeat("m=audio 0 RTP/AVP 0\r\n", MaxMedia), nil},
		{"33 m-lines", repeat("m=audio 0 RTP/AVP 0\r\n", MaxMedia+1), ErrTooLarge},
		{"256 attributes", repeat("a=x\r\n", MaxAttributes) + "m=audio 0 RTP/AVP 0\r\n" + strings.Repeat("a=x\r\n", MaxAttributes), nil},
		{"257 of the session", repeat("a=x\r\n", MaxAttributes+1), ErrTooLarge},
		{"257 of a section", "m=audio 0 RTP/AVP 0\r\n" + strings.Repeat("a=x\r\n", MaxAttributes+1), ErrTooLarge},
		{"2000 lines", repeat("i=x\r\n", MaxLines-1), nil},
		{"2001 lines", repeat("i=x\r\n", MaxLines), ErrTooLarge},
		{"nothing", "", ErrNoSDP},
		{"prose", "hello\r\nworld\r\n", ErrNoSDP},
		{"a NUL", "v=0\r\ns=\x00\r\n", ErrNUL},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Parse([]byte(test.text)); !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("error %v, want %v", err, test.err)
			}
		})
	}
}

// TestAttribute splits at the first colon, whatever spaces are around it.
func TestAttribute(t *testing.T) {
	for value, want := range map[string][2]string{
		"sendrecv":                   {"sendrecv", ""},
		"rtpmap:96 opus/48000/2":     {"rtpmap", "96 opus/48000/2"},
		"ptime : 20":                 {"ptime", "20"},
		"fingerprint:sha-256 AA:BB":  {"fingerprint", "sha-256 AA:BB"},
		"extmap:1 urn:ietf:params:x": {"extmap", "1 urn:ietf:params:x"},
	} {
		if name, rest := (Line{'a', value}).Attribute(); name != want[0] || rest != want[1] {
			t.Errorf("a=%s: %q %q", value, name, rest)
		}
	}
}

// TestAddresses reads and writes what c= has.
func TestAddresses(t *testing.T) {
	for value, want := range map[string]string{
		"IN IP4 192.0.2.1":         "IN IP4 192.0.2.1",
		"IN  IP4\t192.0.2.1":       "IN IP4 192.0.2.1",
		"IN IP4 233.252.0.1/127/3": "IN IP4 233.252.0.1",
		"IN IP6 2001:DB8::1":       "IN IP6 2001:db8::1",
		"IN IP6 fe80::1%eth0":      "IN IP6 fe80::1",
		"IN IP6 ::ffff:192.0.2.1":  "IN IP4 192.0.2.1",
		"IN IP4 phone.example.com": "",
		"IN IP4":                   "",
		"":                         "",
	} {
		a, ok := ParseAddress(value)
		if ok != (want != "") || ok && Address(a) != want {
			t.Errorf("%q: %v %v", value, a, ok)
		}
	}
}

// TestWriterKeepsLinesWhole: no value can begin a line of its own.
func TestWriterKeepsLinesWhole(t *testing.T) {
	var w Writer
	w.Attribute("fmtp", "96 ", "x\r\nm=audio 1 RTP/AVP 0\x00")
	w.Line('b', "AS:64")
	if got := string(w.Bytes()); got != "a=fmtp:96 x  m=audio 1 RTP/AVP 0 \r\nb=AS:64\r\n" {
		t.Errorf("%q", got)
	}
}

// FuzzParse: whatever is read keeps within its limits, and reads the same again
// when it was written.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.sdp")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			f.Add(text)
		}
	}
	f.Add([]byte("v=0\rm =audio 1 x\n a = b : c \n=\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		if len(d.Media) > MaxMedia {
			t.Fatalf("%d m-lines", len(d.Media))
		}
		for i := range d.Media { // words that are missing cannot be written
			if m := &d.Media[i]; m.Kind == "" || m.Proto == "" {
				m.Kind, m.Proto, m.Formats = "audio", "RTP/AVP", "0"
			}
		}
		written := rewrite(d)
		again, err := Parse(written)
		if errors.Is(err, ErrTooLarge) && len(written) > MaxSize {
			return
		}
		if err != nil {
			t.Fatalf("%v\n%q", err, written)
		}
		if !reflect.DeepEqual(d, again) {
			t.Fatalf("%+v\nagain\n%+v", d, again)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"baresip-srtp", "linphone-srtp", "chromium"} {
		text, err := os.ReadFile("testdata/" + name + ".sdp")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

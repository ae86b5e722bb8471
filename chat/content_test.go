package chat

import (
	"bytes"
	"compress/zlib"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// What Linphone puts on the wire.
const (
	fileXML = `<?xml version="1.0" encoding="UTF-8"?><file xmlns="urn:gsma:params:xml:ns:rcs:rcs:fthttp"><file-info type="file"><file-size>3000</file-size>` +
		`<file-name>%E5%9B%BE%201.png</file-name><content-type>image/png</content-type><data url="https://files.example.com/tmp/ID" until="2026-12-30T00:00:00Z"/></file-info></file>`
	voiceXML = `<?xml version="1.0" encoding="UTF-8"?><file xmlns="urn:gsma:params:xml:ns:rcs:rcs:fthttp" xmlns:am="urn:gsma:params:xml:ns:rcs:rcs:rram"><file-info type="file"><file-size>3000000</file-size>` +
		`<file-name>v.wav</file-name><content-type>audio/wav;voice-recording=yes</content-type><am:playing-length>12400</am:playing-length><data url="https://files.example.com/v"/></file-info></file>`
	linphoneCPIM = "From: <sip:alice@example.test>\r\nTo: <sip:bob@example.test>\r\nDateTime: 2026-11-22T22:57:20Z\r\nNS: imdn <urn:ietf:params:imdn>\r\n" +
		"imdn.Message-ID: sauXm2VJshAT\r\nimdn.Disposition-Notification: positive-delivery, negative-delivery, display\r\n\r\n" +
		"Content-Type: text/plain\r\nContent-Length: 11\r\n\r\nHello group"
)

func deflated(s string) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.Bytes()
}

func TestCPIM(t *testing.T) {
	c, err := parseCPIM([]byte(linphoneCPIM))
	if err != nil {
		t.Fatal(err)
	}
	if string(c.bytes()) != linphoneCPIM {
		t.Errorf("written differently:\n%s", c.bytes())
	}
	if c.imdn("message-id") != "sauXm2VJshAT" || c.contentHeader("content-type") != "text/plain" || string(c.body) != "Hello group" {
		t.Errorf("%+v", c)
	}
	if c.january() || !asks(c.imdn("Disposition-Notification"), "negative-delivery") {
		t.Error("misread")
	}
	lf, err := parseCPIM([]byte(strings.ReplaceAll(linphoneCPIM, "\r\n", "\n")))
	if err != nil || lf.imdn("Message-ID") != "sauXm2VJshAT" {
		t.Errorf("with LF only: %v", err)
	}
}

// TestCPIMExample is the shape of RFC 3862 §5.1, with other words.
func TestCPIMExample(t *testing.T) {
	c, err := parseCPIM([]byte("From: MR SANDERS <im:piglet@100akerwood.example>\r\nTo: Depressed Donkey <im:eeyore@100akerwood.example>\r\n" +
		"DateTime: 2000-12-13T13:40:00-08:00\r\nSubject: the weather\r\nSubject:;lang=fr beau\r\nNS: MyFeatures <mid:features@id.example>\r\n" +
		"Require: MyFeatures.VitalMessageOption\r\nMyFeatures.WackyMessageOption: Use-silly-font\r\nnote: tab\\there \\u4f60\\u597d\r\n\r\n" +
		"Content-type: text/xml; charset=utf-8\r\nContent-ID: <1@id.example>\r\n\r\n<body/>"))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := c.extension("mid:features@id.example", "none", "WackyMessageOption"); !ok || v != "Use-silly-font" {
		t.Errorf("%q %v", v, ok)
	}
	if v := c.header("Note"); v != "tab\there 你好" {
		t.Errorf("%q", v)
	}
}

func TestCPIMPrefixIsTheSenders(t *testing.T) {
	c, err := parseCPIM([]byte("From: <sip:a@b>\r\nNS: i <urn:ietf:params:imdn>\r\nNS: imdn <urn:other>\r\ni.Message-ID: right\r\nimdn.Message-ID: wrong\r\n\r\nContent-Type: text/plain\r\n\r\nx"))
	if err != nil || c.imdn("Message-ID") != "right" {
		t.Errorf("%v %q", err, c.imdn("Message-ID"))
	}
}

func TestCPIMIsOfItsSender(t *testing.T) {
	u := &store.User{Username: "bob", Domain: "example.com", Numbers: []string{"1004"}}
	for from, want := range map[string]bool{
		"":                                  true,
		"From: <sip:bob@example.com>\n":     true,
		"From: Bob <im:1004@example.com>\n": true,
		"From: <sip:bob@example.com;gr=urn:uuid:1>\n":                    true,
		"From: <sip:alice@example.com>\n":                                false,
		"from: <sip:alice@example.com>\n":                                false,
		"From: <sip:bob@example.org>\n":                                  false,
		"From: <sip:bob@example.com>, <sip:alice@example.com>\n":         false,
		"From: <sip:bob@example.com>\nFrom: <sip:alice@example.com>\n":   false,
		"From: \\u003csip:alice@example.com>\n":                          false,
		"From: \"<sip:bob@example.com>\" <sip:alice@example.com>\n":      false,
		"From: <sip:bob@example.com>\nFrom: Bob <sip:bob@example.com>\n": true,
		"From: bob\n": false,
	} {
		c, err := parseCPIM([]byte(from + "To: <sip:x@example.com>\n\nContent-Type: text/plain\n\nx"))
		if err != nil || writtenBy(c, u) != want {
			t.Errorf("%q: %v, %v", from, !want, err)
		}
	}
}

func TestNotCPIM(t *testing.T) {
	for name, s := range map[string]string{
		"empty": "", "no blank line": "From: a\r\n", "no content headers": "From: a\r\n\r\n\r\nx", "no headers": "\r\nContent-Type: text/plain\r\n\r\nx",
		"no colon": "From a\r\n\r\nA: b\r\n\r\n", "too long": "A: " + strings.Repeat("x", maxCPIMHead) + "\r\n\r\nA: b\r\n\r\n",
		"too many": strings.Repeat("A: b\r\n", 100) + "\r\nA: b\r\n\r\n", "blank in name": "A b: c\r\n\r\nA: b\r\n\r\n", "NUL": "A: \x00\r\n\r\nA: b\r\n\r\n",
	} {
		if _, err := parseCPIM([]byte(s)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestReceipt(t *testing.T) {
	linphone := `<?xml version="1.0" encoding="UTF-8"?><imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>a&amp;b</message-id><datetime>2026-11-22T22:57:20Z</datetime><delivery-notification><status><delivered/></status></delivery-notification></imdn>`
	r, err := parseReceipt([]byte(linphone))
	if err != nil || r.MessageID != "a&b" || r.About != "delivery" || r.Status != "delivered" {
		t.Fatalf("%+v, %v", r, err)
	}
	again, err := parseReceipt(r.bytes())
	if err != nil || again != r {
		t.Errorf("%+v, %v", again, err)
	}
	failed := `<imdn xmlns="urn:ietf:params:xml:ns:imdn" xmlns:imdn="http://www.linphone.org/xsds/imdn.xsd"><message-id>x</message-id><datetime>d</datetime><delivery-notification><status><failed/><imdn:reason code="488">no</imdn:reason></status></delivery-notification></imdn>`
	if r, err := parseReceipt([]byte(failed)); err != nil || r.Status != "failed" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestComposing(t *testing.T) {
	state, err := parseComposing([]byte(`<?xml version="1.0" encoding="UTF-8"?><isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><state>idle</state><lastactive>2003-01-27T10:43:00Z</lastactive><contenttype>audio</contenttype></isComposing>`))
	if err != nil || state != "idle" {
		t.Errorf("%q, %v", state, err)
	}
}

func TestFile(t *testing.T) {
	f, err := parseFile([]byte(voiceXML))
	if err != nil || f.Name != "v.wav" || f.Size != 3000000 || f.Playing.Milliseconds() != 12400 || f.URL != "https://files.example.com/v" {
		t.Errorf("%+v, %v", f, err)
	}
}

func FuzzCPIM(f *testing.F) {
	f.Add([]byte(linphoneCPIM))
	f.Add([]byte("a:b\n\nc:d\n\ne"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCPIM(b)
		if err != nil {
			return
		}
		again, err := parseCPIM(c.bytes())
		if err != nil || !bytes.Equal(again.body, c.body) || len(again.headers) != len(c.headers) {
			t.Fatalf("%q written as %q: %v", b, c.bytes(), err)
		}
		c.header("DateTime")
		c.january()
	})
}

func FuzzXML(f *testing.F) {
	f.Add([]byte(fileXML))
	f.Add([]byte(voiceXML))
	f.Add(receipt{MessageID: "x", About: "delivery", Status: "delivered"}.bytes())
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = parseFile(b)
		_, _ = parseReceipt(b)
		_, _ = parseComposing(b)
	})
}

func FuzzContent(f *testing.F) {
	f.Add(cpimType, "", []byte(linphoneCPIM))
	f.Add(cpimType, "deflate", deflated(linphoneCPIM))
	f.Add("multipart/mixed;boundary=b", "", []byte("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n"))
	f.Add("text/plain;charset=gbk", "", []byte("\xc4\xe3"))
	f.Fuzz(func(t *testing.T, contentType, encoding string, b []byte) {
		c, err := openContent(contentType, encoding, b)
		if err != nil {
			return
		}
		if len(c.body) > max(1<<20, len(b)) {
			t.Fatal("grew too much")
		}
		wordsOf("zh").text(&c, true)
		c.receipts()
	})
}

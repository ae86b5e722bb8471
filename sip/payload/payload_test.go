package payload

import (
	"bytes"
	"compress/zlib"
	"strings"
	"testing"
)

func deflated(s string) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.Bytes()
}

func TestInflate(t *testing.T) {
	text := strings.Repeat("the quick brown fox ", 100)
	if out, err := Inflate(deflated(text)); err != nil || string(out) != text {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	whole := deflated(text)
	for name, bad := range map[string][]byte{
		"no zlib": []byte("hello"), "cut off": whole[:len(whole)-6], "nothing": nil,
	} {
		if _, err := Inflate(bad); err != ErrDeflate {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, size := range []int{64 << 10, 2 << 20, 64 << 20} {
		if _, err := Inflate(deflated(strings.Repeat("a", size))); err != ErrInflatedSize {
			t.Errorf("bomb of %d bytes: %v", size, err)
		}
	}
}

func TestDecode(t *testing.T) {
	text := strings.Repeat("the quick brown fox ", 100)
	for encoding, in := range map[string][]byte{"": []byte(text), "identity": []byte(text), " Deflate": deflated(text)} {
		if out, err := Decode(encoding, in); err != nil || string(out) != text {
			t.Errorf("%q: %d bytes, %v", encoding, len(out), err)
		}
	}
	if _, err := Decode("gzip", nil); err != ErrEncoding {
		t.Error(err)
	}
}

func TestXMLIsBounded(t *testing.T) {
	for name, s := range map[string]string{
		"DTD":           `<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>`,
		"junk after":    `<x/><y/>`,
		"text after":    `<x/>y`,
		"unclosed":      `<x>`,
		"deep":          strings.Repeat("<x>", 100) + strings.Repeat("</x>", 100),
		"many":          "<x>" + strings.Repeat("<y/>", 5000) + "</x>",
		"large":         "<x>" + strings.Repeat("y", Small) + "</x>",
		"not XML":       "hello",
		"empty":         "",
		"other charset": `<?xml version="1.0" encoding="gb2312"?><x/>`,
	} {
		if _, err := ParseXML([]byte(s), Small); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParseXML(f *testing.F) {
	f.Add([]byte("<x a='1'><y>z</y></x>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParseXML(b, Small); (e == nil) == (err == nil) {
			t.Fatalf("%v, %v", e, err)
		}
	})
}

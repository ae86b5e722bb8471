package wire

import (
	"net/netip"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// register is 800 bytes, as a softphone sends it.
const register = "REGISTER sip:example.com SIP/2.0\r\n" +
	"Via: SIP/2.0/TLS 192.168.178.31:52314;alias;branch=z9hG4bK.vVnKD8RrG;rport\r\n" +
	"From: <sip:alice@example.com>;tag=6qLyG2Mcc\r\n" +
	"To: sip:alice@example.com\r\n" +
	"CSeq: 21 REGISTER\r\n" +
	"Call-ID: 6jKb0sYzPX\r\n" +
	"Max-Forwards: 70\r\n" +
	"Supported: replaces, outbound, gruu, path, record-aware\r\n" +
	"Accept: application/sdp\r\n" +
	"Accept: text/plain\r\n" +
	"Contact: <sip:alice@192.168.178.31:52314;transport=tls>;+sip.instance=\"<urn:uuid:7c9f8e2a-2fd0-4c21-9b6f-3f0a8a6f1d11>\";reg-id=1\r\n" +
	"Expires: 3600\r\n" +
	"User-Agent: Softphone/5.2 (Desktop) LinphoneSDK/5.3\r\n" +
	"Authorization: Digest realm=\"example.com\", nonce=\"Zr8Yc0000000aXs9d1cV2fK1\", algorithm=SHA-256, username=\"alice\", uri=\"sip:example.com\", response=\"b5ab8e6a4d3c2b1a0f9e8d7c6b5a4f3e\", cnonce=\"Kd8s\", nc=00000001, qop=auth\r\n" +
	"Content-Length: 0\r\n\r\n"

func parsed(t testing.TB, text string) *sip.Request {
	t.Helper()
	m, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*sip.Request)
}

func BenchmarkParse(b *testing.B) {
	text := []byte(register)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseBody(b *testing.B) {
	text := []byte(options("Content-Type: text/plain", "Content-Length: 11") + "hello world")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStamp(b *testing.B) {
	req := parsed(b, register)
	remote := netip.MustParseAddrPort("192.0.2.1:5060")
	b.ReportAllocs()
	for b.Loop() {
		Stamp(req, remote)
	}
}

func BenchmarkExamine(b *testing.B) {
	req := parsed(b, register)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Examine(req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRespond(b *testing.B) {
	req := parsed(b, register)
	b.ReportAllocs()
	for b.Loop() {
		NewResponse(req, 200, "")
	}
}

func BenchmarkForward(b *testing.B) {
	req := parsed(b, register)
	edit := Edit{Via: "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1", RecordRoute: []string{"<sip:192.0.2.1;lr>"}}
	b.ReportAllocs()
	for b.Loop() {
		Forward(req, edit)
	}
}

func BenchmarkAppend(b *testing.B) {
	req := parsed(b, register)
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], req)
	}
}

func BenchmarkFramer(b *testing.B) {
	text := []byte(register)
	var f Framer
	b.ReportAllocs()
	for b.Loop() {
		f.Write(text)
		if m, err := f.Next(); m == nil || err != nil {
			b.Fatal(m, err)
		}
	}
}

func BenchmarkValues(b *testing.B) {
	req := parsed(b, register)
	b.ReportAllocs()
	for b.Loop() {
		if len(Values(req, "Accept")) != 2 || Values(req, "Path") != nil || !Has(req, "Supported", "path") {
			b.Fatal("not found")
		}
	}
}

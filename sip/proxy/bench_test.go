package proxy

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// wirePhone is a phone that costs nearly nothing: it keeps the last message as
// it was on the wire and answers by copying lines.
type wirePhone struct {
	*phone
	last []byte
	n    int
}

func (p *wirePhone) Send(b []byte) error {
	p.last, p.n = append(p.last[:0], b...), p.n+1
	return nil
}

func (p *wirePhone) send(text []byte) {
	m, err := wire.Parse(text)
	if err != nil {
		p.bed.t.Fatalf("%v\n%s", err, text)
	}
	p.bed.layer.Message(p.flow, m)
}

func (b *bed) wirePhone(name, what string) *wirePhone {
	p := &wirePhone{phone: b.phone(name, what)}
	transport.NewFlow(p.flow, p)
	return p
}

// answer copies what a response takes from its request (RFC 3261 §8.2.6).
func (p *wirePhone) answer(status string, dst []byte) []byte {
	dst = append(append(dst[:0], "SIP/2.0 "...), status...)
	dst = append(dst, "\r\n"...)
	for line := range bytes.Lines(p.last) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch string(name) {
		case "To":
			dst = append(dst, bytes.TrimRight(line, "\r\n")...)
			if !bytes.Contains(line, []byte(";tag=")) {
				dst = append(dst, ";tag=bob"...)
			}
			dst = append(dst, "\r\n"...)
		case "Via", "From", "Call-ID", "CSeq", "Record-Route":
			dst = append(dst, line...)
		}
	}
	return append(dst, "Contact: <sip:bob@198.51.100.1:40002;transport=tls>\r\nContent-Length: 0\r\n\r\n"...)
}

// BenchmarkCall is INVITE, 180, 200, ACK, BYE, 200 through parser, transaction
// layer, chain and proxy, without sockets and authentication.
func BenchmarkCall(b *testing.B) {
	for _, how := range []string{"tls", "udp"} {
		b.Run(how, func(b *testing.B) { benchmarkCall(b, how) })
	}
}

func benchmarkCall(b *testing.B, how string) {
	bed := newBed(b)
	alice, bob := bed.wirePhone("alice", how), bed.wirePhone("bob", how)
	var buf []byte
	for i := 0; b.Loop(); i++ {
		id := strconv.Itoa(i)
		common := func(to, cseq string) string {
			return "From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>" + to + "\r\nCall-ID: call" + id + "\r\nCSeq: " + cseq +
				"\r\nMax-Forwards: 70\r\nContact: <sip:alice@198.51.100.1:40001;transport=tls>\r\nUser-Agent: bench\r\nSupported: replaces, outbound\r\n"
		}
		via := func(n string) string {
			return "Via: SIP/2.0/" + strings.ToUpper(how) + " 198.51.100.1:40001;branch=z9hG4bKbench" + id + n + "\r\n"
		}
		buf = append(buf[:0], "INVITE sip:bob@example.com SIP/2.0\r\n"+via("i")+common("", "1 INVITE")+"Content-Type: application/sdp\r\nContent-Length: 300\r\n\r\n"...)
		buf = append(buf, strings.Repeat("x", 300)...)
		alice.send(buf)
		buf = bob.answer("180 Ringing", buf)
		bob.send(buf)
		buf = bob.answer("200 OK", buf)
		bob.send(buf)
		var routes [2]string
		n := len(routes)
		for line := range bytes.Lines(alice.last) {
			if value, ok := bytes.CutPrefix(line, []byte("Record-Route:")); ok && n > 0 {
				n--
				routes[n] = "Route:" + string(value)
			}
		}
		inDialog := func(method, cseq string) {
			buf = append(buf[:0], method+" sip:bob@198.51.100.1:40002;transport=tls SIP/2.0\r\n"+via(method)+routes[0]+routes[1]+common(";tag=bob", cseq+method)+"Content-Length: 0\r\n\r\n"...)
			alice.send(buf)
		}
		inDialog("ACK", "1 ")
		inDialog("BYE", "2 ")
		buf = bob.answer("200 OK", buf)
		bob.send(buf)
	}
	if alice.n != 3*b.N || bob.n != 3*b.N || !strings.HasPrefix(string(alice.last), "SIP/2.0 200") {
		b.Fatalf("alice got %d messages, bob %d in %d calls; the last one\n%s", alice.n, bob.n, b.N, alice.last)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/call")
}

package siptest

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// WirePhone is a phone that costs nearly nothing: it keeps the last message as
// it was on the wire and answers by copying lines.
type WirePhone struct {
	*Phone
	Heard []byte // the last message
	N     int    // how many came
	buf   []byte
}

func (w *World) wirePhone(name, over string) *WirePhone {
	p := &WirePhone{Phone: w.Phone(name, over)}
	transport.NewFlow(p.Flow, p)
	return p
}

// Send is the server's side of the flow.
func (p *WirePhone) Send(b []byte) error {
	p.Heard, p.N = append(p.Heard[:0], b...), p.N+1
	return nil
}

// say puts what is in the buffer on the flow.
func (p *WirePhone) say() {
	m, err := wire.Parse(p.buf)
	if err != nil {
		p.world.t.Fatalf("%v\n%s", err, p.buf)
	}
	p.world.Layer.Message(p.Flow, m)
}

// answer copies what a response takes from its request (RFC 3261 §8.2.6).
func (p *WirePhone) answer(status, body string) {
	dst := append(append(append(p.buf[:0], "SIP/2.0 "...), status...), "\r\n"...)
	head, _, _ := bytes.Cut(p.Heard, []byte("\r\n\r\n"))
	for line := range bytes.Lines(append(head, "\r\n"...)) {
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
	dst = append(dst, "Contact: <sip:bob@198.51.100.1:40002;transport=tls>\r\n"...)
	p.buf = append(dst, content(body)...)
	p.say()
}

// content is the end of a message with a description, or without body.
func content(body string) string {
	kind := ""
	if body != "" {
		kind = "Content-Type: application/sdp\r\n"
	}
	return kind + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// BenchmarkCalls measures INVITE, 180, 200, ACK, BYE, 200 from alice to bob, both
// over how. Bob knows no DTLS and refuses such an offer with 488. It returns both as
// they are in the end, for the caller to judge.
func BenchmarkCalls(b *testing.B, w *World, how, offer, answer string) (alice, bob *WirePhone) {
	alice, bob = w.wirePhone("alice", how), w.wirePhone("bob", how)
	for i := 0; b.Loop(); i++ {
		id := strconv.Itoa(i)
		request := func(line, routes, toTag, cseq, body string) {
			method, _, _ := strings.Cut(line, " ")
			alice.buf = append(alice.buf[:0], line+" SIP/2.0\r\nVia: SIP/2.0/"+alice.Flow.Transport+" 198.51.100.1:40001;branch=z9hG4bKbench"+id+method+"\r\n"+routes+
				"From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>"+toTag+"\r\nCall-ID: call"+id+"\r\nCSeq: "+cseq+" "+method+
				"\r\nMax-Forwards: 70\r\nContact: <sip:alice@198.51.100.1:40001;transport=tls>\r\nUser-Agent: bench\r\nSupported: replaces, outbound\r\n"+content(body)...)
			alice.say()
		}
		request("INVITE sip:bob@example.com", "", "", "1", offer)
		if bytes.Contains(bob.Heard, []byte("UDP/TLS/RTP")) {
			bob.answer("488 Not Acceptable Here", "")
		}
		bob.answer("180 Ringing", "")
		bob.answer("200 OK", answer)
		routes := alice.routes()
		request("ACK sip:bob@198.51.100.1:40002;transport=tls", routes, ";tag=bob", "1", "")
		request("BYE sip:bob@198.51.100.1:40002;transport=tls", routes, ";tag=bob", "2", "")
		bob.answer("200 OK", "")
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/call")
	return alice, bob
}

// routes are the Route lines of a caller who has just been answered.
func (p *WirePhone) routes() string {
	routes := ""
	for line := range bytes.Lines(p.Heard) {
		if value, ok := bytes.CutPrefix(line, []byte("Record-Route:")); ok {
			routes = "Route:" + string(value) + routes // RFC 3261 §12.1.2: reversed
		}
	}
	return routes
}

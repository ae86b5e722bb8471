package call

import (
	"bytes"
	"context"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/media"
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
		p.world.t.Fatalf("%v\n%s", err, text)
	}
	p.world.layer.Message(p.flow, m)
}

func (w *world) wirePhone(name, how string) *wirePhone {
	p := &wirePhone{phone: w.phone(name, how)}
	transport.NewFlow(p.flow, p)
	return p
}

// answer copies what a response takes from its request (RFC 3261 §8.2.6).
func (p *wirePhone) answer(status, sdp string, dst []byte) []byte {
	dst = append(append(dst[:0], "SIP/2.0 "...), status...)
	dst = append(dst, "\r\n"...)
	head, _, _ := bytes.Cut(p.last, []byte("\r\n\r\n"))
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
	if sdp != "" {
		dst = append(dst, "Content-Type: application/sdp\r\n"...)
	}
	dst = append(dst, "Content-Length: "+strconv.Itoa(len(sdp))+"\r\n\r\n"...)
	return append(dst, sdp...)
}

// description of a phone with two codecs, events and, over TLS, keys.
func description(at, how string) string {
	sdp := "v=0\r\no=- 1 1 IN IP4 " + at + "\r\ns=-\r\nc=IN IP4 " + at + "\r\nt=0 0\r\n" +
		"m=audio 10000 RTP/PROFILE 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
	if how == "tls" {
		return strings.Replace(sdp, "PROFILE", "SAVP", 1) + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KuYZ0OnwpKxoq9Pncnhsxb5Ul60Tup+06l0je8hI\r\n"
	}
	return strings.Replace(sdp, "PROFILE", "AVP", 1)
}

// BenchmarkCall is INVITE, 180, 200, ACK, BYE, 200 through parser, transaction
// layer, chain, proxy and call, without sockets for SIP and authentication: with
// a relay that does nothing, and with the real one.
func BenchmarkCall(b *testing.B) {
	for _, how := range []string{"udp", "tls"} {
		b.Run(how, func(b *testing.B) { benchmarkCall(b, how, nil) })
		b.Run(how+" with media", func(b *testing.B) {
			e, err := media.New(media.Config{Addresses: []media.Address{{Bind: netip.MustParseAddr("127.0.0.1")}}, Rest: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close(context.Background())
			benchmarkCall(b, how, EngineRelay(e))
		})
	}
}

func benchmarkCall(b *testing.B, how string, relay Relay) {
	w := newWorld(b, func(c *Config) {
		c.SRTP = media.Prefer
		if relay != nil {
			c.Relay = relay
			c.Local = func(*transport.Flow) netip.Addr { return netip.MustParseAddr("127.0.0.1") }
		}
	})
	alice, bob := w.wirePhone("alice", how), w.wirePhone("bob", how)
	offer, answer := description("198.51.100.1", how), description("198.51.100.1", how)
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
		buf = append(buf[:0], "INVITE sip:bob@example.com SIP/2.0\r\n"+via("i")+common("", "1 INVITE")+
			"Content-Type: application/sdp\r\nContent-Length: "+strconv.Itoa(len(offer))+"\r\n\r\n"+offer...)
		alice.send(buf)
		if how == "udp" && bytes.Contains(bob.last, []byte("TLS/RTP")) { // which is learned once
			buf = bob.answer("488 Not Acceptable Here", "", buf)
			bob.send(buf)
		}
		buf = bob.answer("180 Ringing", "", buf)
		bob.send(buf)
		buf = bob.answer("200 OK", answer, buf)
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
		buf = bob.answer("200 OK", "", buf)
		bob.send(buf)
	}
	if alice.n < 3*b.N || !strings.HasPrefix(string(alice.last), "SIP/2.0 200") || len(w.service.Live()) != 0 {
		b.Fatalf("alice got %d messages in %d calls, %d are live; the last one\n%s", alice.n, b.N, len(w.service.Live()), alice.last)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/call")
}

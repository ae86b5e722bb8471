package call

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/transport"
)

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
	sdp := description("198.51.100.1", how)
	alice, _ := siptest.BenchmarkCalls(b, w.World, how, sdp, sdp)
	if alice.N < 3*b.N || !bytes.HasPrefix(alice.Heard, []byte("SIP/2.0 200")) || len(w.service.Live()) != 0 {
		b.Fatalf("alice got %d messages in %d calls, %d are live; the last one\n%s", alice.N, b.N, len(w.service.Live()), alice.Heard)
	}
}

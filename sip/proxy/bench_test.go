package proxy

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/siptest"
)

// BenchmarkCall is INVITE, 180, 200, ACK, BYE, 200 through parser, transaction
// layer, chain and proxy, without sockets and authentication.
func BenchmarkCall(b *testing.B) {
	for _, how := range []string{"tls", "udp"} {
		b.Run(how, func(b *testing.B) {
			alice, bob := siptest.BenchmarkCalls(b, newBed(b).World, how, strings.Repeat("x", 300), "")
			if alice.N != 3*b.N || bob.N != 3*b.N || !bytes.HasPrefix(alice.Heard, []byte("SIP/2.0 200")) {
				b.Fatalf("alice got %d messages, bob %d in %d calls; the last one\n%s", alice.N, bob.N, b.N, alice.Heard)
			}
		})
	}
}

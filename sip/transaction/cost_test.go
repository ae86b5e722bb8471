package transaction

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// answering is a user that accepts whatever comes.
type answering struct{ t testing.TB }

func (a answering) Request(in *Incoming) {
	tx, err := in.Begin()
	if err != nil {
		a.t.Fatal(err)
	}
	_ = tx.Respond(wire.NewResponse(in.Request, 202, ""))
}
func (answering) Malformed(*transport.Flow, *wire.Error) {}
func (answering) Closed(*transport.Flow)                 {}

// message is a MESSAGE of usual size as a softphone sends it.
func message(i int) []byte {
	return fmt.Appendf(nil, strings.ReplaceAll(`MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 192.168.100.23:5060;received=192.0.2.77;branch=z9hG4bK.u%08xUrq;rport=40123
From: "Alice" <sip:alice@example.com>;tag=aNwlYs%08x
To: <sip:bob@example.com>
CSeq: 20 MESSAGE
Call-ID: fMnx%08xHq
Max-Forwards: 70
Supported: replaces, outbound, gruu, path
User-Agent: Softphone/5.2.4 (belle-sip/5.3.90)
Content-Type: text/plain
Content-Length: 200

%0200d`, "\n", "\r\n"), i, i, i, i)
}

func layerFor(t testing.TB) *Layer {
	l := New(Config{})
	l.Serve(answering{t})
	t.Cleanup(l.Close)
	return l
}

func nowhere([]byte) error { return nil }

// A finished transaction over UDP waits 32 s for retransmissions; at 5,000
// requests a second that is 160,000 of them.
func TestCompletedTransactionIsSmall(t *testing.T) {
	const n, limit = 20_000, 900
	l := layerFor(t)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	shared := flowTo(1, "UDP", nowhere)
	before := heap()
	for i := range n {
		m, err := wire.Parse(message(i))
		if err != nil {
			t.Fatal(err)
		}
		l.Message(shared, m)
	}
	each := (heap() - before) / n
	t.Logf("%d bytes for each finished transaction", each)
	if each > limit {
		t.Errorf("a finished transaction holds %d bytes, want %d at most", each, limit)
	}
	runtime.KeepAlive(l)
}

func BenchmarkServerTransaction(b *testing.B) {
	for _, over := range []string{"UDP", "TLS"} {
		b.Run(over, func(b *testing.B) {
			l := layerFor(b)
			l.limit = 1 << 40
			flow := flowTo(1, over, nowhere)
			messages := make([]sip.Message, b.N)
			for i := range messages {
				messages[i], _ = wire.Parse(message(i))
			}
			b.ReportAllocs()
			b.ResetTimer()
			for _, m := range messages {
				l.Message(flow, m)
			}
		})
	}
}

func BenchmarkClientTransaction(b *testing.B) {
	for _, over := range []string{"UDP", "TLS"} {
		b.Run(over, func(b *testing.B) {
			l := layerFor(b)
			l.limit = 1 << 40
			flow := flowTo(1, over, nowhere)
			requests := make([]*sip.Request, b.N)
			responses := make([]*sip.Response, b.N)
			for i := range requests {
				m, _ := wire.Parse(message(i))
				requests[i] = m.(*sip.Request)
				responses[i] = wire.NewResponse(requests[i], 200, "")
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i, req := range requests {
				l.Send(req, flow, func(*Client, *sip.Response, error) {})
				l.Message(flow, responses[i])
			}
		})
	}
}

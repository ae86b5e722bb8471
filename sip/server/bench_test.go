package server

import (
	"testing"

	"github.com/emiago/sipgo/sip"
)

// BenchmarkChain is the way of a MESSAGE from the transaction layer to chat and
// of its 202 back, without digest and store.
func BenchmarkChain(b *testing.B) {
	for _, over := range []string{"UDP", "TLS"} {
		b.Run(over, func(b *testing.B) {
			s := newStage(b, over, func(c *Config) {
				c.Rate = -1
				c.Chat = accepting{}
			})
			s.flow = flowTo(1, over, func([]byte) error { return nil })
			requests := make([]*sip.Request, b.N)
			for i := range requests {
				requests[i] = s.request("MESSAGE sip:bob@example.com", asAlice)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for _, req := range requests {
				s.layer.Message(s.flow, req)
			}
		})
	}
}

type accepting struct{}

func (accepting) ServeSIP(r *Request) { r.Reply(202, "") }

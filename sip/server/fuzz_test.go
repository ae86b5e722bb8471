package server

import (
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// FuzzChain lets anything that parses arrive: nothing panics, and no request is
// answered by two final responses.
func FuzzChain(f *testing.F) {
	seeds := newStage(f, "TLS", nil)
	for _, c := range chainCases {
		f.Add(wire.Append(nil, seeds.request(c.line, c.head...)), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, udp bool) {
		m, err := wire.Parse(b)
		if err != nil {
			return
		}
		over := "TLS"
		if udp {
			over = "UDP"
		}
		s := newStage(t, over, nil)
		s.handle = func(r *Request) { r.Reply(200, "") }
		s.layer.Message(s.flow, m)
		for len(s.lookups) > 0 {
			s.lookUp()
		}
		if n := s.server.counters.panics.Load(); n > 0 {
			t.Errorf("%d panics", n)
		}
		req, ok := m.(*sip.Request)
		if ok && req.Method == "ACK" && len(s.answers) > 0 || len(s.answers) > 1 {
			t.Errorf("%d answers", len(s.answers))
		}
	})
}

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// Told to stop under load, five times, the server ends cleanly within 35 s and
// without hurry: whatever it answered 202 is in the archive and delivered.
func TestStopUnderLoad(t *testing.T) {
	s := startServer(t)
	s.witness(t).close()
	acked := &ledger{}
	var slowest time.Duration
	for round := range 5 {
		slowest = max(slowest, s.stopUnderLoad(t, round, acked))
		s.start(t)
	}
	t.Logf("%d messages answered 2xx over 5 stops; the slowest took %v", acked.len(), slowest)
	s.account(t, acked)
}

// stopUnderLoad stops the server while four users write, and tells how long it
// took.
func (s *server) stopUnderLoad(t *testing.T, round int, acked *ledger) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	defer cancel()
	bob := s.agent(t, "bob", "tls")
	if _, err := bob.Register(ctx, 600); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for w, transport := range []string{"tls", "tcp", "udp", "tls"} {
		a := s.agent(t, []string{"alice", "zhangsan", "lisi", "carol"}[w], transport)
		writers.Go(func() {
			for i := 0; ; i++ {
				text := fmt.Sprintf("stop %d writer %d text %d", round, w, i)
				res, err := a.Do(ctx, &agent.Request{Method: "MESSAGE", URI: "sip:bob@" + s.Ready.Domain, ContentType: "text/plain", Body: text})
				switch {
				case err != nil:
					return // closed, or over UDP gone
				case res.Status() == 503:
					if res.Get("retry-after") == "" {
						t.Error("503 without Retry-After")
					}
					return
				case res.Status() != 202:
					t.Errorf("answered %q", res.Start)
					return
				}
				acked.add(text)
			}
		})
	}
	before := acked.len()
	eventually(t, limit, "messages are accepted", func() bool { return acked.len() >= before+10 })
	time.Sleep(rand.N(300 * time.Millisecond)) // any moment
	began := time.Now()
	s.stop(t)
	took := time.Since(began)
	cancel() // a request over UDP may have been sent to nobody
	writers.Wait()
	return took
}

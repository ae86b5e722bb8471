package transaction

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// C5 of sip.md §3.3: calls from many goroutines at once, on flows that break in
// the middle. Nothing panics, every user is told one end, nothing is left; the
// race detector watches.
func TestManyAtOnce(t *testing.T) {
	l := New(Config{T1: 5 * time.Millisecond, T2: 20 * time.Millisecond, T4: 10 * time.Millisecond})
	l.Serve(&hurried{})
	defer l.Close()
	var workers sync.WaitGroup
	for id := range uint64(8) {
		workers.Go(func() {
			rng := rand.New(rand.NewPCG(id, 1))
			for n := range uint64(40) {
				l.oneFlow(t, id<<32|n, rng)
			}
		})
	}
	workers.Wait()
	deadline := time.Now().Add(time.Minute)
	for l.Live() > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := l.Live(); n > 0 {
		t.Errorf("%d transactions are left", n)
	}
}

// oneFlow sends and takes a few transactions and breaks the flow.
func (l *Layer) oneFlow(t *testing.T, id uint64, rng *rand.Rand) {
	flow := flowTo(id, "TLS", func([]byte) error { return nil })
	var ends atomic.Int64
	const calls = 10
	var running sync.WaitGroup
	for i := range calls {
		method := []string{"INVITE", "MESSAGE"}[i%2]
		branch := wire.NewBranch()
		ended := new(atomic.Bool)
		tx := l.Send(request(t, method, branch, ""), flow, func(_ *Client, res *sip.Response, err error) {
			if (err != nil || res.StatusCode >= 200) && ended.CompareAndSwap(false, true) {
				ends.Add(1)
			}
		})
		final := []string{"200", "486", "503"}[rng.IntN(3)]
		running.Go(func() { l.Message(flow, response(t, "180", method, branch, "b")) })
		running.Go(func() { tx.Cancel("") })
		running.Go(func() { l.Message(flow, request(t, method, branch, "")) })
		running.Go(func() { l.Message(flow, request(t, "CANCEL", branch, "")) })
		running.Go(func() { l.Message(flow, response(t, final, method, branch, "b")) })
	}
	if rng.IntN(2) == 0 {
		running.Go(func() { l.Closed(flow) })
	}
	running.Wait()
	if n := ends.Load(); n != calls {
		t.Errorf("%d of %d users were told the end", n, calls)
	}
}

// hurried answers from other goroutines.
type hurried struct{}

func (hurried) Request(in *Incoming) {
	tx, err := in.Begin()
	if err != nil {
		return
	}
	tx.OnCancel(func() { _ = tx.Respond(wire.NewResponse(in.Request, 487, "")) })
	go func() {
		_ = tx.Respond(wire.NewResponse(in.Request, 180, ""))
		_ = tx.Respond(wire.NewResponse(in.Request, 200, ""))
	}()
}
func (hurried) Malformed(*transport.Flow, *wire.Error) {}
func (hurried) Closed(*transport.Flow)                 {}

func TestMetrics(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	l := New(Config{Registerer: r})
	l.Serve(&hurried{})
	defer l.Close()
	l.Send(request(t, "INVITE", wire.NewBranch(), ""), flowTo(1, "TLS", func([]byte) error { return nil }), func(*Client, *sip.Response, error) {})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "sparkle_transaction_live" {
			continue
		}
		for _, m := range f.GetMetric() {
			kind, state := m.GetLabel()[0].GetValue(), m.GetLabel()[1].GetValue()
			want := 0.0
			if kind == "invite_client" && state == "calling" {
				want = 1
			}
			if m.GetGauge().GetValue() != want {
				t.Errorf("%v transactions of kind %s in state %s", m.GetGauge().GetValue(), kind, state)
			}
		}
	}
}

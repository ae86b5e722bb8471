package sqldb

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// callStages is a call between two users as package call saves it: begun,
// answered, ended.
func callStages(db *DB, users int) [3]*store.CallRecord {
	at := time.Now()
	begun := &store.CallRecord{
		ID: db.NewCallID(), CallID: fmt.Sprintf("%016x@192.0.2.1", rand.Uint64()), TraceID: "0123456789abcdef", Direction: "internal", Started: at,
		Caller:  store.CallParty{User: store.UserID(1 + rand.IntN(users)), Address: "alice@example.com", Shown: "alice@example.com", Device: "Linphone/5.2 (Debian)"},
		Callee:  store.CallParty{User: store.UserID(1 + rand.IntN(users)), Address: "bob@example.com", Shown: "bob@example.com"},
		Dialled: "1004",
	}
	answered := *begun
	answered.Ringing, answered.Answered, answered.Status, answered.Reason = &at, &at, 200, "OK"
	answered.Callee.Device = "baresip v3.9"
	answered.Attempts = []store.CallAttempt{
		{Target: "device sip:bob@192.0.2.7:5061;transport=tls", Started: at, Ended: at, Status: 200, Reason: "OK"},
		{Target: "device sip:bob@192.0.2.8:5061;transport=tls", Started: at, Ended: at, Status: 487, Reason: "Request Terminated"},
	}
	ended := answered
	ended.Ended, ended.Cause, ended.EndedBy = &at, 16, "caller"
	for _, leg := range []string{"caller", "callee"} {
		ended.Quality = append(ended.Quality, store.CallQuality{
			Leg: leg, Kind: "audio", Codec: "opus/48000/2", Security: "AEAD_AES_128_GCM", Received: 3000, Sent: 3001, Lost: 7,
			JitterMS: 1.25, RoundTripMS: 20.5, MOS: 4.37,
		})
	}
	return [3]*store.CallRecord{begun, &answered, &ended}
}

// BenchmarkSaveCall shows the processor time of one save, with as many calls in
// a transaction as wait for it when so many begin a second, and with its share
// of the index.
func BenchmarkSaveCall(b *testing.B) {
	for _, rate := range []int{20, 50, 200} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			db := openTest(b, Config{})
			waiting := int(float64(rate) * (relaxedWait + callPatience).Seconds())
			batch := func(stage int, calls [][3]*store.CallRecord) {
				for _, c := range calls {
					db.SaveCall(c[stage])
				}
				for db.relaxed.hurry() > 0 {
					db.writer.signal() // as its clock would
					time.Sleep(time.Millisecond)
				}
			}
			var calls [][3]*store.CallRecord
			saves := 0
			start := cpuTime(b)
			for b.Loop() {
				calls = calls[:0]
				for range waiting {
					calls = append(calls, callStages(db, 10_000))
				}
				for stage := range 3 {
					batch(stage, calls)
				}
				saves += 3 * waiting
				if saves/3/callChunk > (saves/3-waiting)/callChunk {
					if more, err := db.indexCalls(b.Context()); err != nil || !more {
						b.Fatal(more, err)
					}
				}
			}
			b.ReportMetric(float64((cpuTime(b)-start).Microseconds())/float64(saves), "cpu-µs/save")
		})
	}
}

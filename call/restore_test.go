package call

import (
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// What rang when the last run was killed was not answered, and its devices are not
// rung any more.
func TestRestoreOfWhatRang(t *testing.T) {
	inWorld(t, func(w *world) {
		began := time.Now()
		w.records.open = []store.CallRecord{
			{ID: 7, CallID: "rang", Started: began, Attempts: []store.CallAttempt{{Target: "device sip:bob@192.0.2.7", Started: began}}},
			{ID: 8, CallID: "talked", Started: began, Answered: &began, Status: 200},
		}
		if err := w.service.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		for id, status := range map[int64]int{7: 480, 8: 200} {
			r := w.records.last[id]
			if r.Ended == nil || r.EndedBy != "restart" || r.Status != status || r.Cause != causeTemporary {
				t.Errorf("the call that %s: %+v", r.CallID, r)
			}
		}
		if a := w.records.last[7].Attempts[0]; a.Status != 487 || a.Ended.IsZero() {
			t.Errorf("the attempt goes on: %+v", a)
		}
	})
}

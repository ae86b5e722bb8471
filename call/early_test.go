package call

import (
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// eager ends each call in the moment in which its record is opened.
type eager struct {
	*fakeRecords
	hangUp func(id int64)
}

func (e *eager) SaveCall(r *store.CallRecord) {
	e.fakeRecords.SaveCall(r)
	if r.Ended == nil {
		e.hangUp(r.ID)
	}
}

func TestHangUpOfACallThatBegins(t *testing.T) {
	records := &eager{}
	inWorld(t, func(w *world) {
		records.fakeRecords = w.records
		records.hangUp = func(id int64) {
			if err := w.service.HangUp(t.Context(), id, "root"); err != nil {
				t.Error(err)
			}
		}
		w.Play("alice INVITE bob (A)\nalice gets 480 INVITE\nquiet")
		if r := w.records.newest(); r.EndedBy != "administrator" || r.Reason != "ended by root" || r.Status != 480 {
			t.Errorf("record: %+v", r)
		}
	}, func(c *Config) { c.Records = records })
}

package sqldb

import (
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// Who saves nothing starts no clock: the writer would commit empty transactions for
// as long as nothing else comes, and the store could not be closed.
func TestNothingToSave(t *testing.T) {
	db := openTest(t, Config{})
	db.SaveRooms(nil, nil)
	db.SaveSubscriptions(nil, nil)
	db.SaveBindings(nil, nil)
	if due, waits := db.relaxed.due(relaxedWait); waits {
		t.Errorf("the writer has something to do at %v and nothing to write", due)
	}
	db.SaveBindings([]store.Binding{{User: 1, Contact: "sip:a@192.0.2.1", Expires: time.Now()}}, nil)
	if _, waits := db.relaxed.due(relaxedWait); !waits {
		t.Error("a binding is never written")
	}
}

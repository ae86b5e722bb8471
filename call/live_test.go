package call

import (
	"errors"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

func TestLiveCall(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Play(talk)
		id := w.service.Live()[0].ID
		r, err := w.service.LiveCall(id)
		if err != nil || r.ID != id || r.Ended != nil || len(r.Quality) != 2 {
			t.Errorf("in progress: %+v, %v", r, err)
		}
		w.Play("alice BYE > bob 200")
		if r, err := w.service.LiveCall(id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("over: %+v, %v", r, err)
		}
	})
}

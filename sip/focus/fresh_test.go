package focus

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A client that has just come into a room keeps what is said there from the moment on
// in which it knows the members: until then messages wait, but not for ever.
func TestMessagesWaitForAFreshClient(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, bob := w.Phones["alice"], w.Phones["bob"]
		w.creates(alice, "Subject: Team", "bob", "carol")
		g := w.group()
		began := time.Now()
		w.Play("invites bob\ninvites carol")
		at := func(name string) Standing { return w.focus.Standing(g.ID, w.device(w.Phones[name])) }
		for _, name := range []string{"alice", "bob", "carol"} {
			if at(name) != Joining {
				t.Errorf("%s is %d before he knows who is in the room", name, at(name))
			}
		}
		joined := func() []string {
			w.memory.mu.Lock()
			defer w.memory.mu.Unlock()
			return slices.Sorted(slices.Values(w.joined))
		}
		w.joined = nil
		w.focus.Confirmed(w.device(bob).User, w.device(bob).ID, "elsewhere@example.com")
		w.focus.Confirmed(w.device(bob).User, w.device(bob).ID, g.AOR())
		w.focus.Confirmed(w.device(bob).User, w.device(bob).ID, g.AOR())
		if at("bob") != Inside || at("carol") != Joining || !slices.Equal(joined(), []string{"bob 2"}) {
			t.Error("bob has confirmed", at("bob"), at("carol"), joined())
		}
		time.Sleep(time.Until(began.Add(freshTime + time.Second)))
		synctest.Wait()
		if at("alice") != Inside || at("carol") != Inside || !slices.Equal(joined(), []string{"alice 1", "bob 2", "carol 3"}) {
			t.Error("the others do not subscribe", at("alice"), at("carol"), joined())
		}
	})
}

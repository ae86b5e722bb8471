package cache

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

func TestUserSet(t *testing.T) {
	var s UserSet
	in := map[store.UserID]bool{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		u := store.UserID(r.IntN(3000))
		if in[u] = r.IntN(2) == 0; in[u] {
			s.Add(u)
		} else {
			s.Remove(u)
		}
	}
	for u := range store.UserID(4000) {
		if s.MayHave(u) != in[u] {
			t.Errorf("user %d is in the set: %t", u, s.MayHave(u))
		}
	}
	for _, u := range []store.UserID{mostUsers, 1 << 62, -1} {
		s.Add(u)
		s.Remove(u)
		if !s.MayHave(u) {
			t.Errorf("user %d may be overlooked", u)
		}
	}
}

// Nobody is lost while the set grows.
func TestUserSetGrows(t *testing.T) {
	var s UserSet
	var wg sync.WaitGroup
	for first := range store.UserID(4) {
		wg.Go(func() {
			for u := first; u < 20000; u += 4 {
				s.Add(u)
				if !s.MayHave(u) {
					t.Errorf("user %d is not in the set that he was added to", u)
				}
			}
		})
	}
	wg.Wait()
	for u := range store.UserID(20000) {
		if !s.MayHave(u) {
			t.Errorf("user %d was lost", u)
		}
	}
}

func BenchmarkUserSet(b *testing.B) {
	var s UserSet
	s.Add(100000)
	for i := range b.N {
		s.MayHave(store.UserID(i & 0xffff))
	}
}

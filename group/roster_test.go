package group

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// TestRoster makes random changes and compares with a map.
func TestRoster(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int64{10, 200, 3000} {
		var r roster
		want := map[store.UserID]store.Member{}
		for round := range 60 {
			var set []store.Member
			var remove []store.UserID
			next := maps.Clone(want)
			for range 1 + rnd.IntN(1+int(size)/(1+rnd.IntN(20))) {
				u := store.UserID(1 + rnd.Int64N(size))
				if rnd.IntN(5) < 2 {
					if !slices.Contains(remove, u) {
						remove = append(remove, u)
					}
					delete(next, u)
				}
			}
			for range rnd.IntN(1 + int(size)/10) {
				u := store.UserID(1 + rnd.Int64N(size))
				if slices.ContainsFunc(set, func(m store.Member) bool { return m.User == u }) {
					continue
				}
				m := store.Member{User: u, JoinedSeq: int64(round)}
				set = append(set, m)
				next[u] = m
			}
			before := slices.Collect(second(r))
			changed := r.with(set, remove)
			if !slices.Equal(slices.Collect(second(r)), before) {
				t.Fatal("a change reached the roster before it")
			}
			compare(t, changed, next, size)
			r, want = changed, next
		}
	}
}

// second yields the members without their places.
func second(r roster) func(func(store.Member) bool) {
	return func(yield func(store.Member) bool) {
		for _, m := range r.all() {
			if !yield(m) {
				return
			}
		}
	}
}

func compare(t *testing.T, r roster, want map[store.UserID]store.Member, size int64) {
	t.Helper()
	if r.size != len(want) {
		t.Fatalf("size %d, want %d", r.size, len(want))
	}
	place, last := 0, store.UserID(0)
	for i, m := range r.all() {
		if i != place || m.User <= last || want[m.User] != m {
			t.Fatalf("at %d (%d): %+v after %d, want %+v", place, i, m, last, want[m.User])
		}
		place, last = place+1, m.User
	}
	for u := store.UserID(0); u <= store.UserID(size)+1; u++ {
		m := r.find(u)
		if w, is := want[u]; is != (m != nil) || is && *m != w {
			t.Fatalf("user %d: found %+v, want %+v", u, m, w)
		}
	}
	for i, c := range r.chunks {
		if len(c) == 0 || len(c) > mostInChunk {
			t.Fatalf("chunk %d has %d members", i, len(c))
		}
	}
}

// TestChangeCopiesLittle: a change of one shares all chunks but its own, and
// many small chunks do not stay small.
func TestChangeCopiesLittle(t *testing.T) {
	r := roster{}.with(crowd(5000), nil)
	changed := r.with([]store.Member{{User: 2500, Nickname: "x"}}, nil)
	shared := 0
	for _, c := range changed.chunks {
		if slices.ContainsFunc(r.chunks, func(o []store.Member) bool { return &o[0] == &c[0] }) {
			shared++
		}
	}
	if shared != len(r.chunks)-1 {
		t.Errorf("%d of %d chunks are shared", shared, len(r.chunks))
	}
	for u := store.UserID(1); u <= 5000; u++ {
		if u%50 != 0 {
			r = r.with(nil, []store.UserID{u})
		}
	}
	if r.size != 100 || len(r.chunks) > 10 {
		t.Errorf("%d members are in %d chunks", r.size, len(r.chunks))
	}
}

func crowd(n int) []store.Member {
	members := make([]store.Member, n)
	for i := range members {
		members[i] = store.Member{User: store.UserID(i + 1), Role: store.RoleMember, Joined: noon.Add(time.Duration(i))}
	}
	return members
}

// TestEldest compares with a sorted list, over changes that keep and that move
// the eldest.
func TestEldest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	g := newSnapshot(store.Group{}, nil)
	for range 2000 {
		u := store.UserID(1 + rnd.Int64N(40))
		if rnd.IntN(3) == 0 {
			g = g.next(g.Group, nil, []store.UserID{u})
		} else {
			m := store.Member{User: u, Role: store.RoleMember, Joined: noon.Add(time.Duration(rnd.IntN(20)) * time.Hour)}
			g = g.next(g.Group, []store.Member{m}, nil)
		}
		want := slices.SortedFunc(second(g.roster), elder)
		if want = want[:min(len(want), faces)]; !slices.Equal(g.Eldest(), want) {
			t.Fatalf("%+v, want %+v", g.Eldest(), want)
		}
	}
}

func BenchmarkChangeOneOf5000(b *testing.B) {
	g := newSnapshot(store.Group{Subject: "x"}, crowd(5000))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m, _ := g.Member(store.UserID(10 + i%4990))
		m.Nickname = "x"
		g = g.next(g.Group, []store.Member{m}, nil)
	}
}

func BenchmarkFindOneOf5000(b *testing.B) {
	g := newSnapshot(store.Group{}, crowd(5000))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if g.roleOf(store.UserID(1+i%5000)) == 0 {
			b.Fatal("lost")
		}
	}
}

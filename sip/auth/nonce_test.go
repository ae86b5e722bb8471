package auth

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := []byte("key")
		m := newNonceMint(key, "example.com", 5*time.Minute)
		restarted := newNonceMint(key, "example.com", 5*time.Minute)
		elsewhere := newNonceMint(key, "example.org", 5*time.Minute)
		stranger := newNonceMint([]byte("other"), "example.com", 5*time.Minute)
		n := m.text()
		if n == m.text() {
			t.Error("two nonces are equal")
		}
		check := func(what string, m *nonceMint, n string, want bool) {
			t.Helper()
			if _, _, got := m.open(n); got != want {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		check("fresh", m, n, true)
		check("after a restart", restarted, n, false)
		check("of another realm", elsewhere, n, false)
		check("of another key", stranger, n, false)
		check("shorter", m, n[1:], false)
		check("empty", m, "", false)
		check("endless", m, strings.Repeat("A", 64<<10), false)
		for i := range len(n) {
			changed := []byte(n)
			changed[i] ^= 1
			check("changed", m, string(changed), false)
		}
		time.Sleep(5 * time.Minute)
		check("at its end", m, n, true)
		time.Sleep(time.Second)
		check("too old", m, n, false)
	})
}

func TestCounts(t *testing.T) {
	var c counts
	for _, step := range []struct {
		count uint32
		want  bool
	}{
		{1, true}, {1, false}, {2, true}, {5, true}, {3, true}, {3, false}, {4, true},
		{68, true}, {5, false}, {6, true}, {1 << 31, true}, {68, false}, {1<<31 - 63, true}, {1<<31 - 64, false},
	} {
		if got := c.take(step.count); got != step.want {
			t.Errorf("count %d: %v", step.count, got)
		}
	}
}

// text returns a fresh nonce.
func (m *nonceMint) text() string {
	n := m.make()
	return string(n[:])
}

// TestNonceCountsBounded: however many nonces are used, memory is bounded and
// none is good twice.
func TestNonceCountsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 1024
		m := newNonceMint([]byte("key"), "example.com", 5*time.Minute)
		counts := newNonceCounts(limit, 5*time.Minute)
		type used struct {
			id     nonceID
			issued time.Time
		}
		var all []used
		for range 10 * limit {
			id, issued, _ := m.open(m.text())
			if counts.use(id, issued, "00000001", 0) != fresh {
				t.Fatal("a fresh nonce is refused")
			}
			all = append(all, used{id, issued})
			time.Sleep(time.Millisecond)
		}
		kept := 0
		for i := range counts.shards {
			kept += len(counts.shards[i].young) + len(counts.shards[i].old)
		}
		if kept > limit+nonceShards {
			t.Errorf("%d nonces remembered, the bound is %d", kept, limit)
		}
		for _, u := range all {
			if counts.use(u.id, u.issued, "00000001", 0) != replayed {
				t.Fatal("a nonce count was accepted twice")
			}
		}
		for _, nc := range []string{"00000000", "0000000g", ""} {
			id, issued, _ := m.open(m.text())
			if counts.use(id, issued, nc, 0) != replayed {
				t.Errorf("nc=%q accepted", nc)
			}
		}
	})
}

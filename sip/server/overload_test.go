package server

import (
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// sip.md §3.7: what still passes at which load.
func TestOverload(t *testing.T) {
	for _, c := range []struct {
		line   string
		head   []string
		proven bool
		passes float64 // the highest load in tenths at which it does
	}{
		{"BYE sip:bob@example.com", []string{inside, token}, false, 2},
		{"INFO sip:bob@example.com", []string{inside, token}, false, 2},
		{"REGISTER sip:example.com", []string{asAlice}, true, 0.95},
		{"INVITE sip:bob@example.com", []string{asAlice}, false, 0.89},
		{"MESSAGE sip:bob@example.com", []string{asAlice}, true, 0.89},
		{"REFER sip:bob@example.com", []string{asAlice}, true, 0.84},
		{"REGISTER sip:example.com", []string{asAlice}, false, 0.79},
	} {
		for _, load := range []float64{0.79, 0.84, 0.89, 0.95, 2} {
			s := newStage(t, "TLS", func(c *Config) { c.Load = func() float64 { return load } })
			if c.proven {
				s.flow.SetValue("alice")
			}
			s.give(c.line, c.head...)
			turnedAway := s.events[0] == "503"
			if turnedAway != (load > c.passes) {
				t.Errorf("%s (proven: %v) at %v: %s", c.line, c.proven, load, s.events[0])
			}
			if retry, _ := strconv.Atoi(s.last("Retry-After")); turnedAway && (retry < 2 || retry > 10) {
				t.Errorf("Retry-After %q", s.last("Retry-After"))
			}
		}
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "UDP", func(c *Config) { c.Rate = 10 })
		count := func(n int) (passed int) {
			s.events = nil
			for range n {
				s.give("REGISTER sip:example.com")
			}
			for _, e := range s.events {
				if e == "401" {
					passed++
				}
			}
			return passed
		}
		if n := count(100); n != 40 {
			t.Errorf("%d passed at once, want the burst of 40", n)
		}
		time.Sleep(time.Second)
		if n := count(100); n != 10 {
			t.Errorf("%d passed a second later, want 10", n)
		}
		s.flow.SetValue("alice")
		if n := count(100); n != 100 {
			t.Errorf("%d of a proven flow passed", n)
		}
	})
}

func TestSources(t *testing.T) {
	s := newSources(1, nil)
	allowed := func(a string) (n int) {
		for range 20 {
			if s.allow(netip.MustParseAddr(a)) {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		addr string
		want int
	}{
		{"192.0.2.1", 4}, {"192.0.2.2", 4}, {"192.0.2.1", 0},
		{"::ffff:192.0.2.3", 4}, {"192.0.2.3", 0},
		{"2001:db8::1", 4}, {"2001:db8::2", 0}, {"2001:db8:0:1::1", 4},
		{"127.0.0.1", 20}, {"::1", 20},
	} {
		if n := allowed(c.addr); n != c.want {
			t.Errorf("%s: %d allowed, want %d", c.addr, n, c.want)
		}
	}
	for i := range maxSources + 10 {
		s.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(s.known) != maxSources || s.recent.Len() != maxSources {
		t.Errorf("%d sources are remembered", len(s.known))
	}
}

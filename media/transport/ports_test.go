package transport

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestPairsOf(t *testing.T) {
	for _, c := range []struct{ first, last, pairs int }{
		{16384, 32767, 8192}, {10000, 10001, 1}, {10001, 10002, 0}, {10001, 10003, 1}, {10000, 10000, 0}, {5, 4, 0}, {10000, 10002, 1},
	} {
		if n := pairsOf(c.first, c.last); n != c.pairs {
			t.Errorf("%d to %d: %d pairs, want %d", c.first, c.last, n, c.pairs)
		}
	}
}

// TestPortsRest takes every pair once, gives one back and waits for it.
func TestPortsRest(t *testing.T) {
	for _, pairs := range []int{1, 63, 64, 65, 200} {
		now := int64(1)
		p := newPorts(20001, 20001+2*pairs, 30*time.Second, func() int64 { return now })
		seen := map[int]bool{}
		inOrder := true
		previous := 0
		for range pairs {
			port, ok := p.take()
			if !ok || port%2 != 0 || port < 20002 || port > 20000+2*pairs || seen[port] {
				t.Fatalf("%d pairs: take gave %d, %v after %d", pairs, port, ok, len(seen))
			}
			inOrder = inOrder && port > previous
			seen[port], previous = true, port
		}
		if inOrder && pairs > 60 {
			t.Errorf("%d pairs came in order, not at random places", pairs)
		}
		if _, ok := p.take(); ok || p.free() != 0 {
			t.Errorf("%d pairs: there was one more", pairs)
		}
		p.release(previous)
		now += int64(2*time.Second) - 1
		if _, ok := p.take(); ok || p.free() != 0 {
			t.Errorf("%d pairs: a pair was taken before it rested", pairs)
		}
		now++
		if p.free() != 1 {
			t.Errorf("%d pairs: %d free after a short rest", pairs, p.free())
		}
		if port, ok := p.take(); !ok || port != previous {
			t.Errorf("%d pairs: after its rest %d should be free, got %d, %v", pairs, previous, port, ok)
		}
		p.restore(previous)
		if p.free() != 1 {
			t.Errorf("%d pairs: %d free after one was not needed", pairs, p.free())
		}
	}
}

// TestShortRest wakes pairs before their time only when nothing else is left, and
// those first that have rested longest.
func TestShortRest(t *testing.T) {
	now := int64(1)
	p := newPorts(20000, 20007, 30*time.Second, func() int64 { return now })
	var taken []int
	for range 3 {
		port, _ := p.take()
		taken = append(taken, port)
	}
	for _, port := range taken {
		p.release(port)
		now += int64(time.Second)
	}
	fresh, ok := p.take()
	if !ok || slices.Contains(taken, fresh) {
		t.Errorf("took %d of %v at rest while another one was free", fresh, taken)
	}
	for _, want := range taken[:2] { // which rested for 3 and 2 s
		if port, ok := p.take(); !ok || port != want {
			t.Errorf("took %d, %v, want %d", port, ok, want)
		}
	}
	if port, ok := p.take(); ok {
		t.Errorf("took %d, which rested for 1 s", port)
	}
	now += int64(29 * time.Second)
	if port, ok := p.take(); !ok || port != taken[2] {
		t.Errorf("took %d, %v, want %d, which has rested", port, ok, taken[2])
	}
}

// TestOpenSkipsTaken finds the only pair that other programs have left.
func TestOpenSkipsTaken(t *testing.T) {
	n := start(t, Config{Loops: 1, FirstPort: 15000, LastPort: 15007})
	for _, port := range []uint16{15000, 15003, 15006} { // of three pairs, even and odd
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback4, port)))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	l := n.Loop()
	p := open(t, l, loopback4, ignore, ignore)
	if p.RTP.Local().Port() != 15004 || p.RTCP.Local().Port() != 15005 {
		t.Errorf("opened %v and %v", p.RTP.Local(), p.RTCP.Local())
	}
	if _, err := l.Open(loopback4, packets(ignore), packets(ignore)); !errors.Is(err, ErrExhausted) {
		t.Errorf("no pair is left, but: %v", err)
	}
	if n.Free(loopback4) != 0 || n.Free(loopback6) != 4 {
		t.Errorf("%d and %d free, want 0 and 4: every address has its own", n.Free(loopback4), n.Free(loopback6))
	}
	p.Close()
	p.Close() // once is enough, twice does no harm
	if _, err := l.Open(loopback4, packets(ignore), packets(ignore)); !errors.Is(err, ErrExhausted) {
		t.Errorf("the pair has to rest, but: %v", err)
	}
}

// TestOpenForeignAddress fails without using a port up.
func TestOpenForeignAddress(t *testing.T) {
	n := start(t, Config{Loops: 1})
	foreign := netip.MustParseAddr("192.0.2.1")
	free := n.Free(foreign)
	if _, err := n.Loop().Open(foreign, packets(ignore), packets(ignore)); err == nil || errors.Is(err, ErrExhausted) {
		t.Errorf("192.0.2.1 is not ours, but: %v", err)
	}
	if n.Free(foreign) != free {
		t.Errorf("%d of %d pairs are free", n.Free(foreign), free)
	}
}

func TestCloseRTCP(t *testing.T) {
	n := start(t, Config{Loops: 1, FirstPort: 15010, LastPort: 15011})
	p := open(t, n.Loop(), loopback4, ignore, ignore)
	p.CloseRTCP()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(p.RTCP.Local()))
	if err != nil {
		t.Fatalf("the odd port is still bound: %v", err)
	}
	c.Close()
	if n.Free(loopback4) != 0 {
		t.Error("the pair is free while its even port is open")
	}
	p.RTCP.Send([]byte("late"), p.RTP.Local()) // does nothing
	p.Close()
	if open := n.Loop().open.Load(); open != 0 {
		t.Errorf("%d sockets are open", open)
	}
}

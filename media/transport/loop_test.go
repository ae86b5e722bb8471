package transport

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var loopback4, loopback6 = netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()

// patience is how long a test waits for what must happen.
const patience = time.Minute

// packets is a handler made of a function.
type packets func(b []byte, from netip.AddrPort, at int64)

func (f packets) Packet(b []byte, from netip.AddrPort, at int64) { f(b, from, at) }

// ignore is a handler of what nobody sends.
func ignore([]byte, netip.AddrPort, int64) {}

// start gives a network that ends with the test.
func start(t testing.TB, c Config) *Network {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	if c.FirstPort == 0 {
		c.FirstPort, c.LastPort = 10000, 14999
	}
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func open(t testing.TB, l *Loop, a netip.Addr, rtp, rtcp packets) *Pair {
	t.Helper()
	p, err := l.Open(a, rtp, rtcp)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// phone is a socket of the other side.
type phone struct {
	*net.UDPConn
	testing.TB
}

func newPhone(t testing.TB, a netip.Addr) phone {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return phone{c, t}
}

func (p phone) addr() netip.AddrPort { return clean(p.LocalAddr().(*net.UDPAddr).AddrPort()) }

func (p phone) send(to *Socket, text string) {
	p.Helper()
	if _, err := p.WriteToUDPAddrPort([]byte(text), to.Local()); err != nil {
		p.Fatal(err)
	}
}

// expect reads a datagram that has to come.
func (p phone) expect(text string) netip.AddrPort {
	p.Helper()
	got, from := p.read()
	if string(got) != text {
		p.Fatalf("got %q, want %q", got, text)
	}
	return from
}

func (p phone) read() ([]byte, netip.AddrPort) {
	p.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2048)
	n, from, err := p.ReadFromUDPAddrPort(b)
	if err != nil {
		p.Fatal(err)
	}
	return b[:n], clean(from)
}

// await takes what has to come from a channel.
func await[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing happened")
		panic("unreachable")
	}
}

// TestRelay lets two phones talk through two pairs, by both families.
func TestRelay(t *testing.T) {
	for _, a := range []netip.Addr{loopback4, loopback6} {
		t.Run(a.String(), func(t *testing.T) {
			l := start(t, Config{Loops: 1}).Loop()
			alice, bob := newPhone(t, a), newPhone(t, a)
			var left, right *Pair // of the loop
			one := open(t, l, a, func(b []byte, _ netip.AddrPort, _ int64) {
				right.RTP.Send(append(b, " and tag"...), bob.addr())
			}, ignore)
			other := open(t, l, a, func(b []byte, from netip.AddrPort, at int64) {
				if from != bob.addr() {
					t.Errorf("it came from %v, not from %v", from, bob.addr())
				}
				if at <= 0 || at > l.network.Now() {
					t.Errorf("at %d is no moment of the past", at)
				}
				left.RTP.Send(b, alice.addr())
			}, ignore)
			l.Do(func() { left, right = one, other })
			for i := range 100 {
				alice.send(one.RTP, fmt.Sprint("hello ", i))
				if from := bob.expect(fmt.Sprint("hello ", i, " and tag")); from != other.RTP.Local() {
					t.Errorf("it came from %v, not from %v", from, other.RTP.Local())
				}
				bob.send(other.RTP, "yes")
				alice.expect("yes")
			}
		})
	}
}

// TestBurst sends a burst to one socket and looks for every packet, in order,
// while another socket is served too.
func TestBurst(t *testing.T) {
	const burst = 200
	l := start(t, Config{Loops: 1}).Loop()
	var got []string
	done, other := make(chan struct{}), make(chan struct{}, burst)
	video := open(t, l, loopback4, func(b []byte, _ netip.AddrPort, _ int64) {
		if got = append(got, string(b)); len(got) == burst {
			close(done)
		}
	}, ignore)
	voice := open(t, l, loopback4, func([]byte, netip.AddrPort, int64) { other <- struct{}{} }, ignore)
	p := newPhone(t, loopback4)
	blocked := make(chan struct{})
	l.Go(func() { <-blocked }) // so that all of it waits in the sockets
	var want []string
	for i := range burst {
		want = append(want, fmt.Sprint("frame ", i))
		p.send(video.RTP, want[i])
	}
	p.send(voice.RTP, "word")
	close(blocked)
	await(t, other)
	await(t, done)
	if !slices.Equal(got, want) {
		t.Errorf("packets are missing or out of order: %q", got)
	}
}

// TestOverload lets more wait than a socket holds: what comes when there is room
// again is served as if nothing had been.
func TestOverload(t *testing.T) {
	const flood = 20000
	l := start(t, Config{Loops: 1}).Loop()
	var got, heard atomic.Int64
	flooded := open(t, l, loopback4, func(b []byte, _ netip.AddrPort, _ int64) {
		got.Add(1)
		if string(b) == "word" {
			heard.Add(1)
		}
	}, ignore)
	p := newPhone(t, loopback4)
	blocked := make(chan struct{})
	l.Go(func() { <-blocked })
	for range flood {
		p.send(flooded.RTP, "flood")
	}
	close(blocked)
	for deadline := time.Now().Add(patience); heard.Load() == 0; {
		if time.Now().After(deadline) {
			t.Fatalf("after %d of %d packets the socket is deaf", got.Load(), flood)
		}
		p.send(flooded.RTP, "word") // it may still find the socket full
		l.Do(func() {})
	}
}

// TestSendFromEverywhere closes a socket while others send by it, and opens new
// ones that may get its descriptor: what was sent through the old one must not
// leave from the new one.
func TestSendFromEverywhere(t *testing.T) {
	l := start(t, Config{Loops: 1}).Loop()
	p := newPhone(t, loopback4)
	var stop atomic.Bool
	var senders sync.WaitGroup
	defer senders.Wait()
	defer stop.Store(true)
	var current atomic.Pointer[Pair]
	current.Store(open(t, l, loopback4, ignore, ignore))
	for range 4 {
		senders.Go(func() {
			for !stop.Load() {
				s := current.Load().RTP
				s.Send([]byte(s.Local().String()), p.addr())
			}
		})
	}
	for range 500 {
		old := current.Load()
		old.Close()
		current.Store(open(t, l, loopback4, ignore, ignore))
		if text, from := p.read(); string(text) != from.String() {
			t.Fatalf("what was to leave from %s left from %v", text, from)
		}
	}
}

// TestCloseInHandler closes a pair at the first packet of a burst: that one is the
// last.
func TestCloseInHandler(t *testing.T) {
	l := start(t, Config{Loops: 1}).Loop()
	var pair *Pair // of the loop
	got := 0
	opened := open(t, l, loopback4, func([]byte, netip.AddrPort, int64) {
		got++
		pair.Close()
	}, ignore)
	p := newPhone(t, loopback4)
	blocked := make(chan struct{})
	l.Do(func() { pair = opened })
	l.Go(func() { <-blocked }) // so that the burst waits in the socket
	for range 50 {
		p.send(opened.RTP, "late")
	}
	close(blocked)
	for l.open.Load() > 0 {
		l.Do(func() {})
	}
	l.Do(func() {
		if got != 1 {
			t.Errorf("%d packets were handed over", got)
		}
	})
}

// TestChurn opens and closes pairs on two loops while somebody sprays their ports:
// nobody gets what was sent to another port, whose descriptor he may have now.
func TestChurn(t *testing.T) {
	const first, last = 15100, 15163
	n := start(t, Config{Loops: 2, FirstPort: first, LastPort: last, Rest: time.Nanosecond})
	p := newPhone(t, loopback4)
	var stop atomic.Bool
	var others sync.WaitGroup
	defer others.Wait()
	defer stop.Store(true)
	others.Go(func() {
		for !stop.Load() {
			for port := uint16(first); port <= last; port++ {
				_, _ = p.WriteToUDPAddrPort(fmt.Append(nil, port), netip.AddrPortFrom(loopback4, port))
			}
		}
	})
	var received atomic.Int64
	var churn sync.WaitGroup
	for i := range 4 {
		churn.Go(func() {
			for range 200 {
				var local atomic.Int64
				check := packets(func(b []byte, _ netip.AddrPort, _ int64) {
					received.Add(1)
					if port := local.Load(); port != 0 && string(b) != fmt.Sprint(port) {
						t.Errorf("port %d got what was sent to %s", port, b)
					}
				})
				pair, err := n.loops[i%2].Open(loopback4, check, packets(ignore))
				if err != nil {
					t.Error(err)
					return
				}
				local.Store(int64(pair.RTP.Local().Port()))
				for before := received.Load(); received.Load() < before+3; {
					n.loops[i%2].Do(func() {})
				}
				pair.Close()
			}
		})
	}
	churn.Wait()
	for i, l := range n.loops {
		if open := l.open.Load(); open != 0 {
			t.Errorf("%d sockets of loop %d are open", open, i)
		}
	}
	if free := n.Free(loopback4); free != 32 {
		t.Errorf("%d of 32 pairs are free", free)
	}
}

// TestControl runs functions on the loop.
func TestControl(t *testing.T) {
	n := start(t, Config{Loops: 1})
	l := n.Loop()
	var order []int // of the loop
	for i := range 100 {
		l.Go(func() { order = append(order, i) })
	}
	if !l.Do(func() { order = append(order, 100) }) {
		t.Fatal("Do says that it did not run")
	}
	if len(order) != 101 || !slices.IsSorted(order) {
		t.Errorf("calls ran in the order %v", order)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	late := func() { t.Error("ran after the end") }
	if l.Do(late) || l.Go(late) || l.Later(late) {
		t.Error("a closed network took a call")
	}
	l.Every(time.Nanosecond, func(int64) { t.Error("ran after the end") })()
	if _, err := l.Open(loopback4, packets(ignore), packets(ignore)); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed network opened ports: %v", err)
	}
}

// TestLater lets what is in no haste run before a packet that comes after it, in
// the order of the calls, and before the network ends.
func TestLater(t *testing.T) {
	n := start(t, Config{Loops: 1})
	l := n.Loop()
	var order []string // of the loop
	heard := make(chan struct{})
	pair := open(t, l, loopback4, func(b []byte, _ netip.AddrPort, _ int64) {
		order = append(order, string(b))
		close(heard)
	}, ignore)
	l.Later(func() { order = append(order, "first") })
	l.Later(func() { order = append(order, "second") })
	newPhone(t, loopback4).send(pair.RTP, "packet")
	<-heard
	l.Later(func() { order = append(order, "third") })
	l.Do(func() { order = append(order, "fourth") })
	if want := []string{"first", "second", "packet", "third", "fourth"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
	ran := false
	l.Later(func() { ran = true })
	if err := n.Close(); err != nil || !ran {
		t.Errorf("at the end what was left has run: %v (%v)", ran, err)
	}
}

// TestEvery lets two timers run and stops one from within.
func TestEvery(t *testing.T) {
	l := start(t, Config{Loops: 1}).Loop()
	ticks := make(chan int64, 100)
	few := 0 // of the loop
	var stopFew func()
	l.Do(func() {
		stopFew = l.Every(2*time.Millisecond, func(int64) {
			if few++; few == 3 {
				stopFew()
			}
		})
	})
	stop := l.Every(5*time.Millisecond, func(now int64) { ticks <- now })
	first := await(t, ticks)
	for n := range 9 { // one that is late is not followed by all that it held up
		if took := time.Duration(await(t, ticks) - first); took < time.Duration(n)*5*time.Millisecond {
			t.Errorf("%d ticks in %v", n+2, took)
		}
	}
	l.Do(stop)
	for len(ticks) > 0 {
		<-ticks
	}
	l.Do(func() {
		if few != 3 {
			t.Errorf("a timer that was stopped at 3 ran %d times", few)
		}
		if len(l.timers) != 0 || len(ticks) != 0 {
			t.Errorf("timers are left: %v", l.timers)
		}
	})
}

// TestLoopChoice fills a loop before it takes the next.
func TestLoopChoice(t *testing.T) {
	n := start(t, Config{Loops: 3})
	for _, c := range []struct {
		name      string
		open      [3]int64
		rate      [3]int64
		wantIndex int
	}{
		{"nothing to do yet", [3]int64{}, [3]int64{}, 0},
		{"the first has room", [3]int64{1000, 0, 0}, [3]int64{15000, 0, 0}, 0},
		{"the first has many sockets", [3]int64{1024, 900, 0}, [3]int64{}, 1},
		{"the first has many packets", [3]int64{8, 900, 0}, [3]int64{50000, 0, 0}, 1},
		{"all are full", [3]int64{1500, 1400, 1600}, [3]int64{}, 1},
	} {
		for i, l := range n.loops {
			l.open.Store(c.open[i])
			l.rate.Store(c.rate[i])
		}
		if l := n.Loop(); l != n.loops[c.wantIndex] {
			t.Errorf("%s: it is loop %d, want %d", c.name, slices.Index(n.loops, l), c.wantIndex)
		}
	}
}

// TestPanic loses what panics, tells whose it was, and goes on.
func TestPanic(t *testing.T) {
	culprits := make(chan Handler, 1)
	reg := prometheus.NewRegistry()
	l := start(t, Config{Loops: 1, Metrics: reg, Panicked: func(h Handler, _ any) {
		culprits <- h
		panic("and again")
	}}).Loop()
	bad := &failing{}
	wrong, err := l.Open(loopback4, bad, bad)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	right := open(t, l, loopback4, func(b []byte, _ netip.AddrPort, _ int64) { got <- string(b) }, ignore)
	p := newPhone(t, loopback4)
	p.send(wrong.RTP, "boom")
	if h := await(t, culprits); h != bad {
		t.Errorf("%v is blamed", h)
	}
	l.Go(func() { panic("call") })
	stop := l.Every(time.Millisecond, func(int64) { panic("timer") })
	for l.panics.Load() < 3 { // the timer
		p.send(right.RTP, "still there")
		if s := await(t, got); s != "still there" {
			t.Errorf("got %q", s)
		}
	}
	l.Do(stop)
	func() {
		defer func() {
			if v := recover(); v != "mine" {
				t.Errorf("Do panics with %v", v)
			}
		}()
		l.Do(func() { panic("mine") })
	}()
	if families, err := reg.Gather(); err != nil || len(families) != 5 {
		t.Errorf("metrics are %v, %v", families, err)
	}
	if l.panics.Load() < 4 || len(culprits) != 0 {
		t.Errorf("%d panics counted, %d more blamed", l.panics.Load(), len(culprits))
	}
}

type failing struct{ times int }

func (f *failing) Packet([]byte, netip.AddrPort, int64) {
	f.times++
	panic("boom")
}

// TestNoGarbage relays packets without leaving anything to collect.
func TestNoGarbage(t *testing.T) {
	l := start(t, Config{Loops: 1}).Loop()
	p := newPhone(t, loopback4)
	var out *Pair // of the loop
	in := open(t, l, loopback4, func(b []byte, _ netip.AddrPort, _ int64) { out.RTP.Send(b, p.addr()) }, ignore)
	away := open(t, l, loopback4, ignore, ignore)
	l.Do(func() { out = away })
	to, packet := in.RTP.Local(), make([]byte, 172)
	allocated := testing.AllocsPerRun(1000, func() {
		_, _ = p.WriteToUDPAddrPort(packet, to)
		_, _, _ = p.ReadFromUDPAddrPort(packet)
	})
	if allocated >= 1 {
		t.Errorf("%v allocations a packet", allocated)
	}
}

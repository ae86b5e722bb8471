package media_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/media"
	"golang.org/x/sys/unix"
)

// transcript is what two phones say in a call, without phones.
type transcript struct {
	caller, callee media.Profile
	offer, answer  []byte
}

// sdesTranscript is a call between two phones that use SDES.
func sdesTranscript() transcript {
	const text = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/SAVP 0 8 96 101\r\n" +
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n" +
		"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\na=crypto:%d AES_CM_128_HMAC_SHA1_80 inline:%s\r\n"
	return transcript{
		caller: sdesPhone.profile(), callee: sdesPhone.profile(),
		offer:  fmt.Appendf(nil, text, 9000, 1, "bIKh34YmSXpRBaJR5yxss7nZFUOmOV0/pZ74Jc/Z"),
		answer: fmt.Appendf(nil, text, 9002, 2, "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"),
	}
}

// dtlsTranscript is a call to a phone that wants our ClientHello and never
// answers it.
func dtlsTranscript(t testing.TB) transcript {
	caller, callee := newPhone(t, sdesPhone, "audio"), newPhone(t, dtlsPhone, "audio")
	answer := bytes.ReplaceAll(callee.offer(), []byte("actpass"), []byte("passive"))
	return transcript{caller.profile(), callee.profile(), caller.offer(), answer}
}

// play sets a session of two legs up.
func (c transcript) play(t testing.TB, e *media.Engine) *media.Session {
	s := e.NewSession(nil)
	a, b := s.NewLeg(c.caller), s.NewLeg(c.callee)
	check := func(what string, err error) {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	check("take the offer", a.TakeOffer(c.offer))
	_, err := b.MakeOffer(a)
	check("make the offer", err)
	check("take the answer", b.TakeAnswer(c.answer))
	_, err = a.MakeAnswer(b)
	check("make the answer", err)
	s.Connect(a, b)
	return s
}

// processTime is the CPU time of the process.
func processTime() time.Duration { return usage(unix.RUSAGE_SELF) }

func usage(who int) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSetUp is a whole two-leg SDES call without packets.
func BenchmarkSetUp(b *testing.B) {
	e := newEngine(b)
	c := sdesTranscript()
	b.ReportAllocs()
	before := processTime()
	for b.Loop() {
		c.play(b, e).Close()
	}
	b.ReportMetric(float64((processTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// BenchmarkRelay is the CPU time of the relay's thread for a packet of 20 ms
// G.711, sent in bursts of 32 as a loaded relay finds them.
func BenchmarkRelay(b *testing.B) {
	for _, pair := range [][2]flavour{{plainPhone, plainPhone}, {sdesPhone, plainPhone}, {sdesPhone, sdesPhone}, {gcmPhone, gcmPhone}} {
		b.Run(pair[0].name+" to "+pair[1].name, func(b *testing.B) {
			e := newEngine(b)
			c := newCall(b, e, newPhone(b, pair[0], "audio"), newPhone(b, pair[1]))
			c.talk(1)
			from, to := c.caller.lines[0], sink(b, c.callee.lines[0])
			loop := func() (t time.Duration) {
				c.session.OnLoop(func() { t = usage(unix.RUSAGE_THREAD) })
				return t
			}
			const burst = 32
			var packets [burst][]byte
			before := loop()
			sent := 0
			b.ReportAllocs()
			for b.Loop() {
				if sent%burst == 0 {
					b.StopTimer()
					for i := range packets {
						packets[i] = from.seal(from.next())
					}
					b.StartTimer()
				}
				from.media.conn.WriteToUDPAddrPort(packets[sent%burst], from.remote)
				if sent++; sent%burst == 0 {
					to.expect(burst)
				}
			}
			b.ReportMetric(float64((loop()-before).Nanoseconds())/float64(sent), "relay-cpu-ns/packet")
		})
	}
}

// drain counts what reaches a phone, instead of the phone.
type drain struct {
	b    testing.TB
	line *line
	seen int
}

func sink(b testing.TB, l *line) *drain { return &drain{b, l, l.count()} }

func (d *drain) expect(n int) {
	d.seen += n
	d.line.await("a burst", func() bool { return len(d.line.heard) >= d.seen })
}

// BenchmarkTick is the time for which packets wait while the loop looks after
// its share of 4,000 calls.
func BenchmarkTick(b *testing.B) {
	e := newEngine(b, func(c *media.Config) { c.FirstPort, c.LastPort = 10000, 60000 })
	c := sdesTranscript()
	var s *media.Session
	for range 4000 {
		s = c.play(b, e)
	}
	for b.Loop() {
		s.Tick()
	}
}

// TestMemory opens many calls and tells what one costs.
func TestMemory(t *testing.T) {
	const limit = 60_000 // bytes, of heap and stacks
	n := 1000
	if testing.Short() {
		n = 200
	}
	e := newEngine(t)
	c := sdesTranscript()
	c.play(t, e).Close() // what is made once
	sessions := make([]*media.Session, 0, n)
	before := inUse()
	for range n {
		sessions = append(sessions, c.play(t, e))
	}
	each := (inUse() - before) / n
	t.Logf("%d bytes a call", each)
	if each > limit && !raceEnabled {
		t.Errorf("%d bytes a call, want at most %d", each, limit)
	}
	for _, s := range sessions {
		s.Close()
	}
}

// inUse is the memory of heap and stacks.
func inUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// TestNothingStays opens and closes many calls, some in the middle of their
// handshakes: ports, descriptors and goroutines are those of the beginning.
func TestNothingStays(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 500
	}
	e := newEngine(t)
	c, unfinished := sdesTranscript(), dtlsTranscript(t)
	c.play(t, e).Close()
	free := e.Usage().FreePorts
	descriptors, goroutines := openFiles(t), runtime.NumGoroutine()
	memory := inUse()
	for i := range n {
		c.play(t, e).Close()
		if i%100 == 0 {
			unfinished.play(t, e).Close()
		}
	}
	if u := e.Usage(); u != (media.Usage{FreePorts: free}) {
		t.Errorf("in use: %+v, %d free ports before", u, free)
	}
	if now := openFiles(t); now != descriptors {
		t.Errorf("%d descriptors, %d before", now, descriptors)
	}
	for begun := time.Now(); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Since(begun) > patience {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
	}
	if now := inUse(); now > memory+1<<20 {
		t.Errorf("%d bytes in use, %d before", now, memory)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	return len(entries)
}

// TestNoGarbage relays packets without a single allocation a packet.
func TestNoGarbage(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	e := newEngine(t)
	for _, pair := range [][2]flavour{{plainPhone, plainPhone}, {sdesPhone, plainPhone}, {gcmPhone, sdesPhone}} {
		c := newCall(t, e, newPhone(t, pair[0], "audio"), newPhone(t, pair[1]))
		c.talk(1)
		from := c.caller.lines[0]
		packets := make([][]byte, 1000)
		for i := range packets {
			packets[i] = from.seal(from.next())
		}
		i := 0
		allocations := c.session.Handled(c.a, func(handle func(b []byte, from netip.AddrPort)) float64 {
			source := from.media.conn.LocalAddr().(*net.UDPAddr).AddrPort()
			return testing.AllocsPerRun(len(packets)-1, func() {
				handle(packets[i], source)
				i++
			})
		})
		if r := c.b.Report()[0]; r.PacketsSent != uint64(1+len(packets)) {
			t.Errorf("%s to %s: %d packets relayed of %d: %v", pair[0].name, pair[1].name, r.PacketsSent, 1+len(packets), c.a.Report()[0].Dropped)
		}
		if allocations > 0 {
			t.Errorf("%s to %s: %v allocations a packet", pair[0].name, pair[1].name, allocations)
		}
	}
}

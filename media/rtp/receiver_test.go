package rtp

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// receive gives a packet to a receiver.
func receive(t *testing.T, r *Receiver, b []byte, at int64) {
	t.Helper()
	header, _ := Check(b)
	if !r.Receive(b, header, pcmu, at) {
		t.Fatalf("SSRC %x is one too many", SSRC(b))
	}
}

// Seventy thousand packets with wraps, 3 % lost, one in five out of order.
func TestLossOfLongStream(t *testing.T) {
	var r Receiver
	random := rand.New(rand.NewPCG(1, 2))
	v := voice{ssrc: 9, seq: 65_000}
	receive(t, &r, v.next(), 0)
	receive(t, &r, v.next(), 20*ms)
	lost := 0
	var kept []byte
	const packets = 70_000
	for i := 2; i < packets; i++ {
		b, at := v.next(), int64(i)*20*ms
		switch {
		case i < packets-100 && random.IntN(100) < 3:
			lost++
		case kept == nil && random.IntN(5) == 0:
			kept = b
		default:
			receive(t, &r, b, at)
			if kept != nil {
				receive(t, &r, kept, at)
			}
			kept = nil
		}
	}
	if kept != nil {
		receive(t, &r, kept, packets*20*ms)
	}
	stats := r.Stats()
	if stats.Lost != uint64(lost) || stats.Expected != packets || stats.Packets != uint64(packets-lost) {
		t.Errorf("%+v, want %d lost of %d", stats, lost, packets)
	}
	if want := float64(lost) / packets; math.Abs(stats.Loss()-want) > 1e-9 {
		t.Errorf("loss %v, want %v", stats.Loss(), want)
	}
}

// The jitter of RFC 3550 §6.4.1 in real numbers beside that of integers.
func TestJitter(t *testing.T) {
	var r Receiver
	random := rand.New(rand.NewPCG(5, 6))
	v := voice{ssrc: 1, ts: math.MaxUint32 - 1000}
	want, before := 0.0, 0.0
	for i := range 2000 {
		delay := 50 + 30*random.Float64() // ms
		receive(t, &r, v.next(), int64(i)*20*ms+int64(delay*float64(ms)))
		if i > 1 { // the first is on probation
			want += (math.Abs(delay-before) - want) / 16
		}
		before = delay
	}
	got := float64(r.Stats().Jitter) / float64(time.Millisecond)
	if math.Abs(got-want) > 0.3 {
		t.Errorf("jitter %.2f ms, want %.2f ms", got, want)
	}
}

// What has no time of its own or another clock does not disturb the jitter.
func TestJitterIsOfOneClock(t *testing.T) {
	var r Receiver
	v := voice{ssrc: 1}
	for i := range int64(50) {
		receive(t, &r, v.next(), i*20*ms)
	}
	for i := range int64(20) { // a key held for 400 ms: one timestamp
		b := packet(1, v.seq, v.ts, 101, 1, 0, 0, 0)
		v.seq++
		r.Receive(b, 12, digits, second+i*20*ms)
	}
	for i := range int64(5) {
		r.Receive(packet(1, v.seq, uint32(i)*960, 96), 12, opus, 1400*ms+i*20*ms)
		v.seq++
	}
	if j := r.Stats().Jitter; j != 0 {
		t.Errorf("jitter %v on a line without any", j)
	}
}

func TestSenderBeginsAnew(t *testing.T) {
	var r Receiver
	v := voice{ssrc: 1, seq: 100}
	for range 50 {
		receive(t, &r, v.next(), 0)
	}
	receive(t, &r, packet(1, 40_000, 0, 0), 0) // a stray one
	for range 50 {
		receive(t, &r, v.next(), 0)
	}
	v.seq = 20_000 // and now for good; the first of them is not counted
	for range 51 {
		receive(t, &r, v.next(), 0)
	}
	if s := r.Stats(); s.Expected != 150 || s.Lost != 0 || s.Packets != 152 {
		t.Errorf("%+v", s)
	}
}

// Duplicates make no negative loss.
func TestDuplicates(t *testing.T) {
	var r Receiver
	v := voice{ssrc: 1}
	for range 10 {
		b := v.next()
		receive(t, &r, b, 0)
		receive(t, &r, b, 0)
	}
	if s := r.Stats(); s.Lost != 0 || s.Packets != 20 {
		t.Errorf("%+v", s)
	}
}

// A stream has a few SSRCs in its life; a spray of them takes no memory and
// stops none that talks.
func TestManySources(t *testing.T) {
	var r Receiver
	if r.Stats().Loss() != 0 {
		t.Error("loss before the first packet")
	}
	at := second
	for ssrc := range uint32(maxSources) {
		v := voice{ssrc: ssrc}
		for range 10 {
			receive(t, &r, v.next(), at)
		}
		at += second
	}
	if r.Receive(packet(99, 1, 1, 0), 12, pcmu, at) {
		t.Error("a fifth source within five seconds was taken")
	}
	receive(t, &r, packet(99, 1, 1, 0), at+forgotten)
	if s := r.Stats(); s.Expected != 10*maxSources || s.Lost != 0 {
		t.Errorf("what the forgotten one sent is forgotten, too: %+v", s)
	}
	receive(t, &r, packet(2, 10, 0, 0), at+forgotten) // one that is known speaks again
	if s := r.Stats(); s.Expected != 10*maxSources+1 || s.Loss() != 0 {
		t.Errorf("%+v", s)
	}
	if r.known(0) != nil || r.known(3) == nil {
		t.Error("the one that was silent longest has to go")
	}
}

//go:build linux

package main

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// traffic is many parties that talk. One thread sends and one receives.
type traffic struct {
	parties []*party
	stop    atomic.Bool
	sender  sync.WaitGroup
	reader  sync.WaitGroup
	ended   atomic.Bool // nothing more will come

	sent, received atomic.Uint64

	mu     sync.Mutex // of what follows
	delays []time.Duration
	late   []time.Duration // how much after its time each slot was sent
}

// startTraffic lets everybody send 50 packets a second, evenly spread over the
// 20 ms as those of phones that know nothing of each other.
func startTraffic(parties []*party) *traffic {
	t := &traffic{parties: parties}
	t.fetch(make([]byte, 2048), 0, 1) // what is left of earlier traffic
	t.received.Store(0)
	t.noted()
	t.sender.Go(t.send)
	t.reader.Go(t.receive)
	return t
}

// slots are the moments in packetTime when some parties send. Between them the
// thread sleeps.
const slots = 80

// senderNiceness is that of a network, which waits for no processor either. It
// takes a privilege (CAP_SYS_NICE); without it the sender may be late, and says so.
const senderNiceness = -15

func (t *traffic) send() {
	runtime.LockOSThread() // and the thread ends with this
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, senderNiceness) // of this thread
	buf := make([]byte, 256)
	start := time.Now()
	for slot := 0; !t.stop.Load(); slot++ {
		due := start.Add(time.Duration(slot) * packetTime / slots)
		sleepUntil(due)
		t.noteLate(time.Since(due))
		for i := slot % slots; i < len(t.parties); i += slots {
			if t.parties[i].send(buf) {
				t.sent.Add(1)
			}
		}
	}
}

// sleepUntil is exact to some microseconds, unlike time.Sleep.
func sleepUntil(due time.Time) {
	for d := time.Until(due); d > 0; d = time.Until(due) {
		ts := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&ts, nil) // interrupted: again
	}
}

// The reader looks at one share of the sockets each readerTick, at every socket
// ten times a second.
const (
	readerTick   = 5 * time.Millisecond
	readerShares = 20
)

func (t *traffic) receive() {
	runtime.LockOSThread()
	buf := make([]byte, 2048)
	for share := 0; !t.ended.Load(); share = (share + 1) % readerShares {
		t.fetch(buf, share, readerShares)
		time.Sleep(readerTick)
	}
	t.fetch(buf, 0, 1)
}

// fetch takes what has come for every step-th party.
func (t *traffic) fetch(buf []byte, first, step int) {
	for i := first; i < len(t.parties); i += step {
		for {
			kind, delay := t.parties[i].receive(buf)
			if kind == nothing {
				break
			}
			if kind == audio {
				t.received.Add(1)
			}
			if delay > 0 {
				t.noteDelay(delay)
			}
		}
	}
}

func (t *traffic) noteDelay(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delays = append(t.delays, d)
}

func (t *traffic) noteLate(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.late = append(t.late, d)
}

// noted gives what was noted since the last time, sorted.
func (t *traffic) noted() (delays, late []time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delays, late = t.delays, t.late
	t.delays, t.late = nil, nil
	slices.Sort(delays)
	slices.Sort(late)
	return delays, late
}

// end stops sending and, when what is under way has come, receiving: it still
// counts.
func (t *traffic) end() {
	t.stop.Store(true)
	t.sender.Wait()
	time.Sleep(200 * time.Millisecond)
	t.ended.Store(true)
	t.reader.Wait()
}

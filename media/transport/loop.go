package transport

import (
	"errors"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Handler takes what a socket receives.
type Handler interface {
	// Packet may change b, of which 64 bytes more can be appended in place and
	// which is not to be kept. It is never empty. at is nanoseconds on the
	// network's clock (Network.Now), of the moment the loop woke up.
	Packet(b []byte, from netip.AddrPort, at int64)
}

const (
	largest = 65535 // bytes of a datagram
	room    = 64    // that a handler may append: what SRTP adds
)

// Loop reads sockets. Everything it calls is called on one goroutine, one after
// the other. Its methods are safe for concurrent use.
type Loop struct {
	network *Network
	poller  poller

	// of the loop's goroutine
	now     int64   // when it woke up
	current Handler // whose packet it is at, nil: none

	open, rate                        atomic.Int64 // sockets; packets a second lately
	received, wakeups, unsent, panics atomic.Uint64

	mu      sync.Mutex // of what follows, and of waking the loop
	tasks   []func()
	woken   bool // for some of the tasks
	timers  timers
	sockets []*Socket // by slot, nil: the slot is free
	vacant  []int32   // free slots
	ended   bool
}

// Do runs f on the loop and waits for it. It tells false, and f did not run, when
// the network was closed. If f panics, Do does. Not to be called on the loop
// itself.
func (l *Loop) Do(f func()) bool {
	var failure any
	done := make(chan struct{})
	accepted := l.Go(func() {
		defer close(done)
		defer func() {
			if failure = recover(); failure != nil {
				l.panicked(failure)
			}
		}()
		f()
	})
	if !accepted {
		return false
	}
	<-done
	if failure != nil {
		panic(failure) // it belongs to the caller, who knows which request it was
	}
	return true
}

// Go runs f on the loop, soon and in the order of the calls. It tells false when
// the network was closed and f will not run. It is for control, not for packets:
// its queue has no bound but the number of those who call.
func (l *Loop) Go(f func()) bool { return l.add(f, true) }

// Later is Go without haste: f runs before the next packet, timer, or function of
// Go, whichever is first, and wakes nobody. Who has a function that is called
// Every so often knows how late that can be.
func (l *Loop) Later(f func()) bool { return l.add(f, false) }

func (l *Loop) add(f func(), soon bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.tasks = append(l.tasks, f)
	if soon && !l.woken {
		l.woken = true
		l.poller.wake()
	}
	return true
}

// Every calls f on the loop about every d until stop is called or the network is
// closed. When stop was called on the loop, f is not called any more.
func (l *Loop) Every(d time.Duration, f func(now int64)) (stop func()) {
	t := &timer{due: l.network.Now() + int64(d), every: int64(d), f: f}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timers.add(t)
	if !l.ended {
		l.poller.wake()
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.timers.remove(t)
	}
}

// run is the loop, until end. What panics costs the packet or call it was at.
func (l *Loop) run() {
	l.poller.begin()
	for !l.serve() {
	}
}

// serve runs the loop until it ends (true) or something panics (false).
func (l *Loop) serve() (ended bool) {
	defer func() {
		if v := recover(); v != nil {
			l.panicked(v)
		}
	}()
	for {
		l.current = nil
		n := l.poller.wait(l, l.timeout())
		if l.runTasks() { // what was said before a packet came holds for it
			return true
		}
		l.poller.read(l, n)
		l.current = nil
		l.runTimers()
	}
}

// panicked reports what a handler or a function of the loop said when it failed.
func (l *Loop) panicked(value any) {
	l.panics.Add(1)
	l.network.log.Error("media handler failed", "value", value, "stack", string(debug.Stack()))
	h := l.current
	l.current = nil
	if h == nil || l.network.config.Panicked == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			l.network.log.Error("media handler could not be stopped", "value", v)
		}
	}()
	l.network.config.Panicked(h, value)
}

// woke notes that n datagrams may be there.
func (l *Loop) woke(n int) {
	l.now = l.network.Now()
	if n > 0 {
		l.wakeups.Add(1)
	}
}

// deliver hands a datagram to whom it is for.
func (l *Loop) deliver(s *Socket, b []byte, from netip.AddrPort) {
	if len(b) == 0 || s.closed.Load() {
		return
	}
	l.current = s.handler
	s.handler.Packet(b, from, l.now)
}

// runTasks runs what Do and Go have asked for by now, and tells whether the loop
// ends.
func (l *Loop) runTasks() (ended bool) {
	for range l.waiting() {
		l.nextTask()()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended && len(l.tasks) == 0
}

func (l *Loop) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.woken = false
	return len(l.tasks)
}

// nextTask takes a task off the queue, so that one that panics does not come again.
func (l *Loop) nextTask() func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.tasks[0]
	l.tasks[0] = nil
	l.tasks = l.tasks[1:]
	return f
}

// runTimers runs what is due, each once.
func (l *Loop) runTimers() {
	now := l.network.Now()
	for {
		l.mu.Lock()
		f := l.timers.next(now)
		l.mu.Unlock()
		if f == nil {
			return
		}
		f(now)
	}
}

// timeout is how long nothing is to do but for packets; negative: for ever.
func (l *Loop) timeout() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.tasks) > 0 || l.ended:
		return 0
	case len(l.timers) == 0:
		return -1
	}
	return max(0, time.Duration(l.timers[0].due-l.network.Now()))
}

// end lets the loop return when it has done what it was told. Nobody wakes it
// afterwards: its event may be closed, and the number be somebody else's.
func (l *Loop) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.poller.wake()
}

// enter gives a socket its slot and lets the loop read it.
func (l *Loop) enter(s *Socket) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return ErrClosed
	}
	if last := len(l.vacant) - 1; last >= 0 {
		s.slot, l.vacant = l.vacant[last], l.vacant[:last]
		l.sockets[s.slot] = s
	} else {
		s.slot = int32(len(l.sockets))
		l.sockets = append(l.sockets, s)
	}
	l.open.Add(1)
	if err := l.poller.add(s); err != nil {
		l.vacate(s)
		return err
	}
	return nil
}

// leave takes a socket's slot back.
func (l *Loop) leave(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vacate(s)
}

func (l *Loop) vacate(s *Socket) {
	l.sockets[s.slot] = nil
	l.vacant = append(l.vacant, s.slot)
	l.open.Add(-1)
}

// closeSockets closes what is still open when the loop has ended.
func (l *Loop) closeSockets() (failed error) {
	l.mu.Lock()
	open := append([]*Socket(nil), l.sockets...)
	l.mu.Unlock()
	for _, s := range open {
		if s != nil {
			failed = errors.Join(failed, s.close())
		}
	}
	return failed
}

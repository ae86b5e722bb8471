//go:build !386 && !s390x && !portable

package transport

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The way of a packet on Linux has two system calls, recvfrom and sendto, and no
// allocation. A thread waits for all its sockets by epoll, level-triggered: what
// was left in a socket is told again, so nothing is read only to see that it is
// empty. The runtime's poller would cost a switch between goroutines for each.
//
// Most of a packet's price at a moderate rate is waking up for it. A loop that
// gets busyRate packets a second or more therefore looks once an interval, and
// serves all sockets that became ready in the meantime.
const (
	interval = 500 * time.Microsecond
	busyRate = 4000 // packets a second
	window   = 10 * time.Millisecond
	// slack in nanoseconds is how late the system may wake a loop; the process
	// may have chosen much more for its other threads.
	slack = 10_000
	// niceness is what a loop asks for: a late packet is a lost one, while requests
	// and commits can wait. With a busy thread on the same processor it made the
	// worst of a hundred delays 0.8 ms instead of 2.4.
	niceness = -5
	// A loop with workingRate packets a second or more, those of a call, has a
	// processor of its own, and gives it back when it had less for repose.
	workingRate = 100
	repose      = 10 * time.Second
	// longestBatch is how many packets of one socket are read in a row.
	longestBatch = 16
)

// wakeSlot stands for the loop's own event among the slots of the sockets.
const wakeSlot = -1

// poller waits for the sockets of a loop.
type poller struct {
	epoll, event int // file descriptors
	events       [256]unix.EpollEvent
	ready        [256]*Socket
	from         unix.RawSockaddrInet6
	buffer       []byte
	round        uint32 // counts looks that found something

	busy    bool
	since   int64 // begin of the window
	packets int   // in the window
	staffed bool  // it has a processor of its own
	worked  int64 // when it needed that last
}

func (p *poller) open() (err error) {
	p.buffer = make([]byte, largest+room)
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if p.event, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return errors.Join(os.NewSyscallError("eventfd", err), unix.Close(p.epoll))
	}
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeSlot}
	if err = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, p.event, &e); err != nil {
		return errors.Join(os.NewSyscallError("epoll_ctl", err), p.close())
	}
	return nil
}

func (p *poller) close() error { return errors.Join(unix.Close(p.event), unix.Close(p.epoll)) }

// begin makes the loop's goroutine a thread of its own, which ends with it.
func (p *poller) begin() {
	runtime.LockOSThread()
	// Without them packets wait longer. The second one takes a privilege
	// (CAP_SYS_NICE or RLIMIT_NICE).
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0)
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) // of this thread
}

// staff gives the Go scheduler a processor more for a loop that has packets, and
// takes it back. A thread keeps its processor while it waits for less time than the
// scheduler needs to look, as a busy loop does a thousand times a second: with as
// many loops as processors everything else in the process would wait some
// milliseconds for its turn. Processors that nobody needs cost, too: the scheduler
// wakes threads for them to look for work. It stops all goroutines for the change,
// perhaps not before a garbage collection is over, and the loop must not wait.
func (p *poller) staff(l *Loop) {
	switch working := l.rate.Load() >= workingRate; {
	case working && !p.staffed:
		p.staffed, p.worked = true, l.now
		l.network.done.Go(func() { l.network.addProcessors(1) })
	case working:
		p.worked = l.now
	case p.staffed && l.now-p.worked >= int64(repose):
		p.staffed = false
		l.network.done.Go(func() { l.network.addProcessors(-1) })
	}
}

// addProcessors gives the Go scheduler n processors more (negative: less).
func (n *Network) addProcessors(more int) {
	n.processors.Lock()
	defer n.processors.Unlock()
	n.added += more
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + more)
}

// wake ends a wait.
func (p *poller) wake() {
	one := [8]byte{1}
	_, _ = unix.Write(p.event, one[:]) // fails only when it was woken 2^64 times
}

func (p *poller) add(s *Socket) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: s.slot}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, s.fd, &e))
}

// wait waits for packets, at most for timeout (negative: for ever), and tells how
// many sockets have some.
func (p *poller) wait(l *Loop, timeout time.Duration) (n int) {
	if p.busy {
		if n = p.look(); n == 0 {
			p.pause(interval-time.Duration(l.network.Now()-l.now), timeout)
			n = p.look()
		}
	} else {
		n = p.block(timeout)
	}
	l.woke(n)
	p.measure(l, n)
	return n
}

// read reads a packet, or some, of each of the n sockets.
func (p *poller) read(l *Loop, n int) {
	if n == 0 {
		return
	}
	p.round++
	p.resolve(l, n)
	received := 0
	for _, s := range p.ready[:n] {
		if s != nil {
			received += p.drain(l, s)
		}
	}
	l.received.Add(uint64(received))
}

// look tells how many sockets are ready now. It does not tell the scheduler, as
// it does not block.
func (p *poller) look() int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// block waits for a socket.
func (p *poller) block(timeout time.Duration) int {
	ms := -1
	if timeout >= 0 {
		ms = int(min((timeout+time.Millisecond-1)/time.Millisecond, 1<<30))
	}
	n, err := unix.EpollWait(p.epoll, p.events[:], ms)
	if err != nil { // EINTR
		return 0
	}
	return n
}

// pause sleeps through packets, but not through a wake, nor longer than timeout
// (negative: no limit).
func (p *poller) pause(d, timeout time.Duration) {
	if timeout >= 0 {
		d = min(d, timeout)
	}
	if d <= 0 {
		return
	}
	t := unix.NsecToTimespec(int64(d))
	_, _ = unix.Ppoll([]unix.PollFd{{Fd: int32(p.event), Events: unix.POLLIN}}, &t, nil)
}

// measure decides whether the loop is busy, when a window has passed.
func (p *poller) measure(l *Loop, n int) {
	p.packets += n
	if elapsed := l.now - p.since; elapsed >= int64(window) {
		rate := int64(p.packets) * int64(time.Second) / elapsed
		p.busy = rate >= busyRate
		l.rate.Store((3*l.rate.Load() + rate) / 4)
		p.staff(l)
		p.since, p.packets = l.now, 0
	}
}

// resolve finds the sockets of n events. One may be closed since, and another one
// in its slot: that one is merely read too early.
func (p *poller) resolve(l *Loop, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range p.events[:n] {
		if e.Fd == wakeSlot {
			var count [8]byte
			_, _ = unix.Read(p.event, count[:])
			p.ready[i] = nil
			continue
		}
		p.ready[i] = l.sockets[e.Fd]
	}
}

// drain reads one packet of a socket, or twice as many as the last time if it is
// ready again at once, as in a burst of video. Others wait for one batch at most.
func (p *poller) drain(l *Loop, s *Socket) (received int) {
	if !s.acquire() {
		return 0
	}
	defer s.release()
	if s.round+1 == p.round {
		s.batch = min(2*max(1, s.batch), longestBatch)
	} else {
		s.batch = 1
	}
	s.round = p.round
	for range s.batch {
		n, from, ok := s.receive(&p.from, p.buffer[:largest])
		if !ok {
			break
		}
		received++
		l.deliver(s, p.buffer[:n:n+room], from)
	}
	return received
}

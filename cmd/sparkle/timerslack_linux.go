package main

import (
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// While a Go program is neither idle nor busy without a pause, a thread of the
// runtime looks every 20 µs for processors that are stuck in a system call. Each
// look costs the kernel a timer and two switches: a sixth of all CPU time at some
// thousand requests a second, as measured. The kernel joins what is to be woken
// within the timer slack, 50 µs unless a process asks for more; with timerSlack
// there are a few hundred looks a second. No timer of ours has to be more exact
// than that: those of transactions have ticks of 10 ms.
const timerSlack = 4 * time.Millisecond

// slackAsked marks the process that joinWakeups has started, so that a system
// which forgets the slack does not make it start again and again.
const slackAsked = "SPARKLE_TIMER_SLACK_ASKED"

// joinWakeups asks for timerSlack. A thread inherits the slack of the one that
// made it and the threads of the runtime exist by now, but a program that is
// started in place of this one inherits it too: so the program starts itself
// again, with the same process id. Where anything fails it goes on without.
// systemd can set the slack beforehand (TimerSlackNSec).
func joinWakeups() {
	if os.Getenv(slackAsked) != "" {
		return
	}
	runtime.LockOSThread() // the slack is the thread's
	defer runtime.UnlockOSThread()
	if have, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || have >= int(timerSlack) {
		return
	}
	program, err := os.Executable()
	if err != nil || unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0) != nil {
		return
	}
	_ = unix.Exec(program, os.Args, append(os.Environ(), slackAsked+"="+strconv.FormatInt(int64(timerSlack), 10)))
}

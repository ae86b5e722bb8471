//go:build !386 && !s390x && !portable

package transport

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSystem asks the system whether it took what a loop and its sockets want.
func TestSystem(t *testing.T) {
	l := start(t, Config{Loops: 1}).Loop()
	v4, v6 := open(t, l, loopback4, ignore, ignore), open(t, l, loopback6, ignore, ignore)
	for _, c := range []struct {
		name          string
		fd            int
		level, option int
		want          int
	}{
		{"DSCP", v4.RTP.fd, unix.IPPROTO_IP, unix.IP_TOS, 0xb8},
		{"DSCP of RTCP", v4.RTCP.fd, unix.IPPROTO_IP, unix.IP_TOS, 0xb8},
		{"traffic class", v6.RTP.fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 0xb8},
		{"IPv6 alone", v6.RTP.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1},
	} {
		if got, err := unix.GetsockoptInt(c.fd, c.level, c.option); err != nil || got != c.want {
			t.Errorf("%s is %#x, %v, want %#x", c.name, got, err, c.want)
		}
	}
	l.Do(func() {
		if got, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || got != slack {
			t.Errorf("the slack of the loop's timers is %d ns, %v", got, err)
		}
	})
}

// TestStaff gives a loop a processor while it has the packets of a call, not for
// single ones, and takes it back some time after the last, or at the end.
func TestStaff(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	n := start(t, Config{Loops: 1})
	l := &Loop{network: n} // whose time is ours
	for _, step := range []struct {
		at      time.Duration
		rate    int64
		staffed bool
	}{
		{time.Second, 0, false},
		{2 * time.Second, workingRate - 1, false},
		{3 * time.Second, workingRate, true},
		{4 * time.Second, 0, true},
		{4*time.Second + repose - 1, workingRate, true},
		{4*time.Second + 2*repose - 2, 0, true},
		{4*time.Second + 2*repose - 1, 0, false},
		{time.Minute, workingRate, true},
	} {
		l.now = int64(step.at)
		l.rate.Store(step.rate)
		l.poller.staff(l)
		if l.poller.staffed != step.staffed {
			t.Errorf("after %v, with %d packets a second: %v", step.at, step.rate, l.poller.staffed)
		}
		want := 0
		if step.staffed {
			want = 1
		}
		for begun := time.Now(); n.extra() != want; runtime.Gosched() {
			if time.Since(begun) > patience {
				t.Fatalf("%d processors more, want %d", n.extra(), want)
			}
		}
	}
	if got := runtime.GOMAXPROCS(0); got != before+1 {
		t.Errorf("%d processors, %d before", got, before)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("%d processors at the end, %d before", got, before)
	}
}

// extra is how many processors the loops have got.
func (n *Network) extra() int {
	n.processors.Lock()
	defer n.processors.Unlock()
	return n.added
}

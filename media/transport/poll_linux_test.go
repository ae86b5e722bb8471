//go:build !386 && !s390x && !portable

package transport

import (
	"testing"

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

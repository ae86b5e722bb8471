package transport

import (
	"errors"
	"net"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// defaultSockets is how many UDP sockets share an address: one for two
// processors. With more, datagrams wake readers that find no processor free; on
// two processors a second socket costs a tenth of the CPU time.
func defaultSockets() int { return min(max(1, runtime.GOMAXPROCS(0)/2), 8) }

// reusePort lets several sockets share one address, so that the kernel spreads
// the load over their readers.
func reusePort(_, _ string, rc syscall.RawConn) error {
	var failed error
	err := rc.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, failed)
}

// deadAfter is how long bytes may wait for the peer's acknowledgement. The
// system's own patience is a quarter of an hour, in which a device that went
// away would look reachable.
const deadAfter = 30 * time.Second

// endDeadPeers makes the kernel end connections whose peer is gone (RFC 5482).
// It is an improvement that a system may lack.
func endDeadPeers(_, _ string, rc syscall.RawConn) error {
	return rc.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter.Milliseconds()))
	})
}

// bigBuffers asks for n bytes each way: past the system's limit where we may,
// else up to it. A refusal only means more loss in a burst.
func bigBuffers(conn *net.UDPConn, n int) {
	_ = conn.SetReadBuffer(n)
	_ = conn.SetWriteBuffer(n)
	rc, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = rc.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, n)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, n)
	})
}

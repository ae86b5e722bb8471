//go:build !linux

package transport

import (
	"net"
	"syscall"
)

// defaultSockets is how many UDP sockets share an address.
func defaultSockets() int { return 1 }

// reusePort does nothing here: one socket has to do.
func reusePort(_, _ string, _ syscall.RawConn) error { return nil }

// endDeadPeers leaves it to the system when a peer is gone.
func endDeadPeers(_, _ string, _ syscall.RawConn) error { return nil }

// bigBuffers asks for n bytes each way, as far as the system allows.
func bigBuffers(conn *net.UDPConn, n int) {
	_ = conn.SetReadBuffer(n)
	_ = conn.SetWriteBuffer(n)
}

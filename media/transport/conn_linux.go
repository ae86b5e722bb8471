//go:build !386 && !s390x && !portable

package transport

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// conn is the system's side of a socket. Its descriptor is closed when nobody
// sends by it any more: another socket might have the number a moment later.
type conn struct {
	fd    int
	users atomic.Int32 // who sends, and leaving once close was called
	round uint32       // of the poller, when it was ready
	batch uint8        // how many packets to read
}

const (
	leaving = -1 << 30       // closed by its owner
	left    = -1<<30 - 1<<29 // and its descriptor is closed
)

func (c *conn) listen(local netip.AddrPort, buffer int) (err error) {
	family := unix.AF_INET
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	if c.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err = c.configure(family, local, buffer); err != nil {
		return errors.Join(err, unix.Close(c.fd))
	}
	return nil
}

// configure binds. What only makes the socket better may fail.
func (c *conn) configure(family int, local netip.AddrPort, buffer int) error {
	if buffer > 0 && unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		_ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	if family == unix.AF_INET {
		_ = unix.SetsockoptInt(c.fd, unix.IPPROTO_IP, unix.IP_TOS, expedited)
		return os.NewSyscallError("bind", unix.Bind(c.fd, &unix.SockaddrInet4{Port: int(local.Port()), Addr: local.Addr().As4()}))
	}
	_ = unix.SetsockoptInt(c.fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, expedited)
	if err := unix.SetsockoptInt(c.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	return os.NewSyscallError("bind", unix.Bind(c.fd, &unix.SockaddrInet6{Port: int(local.Port()), Addr: local.Addr().As16()}))
}

// close ends a socket. With its descriptor goes its place at the poller, as nobody
// has a copy (epoll(7)); until then the poller finds its slot empty.
func (c *conn) close() error {
	c.users.Add(leaving)
	return c.closeUnused()
}

// acquire lets the caller use the descriptor until release, false: it is closed.
func (c *conn) acquire() bool {
	if c.users.Add(1) > 0 {
		return true
	}
	c.release()
	return false
}

func (c *conn) release() {
	if c.users.Add(-1) == leaving {
		_ = c.closeUnused()
	}
}

// closeUnused closes the descriptor when nobody uses it, once.
func (c *conn) closeUnused() error {
	if !c.users.CompareAndSwap(leaving, left) {
		return nil
	}
	return os.NewSyscallError("close", unix.Close(c.fd))
}

// send writes a datagram to an address of the socket's family.
func (c *conn) send(b []byte, to netip.AddrPort) bool {
	var address unix.RawSockaddrInet6
	size := fill(&address, to)
	if !c.acquire() {
		return false
	}
	_, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&address)), size)
	c.release()
	return errno == 0
}

// receive reads a datagram, false: there was none. Only the loop calls it.
func (c *conn) receive(address *unix.RawSockaddrInet6, b []byte) (n int, from netip.AddrPort, ok bool) {
	size := uint32(unsafe.Sizeof(*address))
	r, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(address)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, netip.AddrPort{}, false
	}
	return int(r), addrPort(address), true
}

// fill writes an address as the system has it and returns its size.
func fill(address *unix.RawSockaddrInet6, to netip.AddrPort) uintptr {
	if !to.Addr().Is4() {
		address.Family = unix.AF_INET6
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&address.Port))[:], to.Port())
		address.Addr = to.Addr().As16()
		return unix.SizeofSockaddrInet6
	}
	v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(address))
	v4.Family = unix.AF_INET
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&v4.Port))[:], to.Port())
	v4.Addr = to.Addr().As4()
	return unix.SizeofSockaddrInet4
}

// addrPort reads an address as the system has it.
func addrPort(address *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&address.Port))[:])
	if address.Family == unix.AF_INET6 {
		return netip.AddrPortFrom(netip.AddrFrom16(address.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(address)).Addr), port)
}

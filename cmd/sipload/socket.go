//go:build linux

package main

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a UDP port of the generator. Nobody waits for its packets: they are
// fetched now and then, and the system notes when each came. So the relay pays
// for no wake-up when it sends, and a generator that has no processor for a
// moment makes no delay.
type socket struct {
	fd, port int
}

// socketBuffer in bytes holds some hundred packets of voice, seconds of a call.
const socketBuffer = 1 << 20

func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &socket{fd: fd}
	if err := s.bind(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) bind() error {
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return os.NewSyscallError("setsockopt SO_TIMESTAMPNS", err)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer); err != nil {
		return os.NewSyscallError("setsockopt SO_RCVBUF", err)
	}
	if err := unix.Bind(s.fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	local, err := unix.Getsockname(s.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	s.port = local.(*unix.SockaddrInet4).Port
	return nil
}

func (s *socket) close() { _ = unix.Close(s.fd) }

// receive reads a packet, false: there is none.
func (s *socket) receive(b []byte) (n int, ok bool) {
	n, err := unix.Read(s.fd, b)
	return n, err == nil
}

// receiveTimed is receive that also tells when the packet came, in nanoseconds as
// time.Time.UnixNano has them; 0: the system did not note it.
func (s *socket) receiveTimed(b []byte) (n int, at int64, ok bool) {
	var control [64]byte
	n, size, _, _, err := unix.Recvmsg(s.fd, b, control[:], 0)
	if err != nil {
		return 0, 0, false
	}
	messages, _ := unix.ParseSocketControlMessage(control[:size])
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			at = int64(binary.NativeEndian.Uint64(m.Data))*int64(time.Second) + int64(binary.NativeEndian.Uint64(m.Data[8:]))
		}
	}
	return n, at, true
}

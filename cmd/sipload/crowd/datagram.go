//go:build linux

package crowd

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	phonesPerSocket = 50 // each has one message under way: none finds the socket full
	batch           = 32 // datagrams in one system call
	datagram        = 8 << 10
	socketBuffer    = 1 << 20
)

// socket is what some phones over UDP share.
type socket struct {
	crowd  *Crowd
	conn   *net.UDPConn
	batch  *ipv4.PacketConn
	port   uint16
	server net.Addr
	phones int
}

// line is the connection of one phone: its address on a socket.
type line struct {
	socket *socket
	local  netip.AddrPort
	source []byte // what tells the system to send from there
}

// place gives a phone over UDP an address.
func (c *Crowd) place(p *Phone) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.sockets); n == 0 || c.sockets[n-1].phones == phonesPerSocket {
		s, err := c.listen()
		if err != nil {
			return err
		}
		c.sockets = append(c.sockets, s)
		c.done.Go(s.serve)
	}
	s := c.sockets[len(c.sockets)-1]
	s.phones++
	local := netip.AddrFrom4([4]byte{127, 1, byte(p.Number >> 8), byte(p.Number)})
	source := (&ipv4.ControlMessage{Src: local.AsSlice()}).Marshal()
	p.attach(&line{s, netip.AddrPortFrom(local, s.port), source})
	return nil
}

// listen opens a socket for all addresses of the loopback device.
func (c *Crowd) listen() (*socket, error) {
	server, err := net.ResolveUDPAddr("udp4", c.cfg.Server["udp"])
	if err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = os.NewSyscallError("setsockopt SO_BINDTODEVICE", unix.BindToDevice(int(fd), "lo"))
		})
		return cmp.Or(err, failed)
	}}
	pc, err := lc.ListenPacket(context.Background(), "udp4", "0.0.0.0:0")
	if err != nil {
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	_ = conn.SetReadBuffer(socketBuffer) // smaller: what is lost comes again
	return &socket{crowd: c, conn: conn, batch: ipv4.NewPacketConn(conn), port: conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(), server: server}, nil
}

// serve reads until the socket is closed.
func (s *socket) serve() {
	in, out := make([]ipv4.Message, batch), make([]ipv4.Message, 0, batch)
	answers := make([][]byte, batch)
	for i := range in {
		in[i].Buffers = [][]byte{make([]byte, datagram)}
		answers[i] = make([]byte, 0, 2048)
	}
	var h head
	for {
		n, err := s.batch.ReadBatch(in, 0)
		if err != nil {
			if s.crowd.closed.Load() {
				return
			}
			continue // the server is away for a moment
		}
		out = out[:0]
		for i, m := range in[:n] {
			p, answer := s.take(&h, m.Buffers[0][:m.N], answers[i][:0])
			answers[i] = answer
			if len(answer) > 0 {
				out = append(out, ipv4.Message{Buffers: [][]byte{answer}, OOB: p.conn.(*line).source, Addr: s.server})
			}
		}
		s.write(out)
	}
}

// write sends answers; one that is lost is asked for again.
func (s *socket) write(out []ipv4.Message) {
	for len(out) > 0 {
		n, err := s.batch.WriteBatch(out, 0)
		if err != nil {
			n = 1 // it is the first one that cannot be sent
		}
		out = out[n:]
	}
}

// take gives a datagram to the phone that it is for.
func (s *socket) take(h *head, b, out []byte) (*Phone, []byte) {
	n := bytes.Index(b, blank)
	if n < 0 || h.read(b[:n+len(blank)]) != nil {
		return nil, out
	}
	owner := h.uri
	if !h.request {
		owner = h.from
	}
	p := s.crowd.find(user(owner))
	if p == nil || p.Transport != "udp" {
		return nil, out
	}
	return p, p.take(h, b, b[n+len(blank):], out)
}

// The connection of a phone as its agent sees it.

func (l *line) Write(b []byte) (int, error) {
	return len(b), l.send(b)
}

func (l *line) send(b []byte) error {
	_, _, err := l.socket.conn.WriteMsgUDP(b, l.source, l.socket.server.(*net.UDPAddr))
	return err
}

func (l *line) LocalAddr() net.Addr  { return net.UDPAddrFromAddrPort(l.local) }
func (l *line) RemoteAddr() net.Addr { return l.socket.server }
func (l *line) Close() error         { return nil }
func (l *line) Read([]byte) (int, error) {
	return 0, fmt.Errorf("%w: the socket is read for all", errClosed)
}
func (l *line) SetDeadline(time.Time) error      { return nil }
func (l *line) SetReadDeadline(time.Time) error  { return nil }
func (l *line) SetWriteDeadline(time.Time) error { return nil }

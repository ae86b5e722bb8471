package transport

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/wire"
)

func dialUDP(t testing.TB, l *Listener) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	return conn
}

func receive(t testing.TB, conn *net.UDPConn) string {
	t.Helper()
	b := make([]byte, 1<<16)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestUDPAnswersWhereTheRequestCameFrom(t *testing.T) {
	r := newRecorder()
	r.on = func(f *Flow, m sip.Message) {
		_ = f.Send(wire.Append(nil, wire.NewResponse(m.(*sip.Request), 200, "")))
	}
	s := start(t, Config{}, r)
	l := listen(t, s, "udp")
	conn := dialUDP(t, l)
	_, _ = conn.Write([]byte(request(1, "hello")))
	got := receive(t, conn)
	me := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	for _, want := range []string{"SIP/2.0 200", "received=127.0.0.1"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	_, _ = conn.Write([]byte(request(2, "again")))
	receive(t, conn)
	r.await(t, "both requests", func() bool { return len(r.messages) == 2 })
	first, second := r.flows[0], r.flows[1]
	if first.ID != second.ID || first.ID>>63 != 1 || first.Remote != me || first.Reliable() || !first.Alive() {
		t.Errorf("flows %+v and %+v", first, second)
	}
	again, err := s.UDPFlow(first.Local, me)
	if err != nil || again.ID != first.ID {
		t.Errorf("UDPFlow: %+v, %v", again, err)
	}
	if _, err := s.UDPFlow(netip.MustParseAddrPort("127.0.0.1:9"), me); err == nil {
		t.Error("a flow from a socket that does not exist")
	}
	if _, err := s.UDPFlow(netip.AddrPort{}, netip.MustParseAddrPort("[2001:db8::1]:5060")); err == nil {
		t.Error("a flow to IPv6 from an IPv4 socket")
	}
}

func TestUDPHandlerPanicAndMalformed(t *testing.T) {
	r := newRecorder()
	r.on = func(f *Flow, m sip.Message) {
		if string(m.Body()) == "bomb" {
			panic("bomb")
		}
		_ = f.Send(m.Body())
	}
	s := start(t, Config{}, r)
	conn := dialUDP(t, listen(t, s, "udp"))
	for _, text := range []string{request(1, "bomb"), "\r\n\r\n", "\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa", request(2, "alive")} {
		_, _ = conn.Write([]byte(text))
	}
	if got := receive(t, conn); got != "alive" {
		t.Errorf("got %q", got)
	}
	_, _ = conn.Write([]byte(strings.Replace(request(3, ""), "CSeq:", "no colon here\r\nCSeq:", 1)))
	if got := receive(t, conn); !strings.HasPrefix(got, "SIP/2.0 400") {
		t.Errorf("got %q", got)
	}
}

func TestUDPOverIPv6(t *testing.T) {
	r := newRecorder()
	r.on = echoBody
	s := start(t, Config{}, r)
	l, err := s.Listen(Spec{Transport: "udp", Address: "[::1]:0"})
	if err != nil {
		t.Skip("no IPv6 on this computer: ", err)
	}
	conn := dialUDP(t, l)
	_, _ = conn.Write([]byte(request(1, "six")))
	if got := receive(t, conn); got != "six" {
		t.Errorf("got %q", got)
	}
	// A socket for both families sees IPv4 peers by their IPv4 addresses.
	both, err := s.Listen(Spec{Transport: "udp", Address: "[::]:0"})
	if err != nil {
		t.Fatal(err)
	}
	four, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", both.Addr().Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer four.Close()
	_, _ = four.Write([]byte(request(2, "four")))
	expect(t, four, "four")
	r.await(t, "both messages", func() bool { return len(r.messages) == 2 })
	if f := r.lastFlow(); !f.Remote.Addr().Is4() {
		t.Errorf("the peer is %v", f.Remote)
	}
}

// TestUDPGarbageCostsNoMemory feeds the datagrams straight to the socket's
// owner, so that every one counts and none is lost in the kernel.
func TestUDPGarbageCostsNoMemory(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := start(t, Config{Metrics: reg}, newRecorder())
	u := listen(t, s, "udp").sockets[0]
	garbage := [][]byte{
		[]byte("\r\n\r\n"), []byte("\x00\x01\x00\x08\x21\x12\xa4\x42garbagegarbage"), []byte("GET / HTTP/1.1\r\n\r\n"),
		[]byte(strings.Repeat("A", 1400)), make([]byte, 200), []byte("SIP/2.0 200 OK\r\n\r\n"), []byte("\x80\xc8rtprtprtprtprtprtp"),
	}
	flood := func(n int) {
		for i := range n {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(i))
			u.datagram(newRecorder(), garbage[i%len(garbage)], from)
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	flood(1000)
	before := heap()
	flood(100_000)
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if n := counted(t, reg, "sparkle_transport_garbage_total", UDP); n < 50_000 {
		t.Errorf("%v datagrams counted as garbage", n)
	}
}

func TestUDPBannedSourceIsDropped(t *testing.T) {
	r := newRecorder()
	s := start(t, Config{Admit: func(a netip.Addr) bool { return false }}, r)
	u := listen(t, s, "udp").sockets[0]
	u.datagram(r, []byte(request(1, "")), netip.MustParseAddrPort("192.0.2.1:5060"))
	if len(r.messages) != 0 {
		t.Error("a banned source was heard")
	}
}

func BenchmarkUDP(b *testing.B) {
	done := make(chan struct{}, 64)
	r := benchHandler(func(f *Flow, m sip.Message) { done <- struct{}{} })
	s := start(b, Config{}, r)
	conn := dialUDP(b, listen(b, s, "udp"))
	text := []byte(request(1, "hello"))
	b.ReportAllocs()
	b.ResetTimer()
	sent := 0
	for i := range b.N {
		for sent < b.N && sent < i+32 {
			_, _ = conn.Write(text)
			sent++
		}
		<-done
	}
}

// benchHandler is a handler that keeps nothing.
type benchHandler func(*Flow, sip.Message)

func (h benchHandler) Message(f *Flow, m sip.Message) { h(f, m) }
func (benchHandler) Malformed(*Flow, *wire.Error)     {}
func (benchHandler) Closed(*Flow)                     {}

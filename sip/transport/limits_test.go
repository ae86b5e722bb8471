package transport

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bubble is a stack whose clock is that of synctest and whose connections are
// pipes.
type bubble struct {
	*Stack
	r   *recorder
	reg *prometheus.Registry
}

func inBubble(t *testing.T, cfg Config, test func(t *testing.T, b bubble)) {
	synctest.Test(t, func(t *testing.T) {
		b := bubble{r: newRecorder(), reg: prometheus.NewRegistry()}
		cfg.Metrics = b.reg
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		b.Stack = s
		s.Serve(b.r)
		test(t, b)
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // of the bubble's clock: peers that wait may end too
	})
}

// accept gives the stack one end of a pipe and returns the other.
func (b bubble) accept(transport string) net.Conn {
	server, client := net.Pipe()
	l := &Listener{spec: Spec{Name: transport, Transport: transport}, stack: b.Stack}
	l.adopt(server)
	return client
}

// lifetime waits for the end of a connection and tells how long it took.
func lifetime(conn net.Conn) time.Duration {
	begin := time.Now()
	_, _ = io.Copy(io.Discard, conn)
	took := time.Since(begin)
	synctest.Wait() // for the books to be closed too
	return took
}

func within(t *testing.T, got, want time.Duration) {
	t.Helper()
	if got < want || got > want+2*reapEvery {
		t.Errorf("closed after %v, want %v and at most two scans more", got, want)
	}
}

func TestSilentConnectionIsClosed(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b bubble) {
		within(t, lifetime(b.accept(TCP)), 10*time.Second)
		if n := counted(t, b.reg, "sparkle_transport_closed_total", causeFirst); n != 1 {
			t.Errorf("counted %v", n)
		}
	})
}

func TestPingsAreNoFirstMessage(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b bubble) {
		conn := b.accept(TCP)
		go func() {
			for {
				time.Sleep(time.Second)
				if _, err := io.WriteString(conn, ping); err != nil {
					return
				}
			}
		}()
		within(t, lifetime(conn), 10*time.Second)
	})
}

func TestStalledHandshakeIsClosed(t *testing.T) {
	hello := clientHello(t)
	ca := newCA(t)
	cfg := Config{TLS: ca.serverTLS(t)}
	for name, sent := range map[string][]byte{
		"nothing": nil, "record header": hello[:5], "half a hello": hello[:len(hello)/2], "hello": hello,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, cfg, func(t *testing.T, b bubble) {
				conn := b.accept(TLS)
				go func() { _, _ = conn.Write(sent) }()
				within(t, lifetime(conn), 5*time.Second)
				if len(b.r.closed) != 0 {
					t.Error("a flow that never was is reported closed")
				}
				if n := counted(t, b.reg, "sparkle_transport_tls_handshake_failures_total", ""); n != 1 {
					t.Errorf("counted %v", n)
				}
			})
		})
	}
}

// clientHello is the first flight of a TLS client.
func clientHello(t *testing.T) []byte {
	server, client := net.Pipe()
	go func() { _ = tls.Client(client, &tls.Config{ServerName: "sip.example.com"}).Handshake() }()
	defer client.Close()
	b := make([]byte, 16<<10)
	n, err := server.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

func TestSlowMessageIsClosed(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b bubble) {
		conn := b.accept(TCP)
		go func() {
			_, _ = io.WriteString(conn, request(1, "quick"))
			for _, octet := range []byte(request(2, "slow")) {
				if _, err := conn.Write([]byte{octet}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		within(t, lifetime(conn), 10*time.Second)
		if len(b.r.messages) != 1 || counted(t, b.reg, "sparkle_transport_closed_total", causeMessage) != 1 {
			t.Errorf("%d messages", len(b.r.messages))
		}
	})
}

func TestIdleConnectionIsClosedUnlessItPings(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b bubble) {
		conn := b.accept(TCP)
		go func() {
			_, _ = io.WriteString(conn, request(1, ""))
			for range 3 {
				time.Sleep(10 * time.Minute)
				_, _ = io.WriteString(conn, ping)
			}
		}()
		within(t, lifetime(conn), 45*time.Minute)
		if len(b.r.closed) != 1 {
			t.Errorf("%d closes reported", len(b.r.closed))
		}
	})
}

func TestPeerThatDoesNotReadIsClosedInTime(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b bubble) {
		conn := b.accept(TCP)
		_, _ = io.WriteString(conn, request(1, ""))
		synctest.Wait()
		begin := time.Now()
		if err := b.r.lastFlow().Send([]byte("nobody reads this")); err != nil {
			t.Fatal(err)
		}
		b.r.await(t, "the close", func() bool { return len(b.r.closed) == 1 })
		within(t, time.Since(begin), 10*time.Second)
	})
}

func TestOutboundKeepAlive(t *testing.T) {
	for _, answers := range []bool{true, false} {
		inBubble(t, Config{KeepAlive: 100 * time.Second}, func(t *testing.T, b bubble) {
			server, client := net.Pipe()
			c := b.newConn(TCP, "", client, phaseOpen)
			c.flow.Outbound = true
			b.running.Add(1)
			b.conns.put(c)
			c.counters.open.Inc()
			go c.serveStream()
			patient := struct{ io.Reader }{server}
			expect(t, patient, ping)
			if answers {
				_, _ = io.WriteString(server, pong)
			}
			expect(t, patient, ping) // and then silence from a peer that has answered before
			begin := time.Now()
			_ = server.SetReadDeadline(begin.Add(time.Minute))
			_, err := server.Read(make([]byte, 1))
			if ended := err == io.EOF; ended != answers {
				t.Errorf("peer that answers: %v; after silence: %v", answers, err)
			}
		})
	}
}

func TestConnectionLimits(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newRecorder()
	banned := netip.MustParseAddr("127.0.0.7")
	s := start(t, Config{Metrics: reg, Limits: Limits{MaxConnections: 3, MaxPerAddress: 2},
		Admit: func(a netip.Addr) bool { return a != banned }}, r)
	l := listen(t, s, "tcp")
	from := func(ip string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		conn, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	ok := func(conn net.Conn) {
		t.Helper()
		_, _ = io.WriteString(conn, ping)
		expect(t, conn, pong)
	}
	first := from("127.0.0.2")
	ok(first)
	ok(from("127.0.0.2"))
	expectEnd(t, from("127.0.0.2")) // third from one address
	ok(from("127.0.0.3"))
	expectEnd(t, from("127.0.0.4")) // fourth in all
	expectEnd(t, from("127.0.0.7"))
	for reason, want := range map[string]float64{refusedPerAddress: 1, refusedTotal: 1, refusedBanned: 1} {
		if got := counted(t, reg, "sparkle_transport_refused_total", reason); got != want {
			t.Errorf("%s: counted %v, want %v", reason, got, want)
		}
	}
	first.Close()
	r.await(t, "the close", func() bool { return len(r.closed) == 1 })
	if n := counted(t, reg, "sparkle_transport_connections", TCP); n > 3 {
		t.Errorf("%v open", n)
	}
}

func TestSubscriberIsAddressOrPrefix(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := subscriber(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

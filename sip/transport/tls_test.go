package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// shown connects and returns the serial number of the certificate.
func shown(t *testing.T, l *Listener, host string) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestCertificateIsChosenByHostAndReloaded(t *testing.T) {
	ca := newCA(t)
	cfg := TLSConfig{Certificates: []KeyPair{
		ca.issue(t, "one", "one.example.com", 11), ca.issue(t, "two", "two.example.com", 22),
	}}
	s := start(t, Config{TLS: cfg}, newRecorder())
	l := listen(t, s, "tls")
	for host, want := range map[string]int64{"one.example.com": 11, "two.example.com": 22, "three.example.com": 11, "": 11} {
		if got := shown(t, l, host); got != want {
			t.Errorf("host %q: certificate %d, want %d", host, got, want)
		}
	}

	ca.issue(t, "one", "one.example.com", 33)
	if err := s.ReloadCertificates(); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, l, "one.example.com"); got != 33 {
		t.Errorf("after a reload: certificate %d", got)
	}

	// A broken file is refused and the old certificate stays.
	if err := os.WriteFile(cfg.Certificates[0].Cert, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.ReloadCertificates(); err == nil || !strings.Contains(err.Error(), "one.pem") {
		t.Errorf("reload of a broken file: %v", err)
	}
	if got := shown(t, l, "one.example.com"); got != 33 {
		t.Errorf("after a failed reload: certificate %d", got)
	}

	// A changed file is noticed by itself.
	ca.issue(t, "one", "one.example.com", 44)
	future := time.Now().Add(time.Minute)
	_ = os.Chtimes(cfg.Certificates[0].Cert, future, future)
	s.certs.checked = time.Now().Add(-time.Hour)
	if got := shown(t, l, "one.example.com"); got != 44 {
		t.Errorf("after a change: certificate %d", got)
	}
}

func TestMutualTLS(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	cfg := ca.serverTLS(t)
	cfg.ClientCAs = ca.file("ca.pem")
	r := newRecorder()
	s := start(t, Config{TLS: cfg}, r)
	l := listen(t, s, "tls")
	dial := func(p KeyPair) (*tls.Conn, error) {
		config := &tls.Config{RootCAs: ca.pool(), ServerName: "sip.example.com"}
		if p.Cert != "" {
			cert, _ := tls.LoadX509KeyPair(p.Cert, p.Key)
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		}
		conn, err := tls.Dial("tcp", l.Addr().String(), config)
		if err == nil {
			_, _ = io.WriteString(conn, ping)
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			_, err = io.ReadFull(conn, make([]byte, 2))
		}
		return conn, err
	}
	known, err := dial(ca.issue(t, "phone", "phone.example.com", 5))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(known, request(1, ""))
	r.await(t, "the message", func() bool { return len(r.messages) == 1 })
	if certs := r.lastFlow().TLS().PeerCertificates; len(certs) != 1 || certs[0].Subject.CommonName != "phone.example.com" {
		t.Errorf("peer certificates %v", certs)
	}
	if _, err := dial(KeyPair{}); err != nil {
		t.Errorf("without a certificate: %v", err)
	}
	if _, err := dial(other.issue(t, "stranger", "phone.example.com", 6)); err == nil {
		t.Error("a certificate of an unknown CA is accepted")
	}
}

// lines is a log that gives its lines to a test.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// await returns the first line that contains the text.
func (l lines) await(t *testing.T, text string) string {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case line := <-l:
			if strings.Contains(line, text) {
				return line
			}
		case <-limit:
			t.Fatalf("nothing about %q in the log", text)
		}
	}
}

func TestHandshakeErrorsExplainThemselves(t *testing.T) {
	ca := newCA(t)
	for name, c := range map[string]struct {
		peer func(net.Conn)
		want []string
	}{
		"old version": {func(conn net.Conn) {
			_ = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake()
		}, []string{"TLS 1.1", "firmware"}},
		"untrusted": {func(conn net.Conn) {
			_ = tls.Client(conn, &tls.Config{ServerName: "sip.example.com"}).Handshake()
		}, []string{"TLS 1.3", "sip.example.com", "install the CA on the device"}},
		"plain SIP": {func(conn net.Conn) {
			_, _ = io.WriteString(conn, request(1, ""))
		}, []string{"nothing that is TLS", "set its transport to TLS"}},
		"hang-up": {func(conn net.Conn) { conn.Close() }, []string{"hung up"}},
	} {
		t.Run(name, func(t *testing.T) {
			log := make(lines, 100)
			cfg := Config{TLS: ca.serverTLS(t), Log: slog.New(slog.NewTextHandler(log, nil))}
			s := start(t, cfg, newRecorder())
			conn, err := net.Dial("tcp", listen(t, s, "tls").Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c.peer(conn)
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
			line := log.await(t, "handshake failed")
			for _, want := range c.want {
				if !strings.Contains(line, want) {
					t.Errorf("no %q in %s", want, line)
				}
			}
		})
	}
}

func TestDial(t *testing.T) {
	ca := newCA(t)
	peer := newRecorder()
	peer.on = func(f *Flow, m sip.Message) { _ = f.Send([]byte(request(9, "to you too"))) }
	server := start(t, Config{TLS: ca.serverTLS(t)}, peer)
	r := newRecorder()
	s := start(t, Config{TLS: TLSConfig{RootCAs: ca.file("ca.pem")}}, r)
	for _, transport := range []string{"tcp", "tls"} {
		l := listen(t, server, transport)
		hop := Hop{Transport: strings.ToUpper(transport), Addr: l.Addr(), Host: "sip.example.com"}
		f, err := s.Dial(t.Context(), hop)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := s.Dial(t.Context(), hop); err != nil || again != f {
			t.Errorf("a second dial: %v, %v", again, err)
		}
		if got, ok := s.Flow(f.ID); !ok || got != f || !f.Outbound || f.Secure() != (transport == "tls") {
			t.Errorf("the dialled flow is %+v", f)
		}
		if err := f.Send([]byte(request(1, ""))); err != nil {
			t.Fatal(err)
		}
		r.await(t, "the request of the peer", func() bool {
			return len(r.flows) > 0 && r.flows[len(r.flows)-1] == f
		})
		f.Close("test")
		r.await(t, "the close", func() bool { return r.closed[f.ID] == 1 })
		if again, err := s.Dial(t.Context(), hop); err != nil || again == f {
			t.Errorf("a dial after the close: %v", err)
		}
	}
}

// The end does not wait for a server that takes connections and says nothing.
func TestCloseEndsDials(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := start(t, Config{}, newRecorder())
	dialled := make(chan error, 1)
	go func() {
		_, err := s.Dial(context.Background(), Hop{Transport: TLS, Addr: addrPort(silent.Addr()), Host: "sip.example.com"})
		dialled <- err
	}()
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := time.Now()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > dialTimeout/2 {
		t.Errorf("closing took %v", took)
	}
	if err := <-dialled; !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v", err)
	}
}

func TestDialVerifiesTheHost(t *testing.T) {
	ca := newCA(t)
	server := start(t, Config{TLS: ca.serverTLS(t)}, newRecorder())
	l := listen(t, server, "tls")
	for name, c := range map[string]struct {
		cfg  TLSConfig
		host string
	}{
		"another name": {TLSConfig{RootCAs: ca.file("ca.pem")}, "carrier.example.net"},
		"unknown CA":   {TLSConfig{}, "sip.example.com"},
	} {
		s := start(t, Config{TLS: c.cfg}, newRecorder())
		_, err := s.Dial(t.Context(), Hop{Transport: TLS, Addr: l.Addr(), Host: c.host})
		if err == nil || !strings.Contains(err.Error(), "correct the name, or add the CA") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := start(t, Config{}, newRecorder())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Dial(ctx, Hop{Transport: TCP, Addr: netip.MustParseAddrPort("192.0.2.1:5060")}); err == nil {
		t.Error("a cancelled dial succeeds")
	}
}

func TestSentBy(t *testing.T) {
	ca := newCA(t)
	s := start(t, Config{TLS: ca.serverTLS(t)}, newRecorder())
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Transport: "tls", Address: "127.0.0.1:0", Public: "sip.example.com:5061"}, "sip.example.com"},
		{Spec{Transport: "tcp", Address: "127.0.0.1:0", Public: "[2001:db8::1]"}, "2001:db8::1"},
		{Spec{Transport: "udp", Address: "127.0.0.1:0"}, "127.0.0.1"},
	} {
		l, err := s.Listen(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		f := &Flow{Transport: strings.ToUpper(c.spec.Transport), Local: l.Addr(), Listener: l.Name()}
		host, port := s.Local(f)
		wantPort := int(l.Addr().Port())
		if strings.HasSuffix(c.spec.Public, ":5061") {
			wantPort = 5061
		}
		if host != c.want || port != wantPort {
			t.Errorf("%+v: %s %d", c.spec, host, port)
		}
	}
}

func TestSentByOfWebSockets(t *testing.T) {
	s := start(t, Config{}, newRecorder())
	s.WebSocket(Spec{Name: "public", Address: "[::]:8443", Public: "sip.example.com"})
	s.WebSocket(Spec{Name: "bare"})
	for name, want := range map[string]string{"public": "sip.example.com:8443", "bare": "192.0.2.1:443"} {
		host, port := s.Local(&Flow{Transport: WSS, Listener: name, Local: netip.MustParseAddrPort("192.0.2.1:443")})
		if got := net.JoinHostPort(host, strconv.Itoa(port)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// BenchmarkHandshake is a full TLS 1.3 handshake, both sides of it.
func BenchmarkHandshake(b *testing.B) {
	ca := newCA(b)
	s := start(b, Config{TLS: ca.serverTLS(b)}, benchHandler(func(*Flow, sip.Message) {}))
	l := listen(b, s, "tls")
	for b.Loop() {
		connect(b, l, ca).Close()
	}
}

// BenchmarkIdleTLS reports the heap and stack of idle TLS flows, each of which
// has carried one message.
func BenchmarkIdleTLS(b *testing.B) {
	const flows = 2000
	ca := newCA(b)
	answered := make(chan struct{}, flows)
	s := start(b, Config{TLS: ca.serverTLS(b), Limits: Limits{MaxPerAddress: flows}},
		benchHandler(func(f *Flow, m sip.Message) {
			_ = f.Send([]byte(pong))
			answered <- struct{}{}
		}))
	l := listen(b, s, "tls")
	for range b.N {
		clients := make([]net.Conn, flows)
		before := inUse()
		for i := range clients {
			clients[i] = connect(b, l, ca)
			_, _ = io.WriteString(clients[i], request(1, strings.Repeat("x", 400)))
			<-answered
			_, _ = io.ReadFull(clients[i], make([]byte, 2))
			clients[i] = bare(clients[i])
		}
		b.ReportMetric(float64(inUse()-before)/flows, "bytes/flow")
		for _, c := range clients {
			c.Close()
		}
	}
}

// bare forgets the client's TLS state, so that only the server's is measured.
func bare(conn net.Conn) net.Conn { return conn.(*tls.Conn).NetConn() }

func inUse() int64 {
	for range 4 { // stacks shrink by half a collection
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

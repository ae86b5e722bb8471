package transport

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/wire"
)

// recorder is a handler that keeps what it gets.
type recorder struct {
	mu        sync.Mutex
	messages  []sip.Message
	malformed []*wire.Error
	closed    map[uint64]int
	flows     []*Flow
	changed   chan struct{}            // closed and made anew with each call
	on        func(*Flow, sip.Message) // what it does with a message before it is noted
}

func newRecorder() *recorder {
	return &recorder{closed: make(map[uint64]int), changed: make(chan struct{})}
}

func (r *recorder) note(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) Message(f *Flow, m sip.Message) {
	if r.on != nil {
		r.on(f, m)
	}
	r.note(func() { r.messages, r.flows = append(r.messages, m), append(r.flows, f) })
}

func (r *recorder) Malformed(f *Flow, e *wire.Error) {
	r.note(func() { r.malformed, r.flows = append(r.malformed, e), append(r.flows, f) })
	_ = f.Send(wire.Append(nil, wire.NewResponse(e.Request, e.Status, e.Reason)))
}

func (r *recorder) Closed(f *Flow) { r.note(func() { r.closed[f.ID]++ }) }

// await waits until cond, which sees the recorder locked, is true.
func (r *recorder) await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		r.mu.Lock()
		ok, changed := cond(), r.changed
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func (r *recorder) lastFlow() *Flow {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flows[len(r.flows)-1]
}

// start makes a running stack that ends with the test.
func start(t testing.TB, cfg Config, h Handler) *Stack {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(h)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Close(ctx)
	})
	return s
}

func listen(t testing.TB, s *Stack, transport string) *Listener {
	t.Helper()
	l, err := s.Listen(Spec{Name: transport, Transport: transport, Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// request is a MESSAGE with the given CSeq and body.
func request(cseq int, body string) string {
	return fmt.Sprintf("MESSAGE sip:bob@example.com SIP/2.0\r\n"+
		"Via: SIP/2.0/TCP 192.0.2.9:5099;rport;branch=z9hG4bK%d\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\n"+
		"Call-ID: c%d@example.com\r\nCSeq: %d MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
		cseq, cseq, cseq, len(body), body)
}

// testCA signs certificates for tests.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newCA(t testing.TB) *testCA {
	t.Helper()
	ca := &testCA{dir: t.TempDir()}
	ca.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &ca.key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	ca.cert, _ = x509.ParseCertificate(der)
	ca.write(t, "ca.pem", "CERTIFICATE", der)
	return ca
}

func (ca *testCA) file(name string) string { return filepath.Join(ca.dir, name) }

func (ca *testCA) write(t testing.TB, name, kind string, der []byte) {
	t.Helper()
	b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(ca.file(name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue writes name.pem and name.key for a host.
func (ca *testCA) issue(t testing.TB, name, host string, serial int64) KeyPair {
	t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{host}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, _ := x509.MarshalPKCS8PrivateKey(key)
	ca.write(t, name+".pem", "CERTIFICATE", der)
	ca.write(t, name+".key", "PRIVATE KEY", keyDER)
	return KeyPair{Cert: ca.file(name + ".pem"), Key: ca.file(name + ".key")}
}

func (ca *testCA) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// serverTLS is a TLSConfig with one certificate for sip.example.com.
func (ca *testCA) serverTLS(t testing.TB) TLSConfig {
	return TLSConfig{Certificates: []KeyPair{ca.issue(t, "server", "sip.example.com", 2)}, RootCAs: ca.file("ca.pem")}
}

// connect opens a client connection to a TCP or TLS listener.
func connect(t testing.TB, l *Listener, ca *testCA) net.Conn {
	t.Helper()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	if l.spec.Transport != TLS {
		return raw
	}
	tc := tls.Client(raw, &tls.Config{RootCAs: ca.pool(), ServerName: "sip.example.com"})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	return tc
}

// expect reads exactly what is wanted.
func expect(t testing.TB, r io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if d, ok := r.(netConn); ok {
		_ = d.SetReadDeadline(time.Now().Add(time.Minute))
	}
	if n, err := io.ReadFull(r, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b[:n], err, want)
	}
}

// expectEnd reads until the peer closes and returns what came before.
func expectEnd(t testing.TB, conn netConn) string {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	b, err := io.ReadAll(conn)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Fatal("the server did not close the connection")
	}
	return string(b)
}

// readMessage reads a message with a body from a stream.
func readMessage(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	var text strings.Builder
	length := 0
	alarm := time.AfterFunc(time.Minute, func() { panic("no message came in a minute") })
	defer alarm.Stop()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(line)
		_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		t.Fatal(err)
	}
	return text.String() + string(body)
}

// counted reads a counter or gauge of a registry, summed over its series that
// have the given label value.
func counted(t testing.TB, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			match := label == ""
			for _, l := range m.GetLabel() {
				match = match || l.GetValue() == label
			}
			if match {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

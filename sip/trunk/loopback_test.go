package trunk

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/proxy"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// authority makes certificates that everybody in a test believes.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

func (a *authority) issue(name string, tmpl *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, _ := x509.MarshalECPrivateKey(key)
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "EC PRIVATE KEY", raw)
	cert, _ := x509.ParseCertificate(der)
	return cert, key
}

func (a *authority) write(name, kind string, b []byte) {
	if err := os.WriteFile(filepath.Join(a.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// config is the TLS side of somebody with a certificate for that name.
func (a *authority) config(name string) transport.TLSConfig {
	a.issue(name, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	file := func(ext string) string { return filepath.Join(a.dir, name+ext) }
	ca := filepath.Join(a.dir, "ca.pem")
	return transport.TLSConfig{Certificates: []transport.KeyPair{{Cert: file(".pem"), Key: file(".key")}}, ClientCAs: ca, RootCAs: ca}
}

// station is a stack with a listener and a transaction layer.
type station struct {
	stack *transport.Stack
	layer *transaction.Layer
	addr  netip.AddrPort
}

func newStation(t *testing.T, config transport.TLSConfig) *station {
	stack, err := transport.New(transport.Config{TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	l, err := stack.Listen(transport.Spec{Transport: "TLS", Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	s := &station{stack, transaction.New(transaction.Config{}), l.Addr()}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = stack.Close(ctx)
		s.layer.Close()
	})
	return s
}

// agent is a station with a user agent that answers every call.
type agent struct {
	*station
	*dialog.UA
	mu    sync.Mutex
	calls []*dialog.Session
	ended chan string
}

func newAgentAt(t *testing.T, config transport.TLSConfig) *agent {
	a := &agent{station: newStation(t, config), ended: make(chan string, 9)}
	var err error
	if a.UA, err = dialog.New(dialog.Config{Transactions: a.layer, Local: a.stack.Local}); err != nil {
		t.Fatal(err)
	}
	a.layer.Serve(a)
	a.stack.Serve(a.layer)
	return a
}

func (a *agent) Request(in *transaction.Incoming) {
	if in.Method == sip.ACK {
		a.Serve(in, nil)
		return
	}
	tx, err := in.Begin()
	switch {
	case err != nil:
	case in.Method == sip.INVITE && in.ToTag == "":
		s := a.Accept(in, tx, nil, a.events(), nil)
		a.mu.Lock()
		a.calls = append(a.calls, s)
		a.mu.Unlock()
		s.Do(func() { s.Fork().Accept(dialog.SDP([]byte("answer"))) })
	case in.ToTag == "":
		_ = tx.Respond(wire.NewResponse(in.Request, 200, ""))
	default:
		a.Serve(in, tx)
	}
}
func (a *agent) Malformed(*transport.Flow, *wire.Error) {}
func (a *agent) Closed(*transport.Flow)                 {}

func (a *agent) events() dialog.Events {
	return dialog.Events{Ended: func(_ *dialog.Dialog, e dialog.End) { a.ended <- "ended " + e.Reason }}
}

// dial calls somebody by a connection to to and waits for the answer.
func (a *agent) dial(t *testing.T, f *transport.Flow, from, uri string) *dialog.Session {
	t.Helper()
	result := make(chan string, 1)
	on := a.events()
	on.Answered = func(d *dialog.Dialog, res *sip.Response) { d.Ack(dialog.Content{}); result <- string(res.Body()) }
	on.Failed = func(res *sip.Response, err error) {
		if err == nil {
			err = &server.Error{Status: res.StatusCode, Warning: wire.Header(res, "Warning")}
		}
		result <- err.Error()
	}
	s := a.Call(dialog.Call{URI: mustURI(t, uri), Flow: f, From: from, Content: dialog.SDP([]byte("offer"))}, on)
	select {
	case got := <-result:
		if got != "answer" {
			t.Fatalf("%s: %s", uri, got)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s: no answer", uri)
	}
	return s
}

func (a *agent) expectEnd(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-a.ended:
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	case <-time.After(time.Minute):
		t.Errorf("the call did not end: want %q", want)
	}
}

// flowTo opens a connection.
func (s *station) flowTo(t *testing.T, to *station, host string) *transport.Flow {
	t.Helper()
	f, err := s.stack.Dial(t.Context(), transport.Hop{Transport: transport.TLS, Addr: to.addr, Host: host})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// exchange is a server with the chain, the proxy and the border; its calls go
// where a test says.
type exchange struct {
	*station
	border *Border
	proxy  *proxy.Proxy
	target func(r *server.Request) registrar.Target
}

func (x *exchange) ServeSIP(r *server.Request) {
	f, err := x.proxy.Fork(r, watcher{})
	if err == nil {
		f.Extend([]registrar.Target{x.target(r)})
	}
}

type watcher struct{}

func (watcher) Request(int, *registrar.Target, *wire.Edit) *server.Error { return nil }
func (watcher) Response(_ int, res *sip.Response) *sip.Response          { return res }
func (watcher) Failed(int, int)                                          {}
func (watcher) Exhausted(int) bool                                       { return false }
func (watcher) Ended(int, int)                                           {}

// Check lets everybody be alice.
func (x *exchange) Check(*transport.Flow, *sip.Request, *wire.Core, bool, func(auth.Result)) (auth.Result, bool) {
	return auth.Result{Identity: auth.Identity{User: 7, Username: "alice", Domain: "example.com"}}, true
}

func (x *exchange) Resolve(*sip.Uri, func(registrar.Resolved)) (registrar.Resolved, bool) {
	return registrar.Resolved{}, true
}
func (x *exchange) ByContact(*sip.Uri) (registrar.Target, bool) { return registrar.Target{}, false }
func (x *exchange) ByFlow(*transport.Flow) []registrar.Target   { return nil }

func newExchange(t *testing.T, config transport.TLSConfig, names book, trunks ...store.Trunk) *exchange {
	x := &exchange{station: newStation(t, config)}
	var err error
	x.border, err = New(Config{Store: &memory{trunks: trunks}, Transactions: x.layer, Stack: x.stack, Domain: "example.com", Names: names, Strangers: names, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	x.proxy, err = proxy.New(proxy.Config{Transactions: x.layer, Flows: x.stack, Locations: x, Domains: []string{"example.com"}, Secret: make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	x.layer.Serve(server.New(server.Config{
		Domains: []string{"example.com"}, Auth: x, Calls: x, Proxy: x.proxy, InDialog: x.proxy,
		Border: x.border, Trusted: x.border.Trusted, Rate: -1,
	}))
	x.stack.Serve(x.layer)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { x.border.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done; x.border.Close() })
	return x
}

// Calls between a phone and a carrier over mutual TLS, through the chain and the
// proxy: each side hangs up once, in each direction.
func TestOverTLS(t *testing.T) {
	ca := newAuthority(t)
	carrier := newAgentAt(t, ca.config("sbc.example.net"))
	stranger := newAgentAt(t, ca.config("stranger.example.net"))
	phone := newAgentAt(t, ca.config("phone.example.net"))
	tr := line("t")
	tr.Gateways = []store.Gateway{{Name: "g1", Address: hostPortOf("sbc.example.net", carrier.addr), Transport: "tls"}}
	x := newExchange(t, ca.config("example.com"), book{"sbc.example.net": {"127.0.0.1"}}, tr)
	waitFor(t, "the gateway to be up", func() bool { return x.border.Trunks()[0].Gateways[0].State == "up" })

	var phoneFlow *transport.Flow
	x.target = func(r *server.Request) registrar.Target {
		if r.Trusted {
			return registrar.Target{User: 7, Flow: phoneFlow, Contact: mustURI(t, "sip:alice@127.0.0.1")}
		}
		phoneFlow = r.Flow
		routes, err := x.border.Routes(user(), r.Recipient.User)
		if err != nil {
			t.Error(err)
			return registrar.Target{}
		}
		return x.border.Target(routes[0], user(), nil)
	}
	toUs := phone.flowTo(t, x.station, "example.com")
	const alice = "<sip:alice@example.com>"

	s := phone.dial(t, toUs, alice, "sip:+498912345@example.com")
	s.Do(func() { s.HangUp("Q.850;cause=16") })
	carrier.expectEnd(t, "ended Q.850;cause=16")

	phone.dial(t, toUs, alice, "sip:+498912345@example.com")
	carrier.mu.Lock()
	last := carrier.calls[len(carrier.calls)-1]
	carrier.mu.Unlock()
	last.Do(func() { last.HangUp("Q.850;cause=31") })
	phone.expectEnd(t, "ended Q.850;cause=31")

	// Inward: by a connection that the carrier opens.
	fromCarrier := carrier.flowTo(t, x.station, "example.com")
	s = carrier.dial(t, fromCarrier, "<sip:+4930123456@sbc.example.net>", "sip:+86105551234@example.com")
	s.Do(func() { s.HangUp("") })
	phone.expectEnd(t, "ended ")

	carrier.dial(t, fromCarrier, "<sip:+4930123456@sbc.example.net>", "sip:+86105551234@example.com")
	phone.mu.Lock()
	last = phone.calls[len(phone.calls)-1]
	phone.mu.Unlock()
	last.Do(func() { last.HangUp("Q.850;cause=17") })
	carrier.expectEnd(t, "ended Q.850;cause=17")

	// Another certificate is no carrier's: that INVITE goes the normal way.
	f := stranger.flowTo(t, x.station, "example.com")
	claimed := make(chan bool, 1)
	x.target = func(r *server.Request) registrar.Target { claimed <- r.Trusted; return registrar.Target{} }
	stranger.Call(dialog.Call{URI: mustURI(t, "sip:+86105551234@example.com"), Flow: f, From: alice}, dialog.Events{})
	select {
	case trusted := <-claimed:
		if trusted {
			t.Error("a stranger with a certificate was taken for the carrier")
		}
	case <-time.After(time.Minute):
		t.Error("the stranger's INVITE came nowhere")
	}
	waitFor(t, "every call to be over", func() bool {
		st := x.border.Trunks()[0]
		return st.In == 0 && st.Out == 0 && x.border.outer.Sessions() == 0
	})
}

// A carrier whose certificate names somebody else gets no call.
func TestWrongCertificate(t *testing.T) {
	ca := newAuthority(t)
	carrier := newAgentAt(t, ca.config("evil.example.net"))
	tr := line("t")
	tr.Gateways = []store.Gateway{{Name: "g1", Address: hostPortOf("sbc.example.net", carrier.addr), Transport: "tls"}}
	x := newExchange(t, ca.config("example.com"), book{"sbc.example.net": {"127.0.0.1"}}, tr)
	waitFor(t, "the probe to fail", func() bool {
		return strings.Contains(x.border.Trunks()[0].Gateways[0].Error, "certificate")
	})
	carrier.mu.Lock()
	defer carrier.mu.Unlock()
	if len(carrier.calls) != 0 {
		t.Error("it was called")
	}
}

func hostPortOf(host string, a netip.AddrPort) string {
	_, port, _ := strings.Cut(a.String(), ":")
	return host + ":" + port
}

// waitFor polls: this happens in real time.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-limit:
			t.Fatalf("waited too long for %s", what)
		case <-tick.C:
		}
	}
}

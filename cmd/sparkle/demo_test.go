package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/configs"
	"github.com/sparkleim/sparkle/sip/wire"
)

// demo is a running trial server.
type demo struct {
	*Server
	readiness
	config *tls.Config
	stop   func() error // ends the server and returns what run returned
}

// startDemo runs a trial server in this process on free ports.
func startDemo(t *testing.T, dir string) *demo {
	t.Helper()
	cfg, err := localConfig(dir, configs.Ports{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newServer(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{Server: s}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.run(ctx, func(ctx context.Context) error {
			defer close(ready)
			d.readiness, err = s.startDemo(ctx)
			return err
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	stopped := false
	d.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() { d.stop() })
	if d.config, err = s.trustOwnCA(); err != nil {
		t.Fatal(err)
	}
	return d
}

// phone is a softphone of a demo user that shows all that it receives.
type phone struct {
	*softphone
	requests  chan *sip.Request // answered 200 already
	responses chan *sip.Response
	last      *sip.Request
	ringing   *sip.Request
	gone      chan struct{} // closed at the end of the connection
}

// phone connects and registers.
func (d *demo) phone(t *testing.T, user string) *phone {
	t.Helper()
	p := &phone{
		softphone: &softphone{
			user:   magicUser{name: user, instance: "urn:uuid:00000000-0000-4000-8000-" + fmt.Sprintf("%012x", user)[:12]},
			domain: d.domain(), password: d.Password, log: slog.New(slog.DiscardHandler),
		},
		requests: make(chan *sip.Request, 16), responses: make(chan *sip.Response, 16), gone: make(chan struct{}),
	}
	if err := p.connect(t.Context(), d.address("tls"), d.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	go p.read()
	p.register("")
	p.register(p.answerChallenge(p.final(t, 401)))
	p.final(t, 200)
	return p
}

// read takes what arrives until the connection ends.
func (p *phone) read() {
	defer close(p.gone)
	var framer wire.Framer
	buffer := make([]byte, 16<<10)
	for {
		n, err := p.conn.Read(buffer)
		framer.Write(buffer[:n])
		for m, _ := framer.Next(); m != nil; m, _ = framer.Next() {
			switch m := m.(type) {
			case *sip.Request:
				p.answer(m)
				p.requests <- m
			case *sip.Response:
				p.responses <- m
			}
		}
		if err != nil {
			return
		}
	}
}

// answer says 200 to everything, but lets calls ring until they are cancelled.
func (p *phone) answer(req *sip.Request) {
	switch req.Method {
	case sip.ACK:
	case sip.INVITE:
		p.ringing = req
		p.reply(req, sip.StatusRinging)
	case sip.CANCEL:
		p.reply(req, sip.StatusOK)
		p.reply(p.ringing, sip.StatusRequestTerminated)
	default:
		p.reply(req, sip.StatusOK)
	}
}

// final waits for a final response with that status.
func (p *phone) final(t *testing.T, status int) *sip.Response {
	t.Helper()
	for {
		res := await(t, p.responses)
		if res.StatusCode < 200 {
			continue
		}
		if res.StatusCode != status {
			t.Fatalf("%d %s, want %d", res.StatusCode, res.Reason, status)
		}
		return res
	}
}

// message sends a text.
func (p *phone) message(to, text string) {
	p.request(sip.MESSAGE, to, []byte(text), wire.H("Content-Type", "text/plain"))
}

func (p *phone) request(method sip.RequestMethod, to string, body []byte, headers ...sip.Header) {
	p.cseq++
	uri := sip.Uri{Scheme: "sip", User: to, Host: p.domain}
	headers = append(headers, wire.H("Call-ID", wire.NewCallID()), wire.H("Contact", p.contact))
	p.last = p.newRequest(method, uri, "<"+uri.String()+">", body, headers...)
	p.write(p.last)
}

// cancel cancels the last request (RFC 3261 §9.1).
func (p *phone) cancel() {
	var same []sip.Header
	for _, name := range []string{"Via", "From", "To", "Call-ID", "Max-Forwards"} {
		same = append(same, wire.H(name, wire.Header(p.last, name)))
	}
	same = append(same, wire.H("CSeq", fmt.Sprintf("%d CANCEL", p.cseq)))
	p.write(wire.NewRequest("CANCEL", p.last.Recipient, nil, same...))
}

// certificate is what the server showed.
func (p *phone) certificate() *x509.Certificate {
	return p.conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

// call asks the administration socket.
func (d *demo) call(t *testing.T, method, path string, in, out any) {
	t.Helper()
	if err := newClient(d.Socket).call(t.Context(), method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

// command runs a command line against the server.
func (d *demo) command(t *testing.T, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	return command(t, in, append([]string{"--data", d.cfg.DataDir}, args...)...)
}

func command(t *testing.T, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(in), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// await fails the test when nothing comes; a test that works waits for moments.
func await[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing came within a minute")
		panic("unreachable")
	}
}

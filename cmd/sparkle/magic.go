package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// magicUsers answer by themselves, for trials and tests. Each is an ordinary
// user; all but offline have a softphone of their own in this process, which
// connects to the TLS listener like any other.
func magicUsers() []magicUser {
	return []magicUser{
		{"echo", "Echo", "urn:uuid:5bb1de00-0000-4000-8000-0000000000ec", answerEcho},
		{"486", "Busy", "urn:uuid:5bb1de00-0000-4000-8000-000000000486", answerBusy},
		{"timeout", "Timeout", "urn:uuid:5bb1de00-0000-4000-8000-000000000408", answerNothing},
		{"offline", "Offline", "", nil},
	}
}

type magicUser struct {
	name, displayName string
	instance          string                               // "" for one without a softphone
	answer            func(p *softphone, req *sip.Request) // what it does with a request
}

// answerEcho sends back what it was sent, in texts and in calls.
func answerEcho(p *softphone, req *sip.Request) {
	switch req.Method {
	case sip.MESSAGE:
		p.reply(req, sip.StatusOK)
		p.echo(req)
	case sip.INVITE:
		p.answerCall(req)
	case sip.BYE:
		p.hangUp(dialogID(req))
		p.reply(req, sip.StatusOK)
	default:
		p.replyOther(req)
	}
}

// answerBusy is in a call and takes no messages, ever.
func answerBusy(p *softphone, req *sip.Request) {
	switch req.Method {
	case sip.INVITE:
		p.reply(req, sip.StatusBusyHere)
	case sip.MESSAGE:
		p.reply(req, sip.StatusForbidden)
	default:
		p.replyOther(req)
	}
}

func answerNothing(*softphone, *sip.Request) {}

// softphones are the running softphones of magic users.
type softphones struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// stop ends all softphones.
func (s *softphones) stop() {
	s.cancel()
	s.done.Wait()
}

// startMagicUsers makes the magic users and registers their softphones.
func (s *Server) startMagicUsers(ctx context.Context) (*softphones, error) {
	config, err := s.trustOwnCA()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	phones := &softphones{cancel: cancel}
	for _, m := range magicUsers() {
		password, err := s.resetMagicUser(ctx, m)
		if err != nil {
			phones.stop()
			return nil, fmt.Errorf("magic user %s: %w", m.name, err)
		}
		if m.instance == "" {
			continue
		}
		p := &softphone{user: m, domain: s.domain(), password: password, log: s.part("magic")}
		if err := p.connect(ctx, s.address("tls"), config); err != nil {
			phones.stop()
			return nil, fmt.Errorf("magic user %s: %w", m.name, err)
		}
		phones.done.Go(func() { p.run(ctx) })
		if err := p.waitRegistered(ctx); err != nil {
			phones.stop()
			return nil, err
		}
	}
	return phones, nil
}

// resetMagicUser gives the user a new password, which only its softphone knows.
func (s *Server) resetMagicUser(ctx context.Context, m magicUser) (password string, err error) {
	password = admin.NewPassword()
	u, err := s.accounts.Find(ctx, m.name)
	if errors.Is(err, store.ErrNotFound) {
		_, err = s.accounts.Add(ctx, store.User{Username: m.name, DisplayName: m.displayName}, password)
		return password, err
	}
	if err != nil {
		return "", err
	}
	return password, s.accounts.SetPassword(ctx, u, password)
}

func (s *Server) trustOwnCA() (*tls.Config, error) {
	pem, err := os.ReadFile(filepath.Join(certsDir(s.cfg.DataDir), "ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots, ServerName: s.cfg.ServerName()}, nil
}

// address is where a transport listens first.
func (s *Server) address(transport string) string {
	for _, l := range s.listeners {
		if l.transport == transport {
			return l.addr.String()
		}
	}
	return ""
}

// softphone is a minimal user agent on one TLS connection. Its run loop owns it.
type softphone struct {
	user     magicUser
	domain   string
	password string
	log      *slog.Logger
	conn     net.Conn
	contact  string
	callID   string
	cseq     int

	calls   map[string]*echoCall // by dialogID
	talking sync.WaitGroup       // their goroutines

	registered chan struct{} // closed when the registrar has said yes
	ended      chan struct{} // closed when the connection is gone
}

// connect opens the connection.
func (p *softphone) connect(ctx context.Context, address string, config *tls.Config) error {
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	p.conn = conn
	p.registered, p.ended = make(chan struct{}), make(chan struct{})
	p.calls = map[string]*echoCall{}
	p.callID = wire.NewCallID()
	p.contact = fmt.Sprintf(`<sip:%s@%s;transport=tls>;+sip.instance="<%s>"`, p.user.name, conn.LocalAddr(), p.user.instance)
	return nil
}

// run registers and answers requests until ctx or the connection ends.
func (p *softphone) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	defer close(p.ended)
	defer p.hangUpAll()
	defer p.conn.Close()
	p.register("")
	var framer wire.Framer
	buffer := make([]byte, 16<<10)
	for {
		n, err := p.conn.Read(buffer)
		framer.Write(buffer[:n])
		for {
			m, bad := framer.Next()
			if bad != nil {
				p.log.Error("magic user hung up", "user", p.user.name, "error", bad)
				return
			}
			if m == nil {
				break
			}
			p.handle(m)
		}
		if err != nil {
			if ctx.Err() == nil {
				p.log.Error("magic user lost its connection", "user", p.user.name, "error", err)
			}
			return
		}
	}
}

// waitRegistered returns when the softphone can be reached.
func (p *softphone) waitRegistered(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	select {
	case <-p.registered:
		return nil
	case <-p.ended:
	case <-ctx.Done():
	}
	return fmt.Errorf("magic user %s could not register: the log says why", p.user.name)
}

func (p *softphone) handle(m sip.Message) {
	switch m := m.(type) {
	case *sip.Request:
		if m.Method != sip.ACK {
			p.user.answer(p, m)
		}
	case *sip.Response:
		p.handleResponse(m)
	}
}

// handleResponse answers the challenge to REGISTER. Later requests need none:
// the connection has proved who it is.
func (p *softphone) handleResponse(res *sip.Response) {
	isRegister := strings.HasSuffix(wire.Header(res, "CSeq"), "REGISTER")
	switch {
	case isRegister && res.StatusCode == sip.StatusUnauthorized && p.cseq == 1:
		p.register(p.answerChallenge(res))
	case isRegister && res.StatusCode == sip.StatusOK:
		close(p.registered)
	case res.StatusCode >= 300:
		p.log.Warn("magic user was refused", "user", p.user.name, "status", res.StatusCode, "reason", res.Reason)
	}
}

// registration lasts for a day: the connection is watched anyhow.
const registration = "86400"

func (p *softphone) register(authorization string) {
	p.cseq++
	headers := []sip.Header{
		wire.H("Contact", p.contact),
		wire.H("Expires", registration),
		wire.H("Call-ID", p.callID),
	}
	if authorization != "" {
		headers = append(headers, wire.H("Authorization", authorization))
	}
	registrar := sip.Uri{Scheme: "sip", Host: p.domain}
	p.send(sip.REGISTER, registrar, p.aor(), nil, headers...)
}

func (p *softphone) agent() string { return "Sparkle " + p.user.name }

func (p *softphone) aor() string { return "<sip:" + p.user.name + "@" + p.domain + ">" }

// send writes a request. It waits for nothing.
func (p *softphone) send(method sip.RequestMethod, uri sip.Uri, to string, body []byte, headers ...sip.Header) {
	p.write(p.newRequest(method, uri, to, body, headers...))
}

func (p *softphone) newRequest(method sip.RequestMethod, uri sip.Uri, to string, body []byte, headers ...sip.Header) *sip.Request {
	headers = append([]sip.Header{
		wire.H("Via", fmt.Sprintf("SIP/2.0/TLS %s;branch=%s;rport", p.conn.LocalAddr(), wire.NewBranch())),
		wire.H("Max-Forwards", "70"),
		wire.H("From", p.aor()+";tag="+wire.NewTag()),
		wire.H("To", to),
		wire.H("CSeq", fmt.Sprintf("%d %s", p.cseq, method)),
		wire.H("User-Agent", p.agent()),
	}, headers...)
	return wire.NewRequest(string(method), uri, body, headers...)
}

func (p *softphone) write(m sip.Message) {
	if _, err := p.conn.Write(wire.Append(nil, m)); err != nil {
		p.log.Error("magic user cannot write", "user", p.user.name, "error", err)
	}
}

func (p *softphone) reply(req *sip.Request, status int) {
	p.write(wire.NewResponse(req, status, "", wire.H("Contact", p.contact)))
}

// replyOther answers what every user agent must.
func (p *softphone) replyOther(req *sip.Request) {
	switch req.Method {
	case sip.OPTIONS, sip.CANCEL, sip.BYE:
		p.reply(req, sip.StatusOK)
	default:
		p.reply(req, sip.StatusNotImplemented)
	}
}

// echo sends a text back to its sender, and nothing else: a receipt or an
// is-composing would go round for ever between two that echo.
func (p *softphone) echo(req *sip.Request) {
	contentType := wire.Header(req, "Content-Type")
	from, err := wire.ParseNameAddr(wire.Header(req, "From"))
	if err != nil || !strings.HasPrefix(strings.ToLower(contentType), "text/") || from.URI.User == p.user.name {
		return
	}
	p.cseq++
	to := sip.Uri{Scheme: "sip", User: from.URI.User, Host: from.URI.Host}
	p.send(sip.MESSAGE, to, "<"+to.String()+">", req.Body(), wire.H("Call-ID", wire.NewCallID()), wire.H("Content-Type", contentType))
}

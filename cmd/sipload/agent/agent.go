package agent

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config describes one user at one server.
type Config struct {
	Server    string // host:port
	Transport string // udp, tcp, tls, or for New wss
	Domain    string
	User      string
	Password  string
	Instance  string      // urn:uuid:…; "" registers without +sip.instance
	Specs     string      // +org.linphone.specs, "" for none
	Accept    string      // media types told in REGISTER, "" for none
	TLS       *tls.Config // nil accepts any certificate
}

// Agent is one user agent on one socket. Requests may be sent concurrently.
type Agent struct {
	Config
	// OnRequest answers requests that come in: a status line ("200 OK") and a
	// body (SDP for INVITE). "" keeps silent. Set it before the first request
	// can come; the default answers 200. It runs on the reading goroutine.
	OnRequest func(*Message) (status, body string)
	// OnResponse sees every response that no Do waits for, on the reading
	// goroutine.
	OnResponse func(*Message)

	conn    net.Conn
	contact string
	write   sync.Mutex
	closed  chan struct{}

	mu      sync.Mutex
	waiting map[string]chan *Message // by branch
	cseq    atomic.Uint32
}

// ErrClosed says that the connection to the server ended.
var ErrClosed = errors.New("connection closed by the server")

var counter atomic.Int64

// NewID returns a token that is unique on this machine for a while.
func NewID() string {
	return strconv.FormatInt(int64(os.Getpid()), 36) + "." + strconv.FormatInt(counter.Add(1), 36)
}

// Dial connects and starts to read.
func Dial(c Config) (*Agent, error) {
	conn, err := connect(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.User, err)
	}
	return New(c, conn), nil
}

// New starts to read from a connection that somebody else has made: from an
// address that the system would not choose, or a WebSocket (Transport "wss").
func New(c Config, conn net.Conn) *Agent {
	a := Attach(c, conn)
	go a.read()
	return a
}

// Attach is New for a connection that somebody else reads: he gives what comes
// to Feed, and says by Lost that nothing comes any more.
func Attach(c Config, conn net.Conn) *Agent {
	a := &Agent{Config: c, conn: conn, closed: make(chan struct{}), waiting: map[string]chan *Message{}}
	transport := c.Transport
	if transport == "wss" {
		transport = "ws" // RFC 7118 §5.2: the same parameter for both
	}
	a.contact = fmt.Sprintf("<sip:%s@%s;transport=%s>", c.User, conn.LocalAddr(), transport)
	return a
}

// Feed takes one message, complete and without what follows it.
func (a *Agent) Feed(b []byte) {
	if m, err := ParseDatagram(b); err == nil {
		a.handle(m)
	}
}

// Lost ends what waits for an answer. It is called once.
func (a *Agent) Lost() { close(a.closed) }

func connect(c Config) (net.Conn, error) {
	switch c.Transport {
	case "udp":
		return net.Dial("udp", c.Server)
	case "tcp":
		return net.DialTimeout("tcp", c.Server, 10*time.Second)
	case "tls":
		config := c.TLS
		if config == nil {
			config = &tls.Config{InsecureSkipVerify: true, ServerName: c.Domain}
		}
		return tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", c.Server, config)
	}
	return nil, fmt.Errorf("transport %q: use udp, tcp or tls", c.Transport)
}

// Handle changes OnRequest while requests come in.
func (a *Agent) Handle(on func(*Message) (status, body string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.OnRequest = on
}

// Close ends the connection without unregistering.
func (a *Agent) Close() { a.conn.Close() }

// Closed is closed when the connection has ended.
func (a *Agent) Closed() <-chan struct{} { return a.closed }

// AOR is the user's address-of-record as a SIP URI.
func (a *Agent) AOR() string { return "sip:" + a.User + "@" + a.Domain }

// Contact is the value of this agent's Contact header.
func (a *Agent) Contact() string { return a.contact }

// LocalAddr is the address of the socket.
func (a *Agent) LocalAddr() net.Addr { return a.conn.LocalAddr() }

// Write sends bytes as they are.
func (a *Agent) Write(b []byte) error {
	a.write.Lock()
	defer a.write.Unlock()
	_, err := a.conn.Write(b)
	return err
}

func (a *Agent) read() {
	defer close(a.closed)
	if a.Transport == "udp" {
		a.readDatagrams()
		return
	}
	r := bufio.NewReaderSize(a.conn, 2048)
	for {
		m, err := ReadMessage(r)
		if err != nil {
			return
		}
		a.handle(m)
	}
}

func (a *Agent) readDatagrams() {
	buf := make([]byte, 65535)
	for {
		n, err := a.conn.Read(buf)
		if err != nil {
			if strings.Contains(err.Error(), "refused") {
				continue // the server is away for a moment
			}
			return
		}
		a.Feed(buf[:n])
	}
}

func (a *Agent) handle(m *Message) {
	if m.Status() == 0 {
		a.answer(m)
		return
	}
	a.mu.Lock()
	ch := a.waiting[Param(m.Get("via"), "branch")]
	a.mu.Unlock()
	if ch == nil {
		if a.OnResponse != nil {
			a.OnResponse(m)
		}
		return
	}
	select {
	case ch <- m:
	default: // a retransmission that nobody waits for
	}
}

func (a *Agent) answer(m *Message) {
	if m.Method() == "ACK" {
		return
	}
	a.mu.Lock()
	on := a.OnRequest
	a.mu.Unlock()
	status, body := "200 OK", ""
	if on != nil {
		status, body = on(m)
	}
	if status != "" {
		a.Write(a.Response(m, status, body))
	}
}

// Response builds the answer to a request.
func (a *Agent) Response(m *Message, status, body string) []byte {
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for _, v := range m.All("via") {
		b.WriteString("Via: " + v + "\r\n")
	}
	for _, v := range m.All("record-route") {
		b.WriteString("Record-Route: " + v + "\r\n")
	}
	to := m.Get("to")
	if !strings.Contains(to, "tag=") {
		to += ";tag=" + NewID()
	}
	b.WriteString("From: " + m.Get("from") + "\r\nTo: " + to + "\r\nCall-ID: " + m.Get("call-id") + "\r\nCSeq: " + m.Get("cseq") + "\r\nContact: " + a.contact + "\r\n")
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	return []byte(b.String())
}

// Request is one request to be sent; empty fields are filled in by Do.
type Request struct {
	Method, URI string
	From        string // URI, "" for the address-of-record
	To          string // header value, "" for <URI>
	Contact     string // header value, "" for that of the agent
	CallID      string
	FromTag     string
	Headers     []string // further header lines without CRLF
	ContentType string
	Body        string
	CSeq        uint32 // of the last try
	Pinned      bool   // every try has the same CSeq: it is the same request, however often
	branch      string
}

func (a *Agent) fill(r *Request) {
	if r.To == "" {
		r.To = "<" + r.URI + ">"
	}
	if r.CallID == "" {
		r.CallID = NewID()
	}
	if r.FromTag == "" {
		r.FromTag = NewID()
	}
}

// Text is the request in wire form with a Via of the given branch.
func (a *Agent) Text(r *Request, authorization string) []byte {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.URI + " SIP/2.0\r\nVia: SIP/2.0/" + strings.ToUpper(a.Transport) + " " + a.conn.LocalAddr().String() + ";branch=" + r.branch + ";rport\r\n")
	b.WriteString("Max-Forwards: 70\r\nFrom: <" + cmp.Or(r.From, a.AOR()) + ">;tag=" + r.FromTag + "\r\nTo: " + r.To + "\r\nCall-ID: " + r.CallID + "\r\nCSeq: " + strconv.FormatUint(uint64(r.CSeq), 10) + " " + r.Method + "\r\n")
	if r.Method != "MESSAGE" && r.Method != "REGISTER" {
		b.WriteString("Contact: " + cmp.Or(r.Contact, a.contact) + "\r\n")
	}
	b.WriteString("User-Agent: sipload\r\n")
	for _, h := range r.Headers {
		b.WriteString(h + "\r\n")
	}
	if authorization != "" {
		b.WriteString(authorization + "\r\n")
	}
	if r.ContentType != "" {
		b.WriteString("Content-Type: " + r.ContentType + "\r\n")
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(r.Body)) + "\r\n\r\n" + r.Body)
	return []byte(b.String())
}

// Post sends a request and waits for nothing: OnResponse sees the answer.
func (a *Agent) Post(r *Request) error {
	a.fill(r)
	r.CSeq, r.branch = a.cseq.Add(1), "z9hG4bK"+NewID()
	return a.Write(a.Text(r, ""))
}

// Do sends a request, answers one challenge, and returns the final response.
func (a *Agent) Do(ctx context.Context, r *Request) (*Message, error) {
	a.fill(r)
	authorization := ""
	for range 3 {
		res, err := a.try(ctx, r, authorization)
		if err != nil {
			return nil, fmt.Errorf("%s by %s: %w", r.Method, a.User, err)
		}
		st := res.Status()
		if st != 401 && st != 407 {
			return res, nil
		}
		if authorization, err = a.authorize(r, res); err != nil {
			return nil, fmt.Errorf("%s by %s: %w", r.Method, a.User, err)
		}
	}
	return nil, fmt.Errorf("%s by %s: challenged again and again", r.Method, a.User)
}

// try sends the request once (and again over UDP while nothing is heard,
// RFC 3261 §17.1) and waits for the final response.
func (a *Agent) try(ctx context.Context, r *Request, authorization string) (*Message, error) {
	switch {
	case r.CSeq == 0:
		r.CSeq = a.cseq.Add(1)
	case !r.Pinned:
		r.CSeq++
	}
	r.branch = "z9hG4bK" + NewID()
	ch := make(chan *Message, 8)
	a.mu.Lock()
	a.waiting[r.branch] = ch
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.waiting, r.branch)
		a.mu.Unlock()
	}()
	text := a.Text(r, authorization)
	if err := a.Write(text); err != nil {
		return nil, err
	}
	res, err := a.await(ctx, text, ch)
	if err == nil && r.Method == "INVITE" && res.Status() >= 300 {
		a.Write(a.negativeACK(r, res))
	}
	return res, err
}

func (a *Agent) await(ctx context.Context, text []byte, ch chan *Message) (*Message, error) {
	var again <-chan time.Time
	interval := 500 * time.Millisecond // T1
	var timer *time.Timer
	if a.Transport == "udp" {
		timer = time.NewTimer(interval)
		defer timer.Stop()
		again = timer.C
	}
	for {
		select {
		case m := <-ch:
			if m.Status() >= 200 {
				return m, nil
			}
			again = nil
		case <-again:
			a.Write(text)
			interval = min(2*interval, 4*time.Second)
			timer.Reset(interval)
		case <-a.closed:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// negativeACK is the ACK of a non-2xx response (RFC 3261 §17.1.1.3).
func (a *Agent) negativeACK(r *Request, res *Message) []byte {
	ack := *r
	ack.Method, ack.To, ack.Body, ack.ContentType, ack.Headers = "ACK", res.Get("to"), "", "", nil
	return a.Text(&ack, "")
}

//go:build linux

package crowd

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// Setup describes a phone.
type Setup struct {
	User, Password string
	Transport      string // "udp", "tcp" or "tls"
	Room           bool   // it knows rooms
	Number         int    // of the user: unique, below 2^16
	Data           any    // the caller's
}

// Phone is one device of one user.
type Phone struct {
	Setup

	crowd   *Crowd
	tag     string
	contact string // the header line of a room device in answers, with CRLF

	mu    sync.Mutex
	conn  net.Conn
	agent *agent.Agent
	ready chan struct{} // closed while it is registered
}

// Add makes a phone, connects and registers it.
func (c *Crowd) Add(ctx context.Context, s Setup) (*Phone, error) {
	p := &Phone{Setup: s, crowd: c, tag: "t" + s.User, ready: make(chan struct{})}
	if s.Room {
		p.contact = "Contact: <" + p.GRUU() + ">;+org.linphone.specs=\"" + specs + "\"\r\n"
	}
	c.mu.Lock()
	c.phones[s.User] = p
	c.mu.Unlock()
	var err error
	if s.Transport == "udp" {
		err = c.place(p)
	} else {
		err = p.dial()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.User, err)
	}
	return p, p.Register(ctx)
}

// specs are what Linphone says of itself.
const specs = "groupchat/1.1"

func (p *Phone) instance() string {
	return fmt.Sprintf("urn:uuid:5a1f0000-0000-4000-8000-%012x", p.Number)
}

// GRUU is the address of this device of the user (RFC 5627).
func (p *Phone) GRUU() string { return p.AOR() + ";gr=" + p.instance() }

// AOR is the user's address.
func (p *Phone) AOR() string { return "sip:" + p.User + "@" + p.crowd.cfg.Domain }

// attach gives the phone a connection that is read elsewhere.
func (p *Phone) attach(conn net.Conn) *agent.Agent {
	c := agent.Config{Server: p.crowd.cfg.Server[p.Transport], Transport: p.Transport, Domain: p.crowd.cfg.Domain,
		User: p.User, Password: p.Password, Instance: p.instance()}
	if p.Room {
		c.Specs = specs
	}
	a := agent.Attach(c, conn)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn, p.agent = conn, a
	return a
}

// Register registers the phone once more.
func (p *Phone) Register(ctx context.Context) error {
	p.mu.Lock()
	a := p.agent
	p.mu.Unlock()
	if _, err := a.Register(ctx, 3600); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.agent == a { // and no later one
		select {
		case <-p.ready:
		default:
			close(p.ready)
		}
	}
	return nil
}

// Do sends a request when the phone is registered and returns the final answer.
func (p *Phone) Do(ctx context.Context, r *agent.Request) (*agent.Message, error) {
	p.mu.Lock()
	ready := p.ready
	p.mu.Unlock()
	select {
	case <-ready:
	case <-ctx.Done():
		return nil, fmt.Errorf("%s is not registered: %w", p.User, ctx.Err())
	}
	p.mu.Lock()
	a := p.agent
	p.mu.Unlock()
	return a.Do(ctx, r)
}

// lost is the end of the connection; it returns the agent that had it.
func (p *Phone) lost() *agent.Agent {
	p.crowd.counts.lost.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ready:
		p.ready = make(chan struct{})
	default:
	}
	return p.agent
}

func (p *Phone) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		p.conn.Close()
	}
}

// take handles one message, h with its body, and appends the answer to out.
func (p *Phone) take(h *head, whole, body, out []byte) []byte {
	if !h.request {
		p.mu.Lock()
		a := p.agent
		p.mu.Unlock()
		a.Feed(whole)
		return out
	}
	contact := ""
	switch string(h.method) {
	case "MESSAGE":
		p.crowd.cfg.OnMessage(p, Message{ID: h.id, CallID: h.callID, Body: body})
	case "ACK":
		return out
	case "INVITE":
		contact = p.contact
		if !bytes.Contains(h.to, []byte(";tag=")) {
			p.crowd.counts.joined.Add(1)
			go p.subscribe("sip:" + string(user(h.from)) + "@" + p.crowd.cfg.Domain)
		}
	case "BYE":
		p.crowd.counts.left.Add(1)
	case "NOTIFY":
		contact = p.contact
		p.crowd.counts.notified.Add(1)
	}
	return h.appendOK(out, p.tag, contact)
}

// subscribe asks for the members of a group, as Linphone does when it has been
// invited. A phone that fails shows the messages all the same.
func (p *Phone) subscribe(group string) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	_, _ = p.Do(ctx, &agent.Request{
		Method: "SUBSCRIBE", URI: group, From: p.GRUU(), Contact: "<" + p.GRUU() + ">;+org.linphone.specs=\"" + specs + "\"",
		Headers: []string{"Event: conference", "Expires: 600", "Last-Notify-Version: 0"},
	})
}

// requestTime is how long a phone waits for an answer.
const requestTime = 20 * time.Second

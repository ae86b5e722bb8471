package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// Thousands who say nothing, little, or do not listen cost the others nothing:
// the chat of two users goes on without delay, memory stays bounded, and those
// who are late are disconnected within their limits.
func TestSlowPeers(t *testing.T) {
	t.Parallel()
	s := startOffice(t, map[string]string{"connections_per_address": "5000", "handshake": `"3s"`})
	before := s.resident(t)
	chat := s.keepChatting(t, "alice", "bob")

	var peers sync.WaitGroup
	silent := make([]net.Conn, 2000)
	for i := range silent {
		silent[i] = s.dialRaw(t, "tcp")
		peers.Go(func() { ended(t, silent[i], "silent") })
	}
	hello := clientHello(t)
	for i := range 300 {
		conn, err := net.Dial("tcp", s.addr("tls"))
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(hello[:i*len(hello)/300])
		peers.Go(func() { ended(t, conn, "half a handshake") })
	}
	peers.Go(func() { s.trickle(t) })
	peers.Go(func() { s.shoutAndNotListen(t) })
	grown := s.resident(t) - before
	peers.Wait()
	grown = max(grown, s.resident(t)-before)

	chat.end(t)
	t.Logf("%.0f MB more with 2,300 of them", grown)
	if limit := 64.0 * raceFactor(); grown > limit {
		t.Errorf("they cost %.0f MB, want at most %.0f", grown, limit)
	}
	eventually(t, limit, "all of them are gone", func() bool { return s.metric(t, `sparkle_transport_connections{transport="TCP"}`) == 0 })
}

// ended waits for the server to close a connection that it owes nothing.
func ended(t *testing.T, conn net.Conn, what string) {
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(limit))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: still open after %v", what, limit)
	}
}

// clientHello is the first flight of a TLS client.
func clientHello(t *testing.T) []byte {
	t.Helper()
	server, client := net.Pipe()
	defer client.Close()
	go tls.Client(client, &tls.Config{ServerName: "sip.example.test"}).Handshake()
	b := make([]byte, 16<<10)
	n, err := server.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// trickle sends a request of a registered user an octet a second: after a whole
// one a connection has 10 s for the next.
func (s *server) trickle(t *testing.T) {
	carol := s.agent(t, "carol", "tcp")
	begin := time.Now()
	if _, err := carol.Register(short(t), 600); err != nil {
		t.Error(err)
		return
	}
	for _, octet := range []byte("OPTIONS sip:example.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKslow\r\n") {
		carol.Write([]byte{octet})
		select {
		case <-carol.Closed():
			if took := time.Since(begin); took < 10*time.Second {
				t.Errorf("an octet a second was refused after %v", took)
			}
			return
		case <-time.After(time.Second):
			if time.Since(begin) > limit {
				t.Error("an octet a second is served for ever")
				return
			}
		}
	}
}

// shoutAndNotListen asks without end and reads no answer: what waits for the
// peer is bounded.
func (s *server) shoutAndNotListen(t *testing.T) {
	conn, err := net.Dial("tcp", s.addr("tcp"))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	begin := time.Now()
	for i := 0; ; i++ {
		conn.SetWriteDeadline(time.Now().Add(limit))
		if _, err := conn.Write(strangersRequest("OPTIONS", "TCP", fmt.Sprint("deaf", i), s.Ready.Domain)); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("neither read from nor closed")
			}
			return
		}
		if time.Since(begin) > 2*limit {
			t.Error("who never reads is served for ever")
			return
		}
	}
}

// strangersRequest is a request of somebody whom nobody knows.
func strangersRequest(method, transport, id, domain string) []byte {
	return fmt.Appendf(nil, "%[1]s sip:%[4]s SIP/2.0\r\nVia: SIP/2.0/%[2]s 127.0.0.1:9;branch=z9hG4bK%[3]s;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:alice@%[4]s>;tag=%[3]s\r\nTo: <sip:bob@%[4]s>\r\nCall-ID: %[3]s\r\nCSeq: 1 %[1]s\r\nContact: <sip:alice@127.0.0.1:9>\r\nContent-Length: 0\r\n\r\n",
		method, transport, id, domain)
}

// A device that does not read holds up nobody, is disconnected, and gets what
// it missed when it comes back.
func TestDeafDevice(t *testing.T) {
	s := startOffice(t, nil)
	chat := s.keepChatting(t, "alice", "bob")
	conn := &deafConn{Conn: s.dialFrom(t, "tls", "127.0.0.1"), ended: make(chan struct{})}
	deaf := s.agentOn(t, "carol", "tls", conn)
	deaf.Instance = "urn:uuid:00000000-0000-4000-8000-0000000000ca"
	if _, err := deaf.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	conn.deaf.Store(true)

	const n = 200
	bob := s.agent(t, "bob", "tls")
	before := s.resident(t)
	for i := range n {
		text := fmt.Sprint(i, " ", strings.Repeat("很长", 8000)) // 48 kB
		if _, err := bob.Message(short(t), "carol", text); err != nil {
			t.Fatal(err)
		}
	}
	if grown, limit := s.resident(t)-before, 64*raceFactor(); grown > limit {
		t.Errorf("%.0f MB more for a device that does not read, want at most %.0f", grown, limit)
	}
	conn.Close()
	back := s.recorder(t, "carol", deaf.Instance)
	eventually(t, limit, "it has all that it missed", func() bool { return back.len() == n })
	chat.end(t)
	back.mu.Lock()
	defer back.mu.Unlock()
	for i, text := range back.texts {
		if !strings.HasPrefix(text, fmt.Sprint(i, " ")) {
			t.Fatalf("place %d has message %.10s", i, text)
		}
	}
}

// deafConn reads nothing once it is deaf.
type deafConn struct {
	net.Conn
	deaf  atomic.Bool
	ended chan struct{}
	once  sync.Once
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.deaf.Load() {
		<-c.ended
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.ended) })
	return c.Conn.Close()
}

// chatter is two users who write while the server has trouble with others.
type chatter struct {
	stop  chan struct{}
	ended chan struct{}
	times []time.Duration // from sending to the other one's screen
	lost  error
	// How slow this computer is: the slowest text before the trouble, and how much
	// too late it wakes somebody who waits meanwhile.
	calm, late time.Duration
}

// keepChatting lets one user write to another until end.
func (s *server) keepChatting(t *testing.T, from, to string) *chatter {
	t.Helper()
	c := &chatter{stop: make(chan struct{}), ended: make(chan struct{})}
	reader, writer := s.agent(t, to, "tls"), s.agent(t, from, "tls")
	got := make(chan string, 16)
	reader.OnRequest = func(m *agent.Message) (string, string) {
		if bytes.HasPrefix(m.Body, []byte("chat ")) {
			got <- string(m.Body)
		}
		return "200 OK", ""
	}
	if _, err := reader.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := c.exchange(t, writer, to, fmt.Sprint("chat begins ", i), got); err != nil {
			t.Fatal(err)
		}
	}
	c.calm, c.times = slices.Max(c.times), nil
	go func() {
		defer close(c.ended)
		for i := 0; c.lost == nil && (i == 0 || c.wait()); i++ {
			c.lost = c.exchange(t, writer, to, fmt.Sprint("chat ", i), got)
		}
	}()
	return c
}

// wait pauses between two texts and tells whether there is to be another.
func (c *chatter) wait() bool {
	const pause = 20 * time.Millisecond
	begin := time.Now()
	select {
	case <-c.stop:
		return false
	case <-time.After(pause):
		c.late = max(c.late, time.Since(begin)-pause)
		return true
	}
}

// exchange writes one text and waits until it is shown.
func (c *chatter) exchange(t *testing.T, writer *agent.Agent, to, text string, got <-chan string) error {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	begin := time.Now()
	if _, err := writer.Message(ctx, to, text); err != nil {
		return err
	}
	for {
		select {
		case shown := <-got:
			if shown == text {
				c.times = append(c.times, time.Since(begin))
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("%q is not shown after %v", text, limit)
		}
	}
}

// end stops the chat and looks at how it went.
func (c *chatter) end(t *testing.T) {
	t.Helper()
	close(c.stop)
	<-c.ended
	if c.lost != nil {
		t.Errorf("the chat of others broke: %v", c.lost)
	}
	if len(c.times) == 0 {
		t.Error("the others wrote nothing")
		return
	}
	slices.Sort(c.times)
	p99 := c.times[len(c.times)*99/100]
	t.Logf("meanwhile %d texts of others: half within %v, 99 of 100 within %v; before it all within %v; who waited was woken %v late", len(c.times), c.times[len(c.times)/2], p99, c.calm, c.late)
	if p99 > max(time.Second, 20*c.calm, 10*c.late) {
		t.Errorf("the chat of others was slow: 99 of 100 within %v", p99)
	}
}

// raceFactor is how much more memory the race detector takes.
func raceFactor() float64 {
	if os.Getenv("SPARKLE_E2E_RACE") != "" {
		return 8
	}
	return 1
}

//go:build linux

package crowd

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// Config of a Crowd.
type Config struct {
	Server map[string]string // host:port by transport
	Domain string
	// OnMessage takes each MESSAGE, on the goroutine that reads the phone's
	// socket; what it is given is valid only during the call. Messages of one
	// phone come one after the other.
	OnMessage func(p *Phone, m Message)
}

// Message is a MESSAGE as it came.
type Message struct {
	ID, CallID, Body []byte // ID is the Sparkle-Id
}

// Crowd is many phones. Its methods may be called concurrently.
type Crowd struct {
	cfg       Config
	tls       *tls.Config
	handshake chan struct{} // a place for each connection that is being made
	closed    atomic.Bool
	done      sync.WaitGroup

	mu      sync.Mutex
	phones  map[string]*Phone
	sockets []*socket // the last one may have room for more phones

	counts counts
}

type counts struct{ joined, left, notified, lost atomic.Int64 }

// handshakes is how many connections are made at once.
const handshakes = 8

// New makes a crowd without phones.
func New(c Config) *Crowd {
	return &Crowd{
		cfg: c,
		tls: &tls.Config{
			InsecureSkipVerify: true, // loopback; the server made its certificate a moment ago
			ServerName:         c.Domain,
		},
		handshake: make(chan struct{}, handshakes),
		phones:    map[string]*Phone{},
	}
}

// Joined counts the INVITEs of focuses that phones have taken.
func (c *Crowd) Joined() int64 { return c.counts.joined.Load() }

// Left counts the BYEs.
func (c *Crowd) Left() int64 { return c.counts.left.Load() }

// Notified counts the NOTIFYs.
func (c *Crowd) Notified() int64 { return c.counts.notified.Load() }

// Lost counts the connections that ended.
func (c *Crowd) Lost() int64 { return c.counts.lost.Load() }

// Close ends all phones without unregistering them, and returns when nothing is
// read any more.
func (c *Crowd) Close() {
	c.closed.Store(true)
	c.mu.Lock()
	for _, p := range c.phones {
		p.hangUp()
	}
	for _, s := range c.sockets {
		s.conn.Close()
	}
	c.mu.Unlock()
	c.done.Wait()
}

var errClosed = errors.New("the crowd has gone home")

// find returns the phone of a user.
func (c *Crowd) find(user []byte) *Phone {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phones[string(user)]
}

// connect makes a connection, some at once.
func (c *Crowd) connect(transport string) (net.Conn, error) {
	c.handshake <- struct{}{}
	defer func() { <-c.handshake }()
	conn, err := net.Dial("tcp", c.cfg.Server[transport])
	if err != nil || transport == "tcp" {
		return conn, err
	}
	secure := tls.Client(conn, c.tls)
	if err := secure.Handshake(); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

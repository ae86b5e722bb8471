//go:build linux

package crowd

import (
	"bytes"
	"context"
	"net"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// dial connects a phone over TCP or TLS and starts to read.
func (p *Phone) dial() error {
	conn, err := p.crowd.connect(p.Transport)
	if err != nil {
		return err
	}
	p.attach(conn)
	p.crowd.done.Go(func() { p.read(conn) })
	return nil
}

// again is how long a phone waits before it connects once more.
const again = 200 * time.Millisecond

// read serves connections of the phone, one after the other.
func (p *Phone) read(conn net.Conn) {
	in := inflow{buf: make([]byte, 4096)}
	for conn != nil {
		in.serve(p, conn)
		conn.Close()
		p.lost().Lost()
		conn = p.redial()
	}
}

// redial connects and registers again, however often that takes, nil: the crowd
// goes home.
func (p *Phone) redial() net.Conn {
	for !p.crowd.closed.Load() {
		time.Sleep(again)
		conn, err := p.crowd.connect(p.Transport)
		if err != nil {
			continue
		}
		a := p.attach(conn)
		if p.crowd.closed.Load() { // and has missed this connection
			conn.Close()
		}
		go p.comeBack(a)
		return conn
	}
	return nil
}

// comeBack registers until it succeeds or the connection of a ends.
func (p *Phone) comeBack(a *agent.Agent) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), requestTime)
		err := p.Register(ctx)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-a.Closed():
			return
		case <-time.After(again):
		}
	}
}

// inflow cuts a stream into messages.
type inflow struct {
	buf        []byte
	start, end int // of what was not taken yet
	head       head
	out        []byte
}

// serve reads conn until it ends.
func (in *inflow) serve(p *Phone, conn net.Conn) {
	in.start, in.end = 0, 0
	for {
		if in.start == in.end {
			in.start, in.end = 0, 0
		}
		if in.end == len(in.buf) {
			in.room()
		}
		n, err := conn.Read(in.buf[in.end:])
		if err != nil {
			return
		}
		in.end += n
		in.out = in.out[:0]
		for in.next(p) {
		}
		if len(in.out) > 0 {
			if _, err := conn.Write(in.out); err != nil {
				return
			}
		}
	}
}

// room makes room behind what is there.
func (in *inflow) room() {
	if in.start > 0 {
		in.end = copy(in.buf, in.buf[in.start:in.end])
		in.start = 0
		return
	}
	in.buf = append(in.buf, make([]byte, len(in.buf))...)
}

// next takes one message when it is complete.
func (in *inflow) next(p *Phone) bool {
	b := in.buf[in.start:in.end]
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') { // keep-alive (RFC 5626 §3.5.1)
		b = b[1:]
		in.start++
	}
	n := bytes.Index(b, blank)
	if n < 0 {
		return false
	}
	n += len(blank)
	if err := in.head.read(b[:n]); err != nil {
		in.start += n
		return true
	}
	whole := n + in.head.length
	if len(b) < whole {
		return false
	}
	in.start += whole
	in.out = p.take(&in.head, b[:whole], b[n:whole], in.out)
	return true
}

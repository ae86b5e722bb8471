package media

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/secure"
	"github.com/sparkleim/sparkle/media/transport"
)

const (
	// handshakeTime is how long a peer may take. One that fails may begin again.
	handshakeTime = 30 * time.Second
	// headStart is how long somebody who is not where the SDP says has the
	// handshake to himself: as long as nobody has proved who he is, another may be
	// the peer.
	headStart = int64(time.Second)
	// pause bounds how many handshakes a stranger makes us begin.
	pause = int64(100 * time.Millisecond)
	// handshakeRecord is the content type of a ClientHello (RFC 6347 §4.1).
	handshakeRecord = 22
)

// association is a DTLS association of one component, and its handshake.
type association struct {
	component *component
	pipe      *secure.Pipe
	remote    atomic.Pointer[netip.AddrPort]
	began     int64
	done      bool // the handshake has ended well
}

// hello is a ClientHello that came before the answer that tells whose it is
// (RFC 5763 §5: media may be faster than signalling). Without it the peer would
// wait a second to send it again.
type hello struct {
	b    []byte // nil: none
	from netip.AddrPort
}

// prints are the fingerprints that the peer may have, nil when the component
// does no DTLS.
func (p *component) prints() []string {
	if len(p.link.streams) == 0 || p.link.streams[0].plan.Keying != negotiate.DTLS {
		return nil
	}
	return p.link.streams[0].plan.Prints
}

// associate takes a DTLS datagram.
func (p *component) associate(b []byte, from netip.AddrPort, at int64) {
	switch a := p.dtls; {
	case len(p.link.streams) == 0:
		if b[0] == handshakeRecord && p.link.leg.profile.SRTP != Forbid && p.link.leg.profile.allows(from.Addr()) {
			p.hello = hello{bytes.Clone(b), from}
		}
	case p.prints() == nil:
		p.link.drop(unwanted)
	case a != nil && *a.remote.Load() == from:
		a.pipe.Push(b)
	case b[0] != handshakeRecord || !p.mayBegin(from, at):
		p.link.drop(stranger)
	default:
		p.disassociate()
		p.begin(from, false, at).pipe.Push(b)
	}
}

// mayBegin tells whether somebody may begin a handshake: with ICE whom the peer
// nominated; otherwise first who is where the SDP says, then anybody, since only
// the peer has the certificate.
func (p *component) mayBegin(from netip.AddrPort, at int64) bool {
	if p.kind == transport.Nominated {
		source, ok := p.latch.Source()
		return ok && source == from && p.dtls == nil
	}
	switch a := p.dtls; {
	case !p.link.leg.profile.allows(from.Addr()) || at-p.began < pause && from != p.sdp:
		return false
	case a == nil:
		return true
	case a.done:
		return false
	}
	return from == p.sdp || at-p.dtls.began > headStart && *p.dtls.remote.Load() != p.sdp
}

// begin starts the handshake with somebody.
func (p *component) begin(with netip.AddrPort, client bool, at int64) *association {
	a := &association{component: p, began: at}
	a.remote.Store(&with)
	socket := p.socket.Load()
	a.pipe = secure.NewPipe(func(b []byte) { socket.Send(b, *a.remote.Load()) })
	p.dtls, p.began = a, at
	engine, loop, prints := p.link.leg.session.engine, p.link.leg.session.worker.loop, p.prints()
	engine.running.Go(func() {
		ctx, cancel := context.WithTimeout(engine.ctx, handshakeTime)
		defer cancel()
		keys, err := engine.identity.Handshake(ctx, a.pipe, client, prints)
		loop.Go(func() { a.finish(keys, err) })
	})
	return a
}

// finish takes what the handshake agreed.
func (a *association) finish(keys secure.Keys, err error) {
	p := a.component
	if p.dtls != a {
		return // given up for another
	}
	session := p.link.leg.session
	var in *secure.Inbound
	var out *secure.Outbound
	if err == nil {
		in, err = secure.NewInbound(keys.Suite, keys.Inbound, nil)
	}
	if err == nil {
		out, err = secure.NewOutbound(keys.Suite, keys.Outbound, nil)
	}
	if err != nil {
		session.engine.metrics.handshakesFailed.Add(1)
		session.engine.config.Log.Debug("a DTLS handshake failed: the peer may begin another", "error", err)
		p.disassociate()
		return
	}
	session.engine.metrics.handshakes.Add(1)
	p.in, p.out, p.suite, a.done = in, out, keys.Suite, true
	now := session.engine.network.Now()
	p.latch.Authenticated(*a.remote.Load(), now)
	p.link.leg.heard = now
}

// found goes on with a handshake at the address where ICE found the peer, or
// begins it there.
func (p *component) found(at netip.AddrPort) {
	switch {
	case p.dtls != nil:
		p.dtls.remote.Store(&at)
	case p.prints() != nil && p.link.streams[0].plan.Client:
		p.begin(at, true, p.link.leg.session.engine.network.Now())
	case p.hello.b != nil && p.hello.from == at && p.prints() != nil:
		p.resume()
	}
}

// reassociate begins an association anew when the peer is another or wants one
// (RFC 8842 §4), and ends it when DTLS is no longer used.
func (p *component) reassociate(c *change) {
	if c.plan.Keying != negotiate.DTLS {
		p.disassociate()
		return
	}
	if c.old != nil && c.old.Keying == negotiate.DTLS && c.old.TLSID == c.plan.TLSID && slices.Equal(c.old.Prints, c.plan.Prints) {
		return
	}
	p.disassociate()
	p.in, p.out, p.suite = nil, nil, secure.NoSuite
}

// greet begins what the association of a new plan needs: our ClientHello, or the
// answer to one that came before.
func (p *component) greet(now int64) {
	switch {
	case p.dtls != nil || p.prints() == nil:
	case p.link.streams[0].plan.Client:
		if remote, ok := p.latch.Remote(now); ok {
			p.begin(remote, true, now)
		}
	case p.hello.b != nil:
		p.resume()
	}
}

// resume takes the ClientHello that came early.
func (p *component) resume() {
	h := p.hello
	p.hello = hello{}
	p.associate(h.b, h.from, p.link.leg.session.engine.network.Now())
}

// disassociate ends the association, if there is one.
func (p *component) disassociate() {
	if p.dtls != nil {
		p.dtls.pipe.Close()
		p.dtls = nil
	}
}

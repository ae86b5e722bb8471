package media

import (
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/rtp"
	"github.com/sparkleim/sparkle/media/secure"
	"github.com/sparkleim/sparkle/media/transport"
)

// link is a transport of a leg: a pair of ports and who is at the other end. The
// streams of a bundle (RFC 9143) share one. It belongs to the loop from the
// moment that its ports are open.
type link struct {
	leg       *Leg
	pair      *transport.Pair
	rtp, rtcp component
	both      [2]*component  // of them
	ice       *transport.ICE // nil: none
	streams   []*stream      // that it carries
	opaque    bool           // what comes is not RTP (T.38)
	mux       bool           // RTCP goes over the port of RTP (RFC 5761)
	closed    bool
}

// component is one socket of a link, as ICE calls it: RTP or RTCP.
type component struct {
	link    *link
	socket  atomic.Pointer[transport.Socket] // nil before both ports are open, when packets may come already
	latch   *transport.Latch                 // nil before the first answer, but with ICE
	kind    transport.LatchKind
	sdp     netip.AddrPort   // where the peer says it is
	secured bool             // nothing passes without keys
	in      *secure.Inbound  // nil: no keys yet
	out     *secure.Outbound // nil: no keys yet
	dtls    *association     // nil: none
	began   int64            // when it began, or the one before
	suite   secure.Suite     // that DTLS agreed
	hello   hello            // that came before we knew whose it is
}

// newLink makes a link without ports. Connectivity checks may come to it before
// the answer (RFC 8445 §7.3), so ICE has its latches at once.
func newLink(l *Leg, ice *transport.ICE) *link {
	k := &link{leg: l, ice: ice}
	k.rtp.link, k.rtcp.link = k, k
	k.both = [...]*component{&k.rtp, &k.rtcp}
	if ice != nil {
		k.rtp.find(transport.Nominated, netip.AddrPort{})
		k.rtcp.find(transport.Nominated, netip.AddrPort{})
	}
	return k
}

// take gives a link its ports.
func (k *link) take(pair *transport.Pair) {
	k.pair = pair
	k.rtp.socket.Store(pair.RTP)
	k.rtcp.socket.Store(pair.RTCP)
}

// control is the component of RTCP.
func (k *link) control() *component {
	if k.mux {
		return &k.rtp
	}
	return &k.rtcp
}

// components are those in use.
func (k *link) components() []*component {
	if k.mux {
		return k.both[:1]
	}
	return k.both[:]
}

// close gives the ports back.
func (k *link) close() {
	if k.closed {
		return
	}
	k.closed = true
	for _, c := range k.both {
		c.disassociate()
	}
	k.pair.Close()
	k.leg.links = slices.DeleteFunc(k.leg.links, func(other *link) bool { return other == k })
	k.leg.session.engine.metrics.ports.Add(-2)
}

// apply takes what was agreed for the m-line whose ports these are.
func (k *link) apply(c *change) {
	if !slices.Contains(k.leg.links, k) {
		k.leg.links = append(k.leg.links, k)
	}
	k.opaque, k.ice = c.plan.Opaque, c.ice
	if c.plan.ICE != nil && k.ice != nil {
		k.ice.SetRemote(c.plan.ICE.Ufrag)
	}
	if c.plan.Mux && !k.mux {
		k.mux = true
		k.rtcp.disassociate()
		k.pair.CloseRTCP()
	}
	for _, p := range k.components() {
		p.apply(c)
	}
}

// apply takes what was agreed, from the address to the keys.
func (p *component) apply(c *change) {
	sdp := c.plan.Remote
	if p != &p.link.rtp {
		sdp = c.plan.RTCP
	}
	p.find(latchKind(c.plan, &p.link.leg.profile), sdp)
	secured := c.plan.Keying != negotiate.Plain && !c.plan.Opaque
	if !secured || !p.secured {
		p.in, p.out = nil, nil
	}
	p.secured = secured
	if c.in != nil {
		p.in = c.in
	}
	if c.out != nil {
		p.out = c.out
	}
	p.reassociate(c)
}

// find tells the latch where the peer says it is.
func (p *component) find(kind transport.LatchKind, sdp netip.AddrPort) {
	profile := &p.link.leg.profile
	if p.latch != nil && p.kind == kind {
		// ICE knows better than the SDP, perhaps since before the answer, and who holds
		// by c=0.0.0.0 (RFC 3264 §8.4) is still where he was.
		if kind != transport.Nominated && sdp.IsValid() {
			p.sdp = sdp
			p.latch.Update(sdp, profile.Peer)
		}
		return
	}
	p.sdp = sdp
	p.kind, p.latch = kind, transport.NewLatch(kind, sdp, profile.Peer, profile.allows)
}

// latchKind is by what the peer of a stream is known.
func latchKind(plan *negotiate.Stream, profile *Profile) transport.LatchKind {
	switch {
	case plan.ICE != nil:
		return transport.Nominated
	case plan.Keying != negotiate.Plain && !plan.Opaque:
		return transport.Proven
	case profile.NAT:
		return transport.Learn
	}
	return transport.Strict
}

// Packet implements transport.Handler.
func (p *component) Packet(b []byte, from netip.AddrPort, at int64) {
	k := p.link
	if k.opaque {
		k.forward(p, b, from, at)
		return
	}
	switch transport.Classify(b) {
	case transport.STUN:
		p.check(b, from, at)
	case transport.DTLS:
		p.associate(b, from, at)
	case transport.RTP:
		p.media(b, from, at)
	case transport.RTCP:
		p.report(b, from, at)
	case transport.ZRTP:
		p.zrtp(b, from, at)
	default:
		k.drop(malformed)
	}
}

// check answers a connectivity check (RFC 8445 §7.3).
func (p *component) check(b []byte, from netip.AddrPort, at int64) {
	socket := p.socket.Load()
	if p.link.ice == nil || socket == nil {
		p.link.drop(unwanted)
		return
	}
	taken, alive := p.link.ice.Check(socket, p.latch, b, from, at)
	if !alive {
		p.link.drop(unauthentic)
		return
	}
	p.link.leg.heard = at // RFC 7675: consent is life
	if taken {
		p.found(from)
	}
}

// media takes an RTP packet.
func (p *component) media(b []byte, from netip.AddrPort, at int64) {
	header, ok := rtp.Check(b)
	if !ok || p != &p.link.rtp {
		p.link.drop(malformed)
		return
	}
	switch {
	case len(p.link.streams) == 0:
		p.link.drop(unanswered)
		return
	case p.secured:
		if b = p.open(b, from, at); b == nil {
			return
		}
	case !p.latch.Candidate(from, b[:header], at):
		p.link.drop(stranger)
		return
	}
	if s := p.link.demux(b, header); s != nil {
		s.receive(b, header, at)
	} else {
		p.link.drop(payload)
	}
}

// open verifies and decrypts an SRTP packet and lets the latch learn from it;
// nil when it is dropped.
func (p *component) open(b []byte, from netip.AddrPort, at int64) []byte {
	if p.in == nil {
		p.link.drop(unkeyed)
		return nil
	}
	b, err := p.in.RTP(b)
	if err != nil {
		p.link.drop(reasonOf(err))
		return nil
	}
	p.latch.Authenticated(from, at)
	return b
}

// reasonOf is why secure refused a packet.
func reasonOf(err error) reason {
	switch {
	case errors.Is(err, secure.ErrAuthentication):
		return unauthentic
	case errors.Is(err, secure.ErrReplay):
		return replayed
	case errors.Is(err, secure.ErrSources):
		return sources
	case errors.Is(err, secure.ErrExhausted):
		return unkeyed
	}
	return malformed
}

// demux finds the stream of a packet: by its MID, then by its payload number,
// then by its SSRC (RFC 9143 §9.2). nil: it is nobody's.
func (k *link) demux(b []byte, header int) *stream {
	if len(k.streams) == 1 {
		return k.streams[0]
	}
	for _, s := range k.streams {
		if s.named(b, header) {
			return s
		}
	}
	number := rtp.PayloadType(b)
	for _, s := range k.streams {
		if s.knows(number) {
			return s
		}
	}
	return nil
}

// forward relays a datagram that is not RTP.
func (k *link) forward(p *component, b []byte, from netip.AddrPort, at int64) {
	s := k.streams[0]
	switch {
	case p != &k.rtp:
		k.drop(unwanted)
		return
	case !p.latch.Candidate(from, nil, at):
		k.drop(stranger)
		return
	case s.peer == nil || !s.peer.link.opaque:
		k.drop(unconnected)
		return
	}
	k.leg.heard = at
	s.received.count(len(b))
	s.peer.forward(b, at)
}

// zrtp relays a packet of a key agreement from end to end (RFC 6189), which only
// plain streams of the same numbers can carry.
func (p *component) zrtp(b []byte, from netip.AddrPort, at int64) {
	k := p.link
	switch {
	case p != &k.rtp || p.secured || len(k.streams) != 1:
		k.drop(unwanted)
		return
	case !p.latch.Candidate(from, nil, at):
		k.drop(stranger)
		return
	}
	s := k.streams[0]
	if s.peer == nil || !s.untouched {
		k.drop(unwanted)
		return
	}
	k.leg.heard = at
	s.zrtp, s.peer.zrtp = true, true
	s.peer.forward(b, at)
}

// drop counts a packet that went nowhere.
func (k *link) drop(r reason) {
	if len(k.streams) > 0 {
		k.streams[0].drop(r)
		return
	}
	k.leg.session.worker.drops[r]++
}

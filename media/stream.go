package media

import (
	"net/netip"
	"slices"

	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/rtp"
)

// stream is one m-line of a leg: what its peer sends and is sent. It belongs to
// the loop.
type stream struct {
	leg    *Leg
	kind   string
	link   *link             // nil: it has ended
	plan   *negotiate.Stream // what was agreed last
	used   [2]uint64         // a bit a payload number that the peer may send
	heard  bool              // the peer sent something: under number and ssrc last
	number uint8
	ssrc   uint32

	// Towards the other leg.
	peer       *stream // where packets go; nil: nowhere
	payloads   *rtp.Payloads
	untouched  bool   // packets pass as they are
	extensions uint16 // header extensions that pass, a bit an ID
	zrtp       bool   // the parties have keys of their own: RTCP is not ours to read

	receiver rtp.Receiver
	rewriter *rtp.Rewriter // of what is sent to this leg
	reports  *rtp.Reports
	feedback *rtp.Feedback
	received tally // of what is not RTP
	sent     tally
	drops    [reasons]uint64
	ended    summary // what it was when it ended
}

// tally counts datagrams and their bytes.
type tally struct{ packets, bytes uint64 }

func (t *tally) count(n int) {
	t.packets++
	t.bytes += uint64(n)
}

func newStream(l *Leg, plan *negotiate.Stream) *stream {
	s := &stream{leg: l, kind: plan.Kind, plan: plan}
	of := rtp.Video
	if plan.Kind == "audio" {
		of = rtp.Audio
	}
	s.rewriter = rtp.NewRewriter(of, false)
	s.reports = rtp.NewReports(l.cname, &s.receiver, s.rewriter)
	s.feedback = rtp.NewFeedback(s.rewriter, 0)
	return s
}

// apply takes what was agreed.
func (s *stream) apply(c *change) {
	if s.link != nil && s.link != c.link {
		s.link.streams = slices.DeleteFunc(s.link.streams, func(other *stream) bool { return other == s })
	}
	if c.link == nil && s.link != nil {
		s.ended = s.summary()
	}
	s.link, s.plan = c.link, c.plan
	if s.link == nil {
		return
	}
	if s.peer != nil && c.another() {
		s.peer.rewriter.Switch() // its numbers may be anything, under an SSRC that we know
	}
	if !slices.Contains(s.link.streams, s) {
		s.link.streams = append(s.link.streams, s)
	}
	s.used = [2]uint64{}
	for _, codec := range s.plan.Receiving {
		s.used[codec.Number>>6&1] |= 1 << (codec.Number & 63)
	}
	s.rewriter.SetResend(s.plan.Feedback&negotiate.NACK != 0)
	s.feedback.SetAllowed(kinds(s.plan.Feedback))
}

// connect makes another stream, of the connected leg, the one where packets of
// this one go; nil: none.
func (s *stream) connect(peer *stream, numbers *rtp.Payloads, untouched bool) {
	fresh := s.peer != peer
	if fresh {
		s.zrtp = false
		s.rewriter.Switch()
	}
	s.peer, s.payloads, s.untouched = peer, numbers, untouched
	s.extensions = 0
	if peer != nil {
		s.extensions = shared(s.plan, peer.plan)
	}
	s.rewriter.SetUntouched(untouched)
	if fresh && peer != nil && s.heard {
		s.askPicture()
	}
}

// askPicture asks the peer for a whole picture: who sees it from now on missed
// the last one.
func (s *stream) askPicture() {
	now := s.leg.session.engine.network.Now()
	packet := s.prefix()
	prefix := len(packet)
	if packet = s.feedback.Picture(packet, s.ssrc, now); len(packet) > prefix {
		s.sendControl(packet, now)
	}
}

// knows tells whether the peer may send a payload number.
func (s *stream) knows(number uint8) bool { return s.used[number>>6&1]&(1<<(number&63)) != 0 }

// receive takes a packet of the peer that is its own beyond doubt.
func (s *stream) receive(b []byte, header int, at int64) {
	s.leg.heard = at
	number := rtp.PayloadType(b)
	if !s.knows(number) {
		s.drop(payload)
		return
	}
	s.number, s.ssrc, s.heard = number, rtp.SSRC(b), true
	p := s.payloads.Lookup(number)
	if !s.receiver.Receive(b, header, p, at) {
		s.drop(sources)
		return
	}
	to := s.peer
	switch {
	case to == nil:
		s.drop(unconnected)
	case !s.plan.Receive || !to.plan.Send: // RFC 3264 §5.1, §8.4
		s.drop(held)
		to.rewriter.Switch() // what is held back is no loss
	case p == nil:
		s.drop(payload)
	default:
		s.relay(to, b, header, p, at)
	}
}

// relay sends a packet to the peer of another stream.
func (s *stream) relay(to *stream, b []byte, header int, p *rtp.Payload, at int64) {
	c := &to.link.rtp
	remote, ok := c.ready(at)
	if !ok {
		s.drop(unready)
		return
	}
	if b[0]&hasExtension != 0 && !s.untouched {
		scrub(b[:header], s.extensions)
	}
	if v := to.rewriter.Rewrite(b, header, p, at); v != rtp.Pass {
		s.drop(verdictReason(v))
		return
	}
	if c.secured {
		var err error
		if b, err = c.out.RTP(b); err != nil {
			s.drop(reasonOf(err))
			return
		}
	}
	c.socket.Load().Send(b, remote)
	s.leg.session.worker.relayed.count(len(b))
}

// ready tells where to send, false when there are no keys, or nobody to send to.
func (p *component) ready(at int64) (netip.AddrPort, bool) {
	if p.latch == nil || p.secured && p.out == nil {
		return netip.AddrPort{}, false
	}
	return p.latch.Remote(at)
}

// forward sends a datagram as it is.
func (s *stream) forward(b []byte, at int64) {
	c := &s.link.rtp
	remote, ok := c.ready(at)
	if !ok {
		s.drop(unready)
		return
	}
	c.socket.Load().Send(b, remote)
	s.sent.count(len(b))
	s.leg.session.worker.relayed.count(len(b))
}

func (s *stream) drop(r reason) {
	s.drops[r]++
	s.leg.session.worker.drops[r]++
	if r.hostile() {
		s.leg.session.assault.count++
	}
}

// named tells whether the header extension of a packet carries this stream's MID
// (RFC 9143 §15.2).
func (s *stream) named(b []byte, header int) bool {
	if s.plan.MIDExt == 0 {
		return false
	}
	value, ok := extension(b[:header], s.plan.MIDExt)
	return ok && string(value) == s.plan.MID
}

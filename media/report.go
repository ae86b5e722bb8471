package media

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/rtp"
)

// report takes an RTCP packet. It ends here; what it asks of the sender of our
// packets is translated for the other leg.
func (p *component) report(b []byte, from netip.AddrPort, at int64) {
	k := p.link
	switch {
	case len(k.streams) == 0 || p != k.control():
		k.drop(unanswered)
		return
	case p.secured && p.in == nil:
		k.drop(unkeyed)
		return
	case p.secured:
		var err error
		if b, err = p.in.RTCP(b); err != nil { // also what is not encrypted at all: a forged BYE
			k.drop(reasonOf(err))
			return
		}
		p.latch.Authenticated(from, at)
	case !p.latch.Control(from, k.rtp.latch):
		k.drop(stranger)
		return
	}
	for _, s := range k.streams {
		s.hear(b, at)
	}
}

// hear reads what the peer reports, unless it is for the other party's eyes only.
func (s *stream) hear(b []byte, at int64) {
	if s.zrtp && s.peer != nil {
		s.leg.heard = at
		s.peer.sendControl(b, at)
		return
	}
	heard, ok := s.reports.Read(b, at)
	if !ok {
		s.drop(malformed)
		return
	}
	s.leg.heard = at
	if heard.Feedback != 0 && s.peer != nil {
		s.ask(s.peer, b, at)
	}
}

// ask passes feedback on to the peer of another stream, whose packets it is about.
func (s *stream) ask(to *stream, b []byte, at int64) {
	packet := to.prefix()
	prefix := len(packet)
	if packet = s.feedback.Translate(packet, b, to.feedback, at); len(packet) > prefix {
		to.sendControl(packet, at)
	}
}

// prefix begins a packet of feedback to the peer.
func (s *stream) prefix() []byte {
	packet := s.leg.session.worker.scratch[:0]
	if s.plan.RSize {
		return packet
	}
	return s.reports.Prefix(packet) // RFC 4585 §3.1
}

// tick sends the peer a report of our own when one is due.
func (s *stream) tick(now int64) {
	if s.reporting() && s.reports.Due(now) {
		s.sendControl(s.reports.Append(s.leg.session.worker.scratch[:0], now, s.source()), now)
	}
}

// goodbye sends the peer our last report.
func (s *stream) goodbye(now int64) {
	if s.reporting() && s.reports.Began() {
		s.sendControl(s.reports.Goodbye(s.leg.session.worker.scratch[:0], now, s.source()), now)
	}
}

// reporting tells whether RTCP towards the peer is ours.
func (s *stream) reporting() bool {
	return s.link != nil && !s.link.closed && !s.plan.Opaque && !s.zrtp
}

// source is where the packets come from that the peer is sent, nil for nowhere.
func (s *stream) source() *rtp.Receiver {
	if s.peer == nil {
		return nil
	}
	return &s.peer.receiver
}

// sendControl sends an RTCP packet to the peer.
func (s *stream) sendControl(b []byte, at int64) {
	c := s.link.control()
	remote, ok := c.ready(at)
	if !ok {
		return
	}
	if c.secured {
		var err error
		if b, err = c.out.RTCP(b); err != nil {
			return
		}
	}
	c.socket.Load().Send(b, remote)
}

// kinds are the feedback messages that were agreed.
func kinds(f negotiate.Feedback) (k rtp.Kinds) {
	for _, both := range [...]struct {
		agreed negotiate.Feedback
		kind   rtp.Kinds
	}{
		{negotiate.NACK, rtp.NACK}, {negotiate.PLI, rtp.PLI}, {negotiate.SLI, rtp.SLI},
		{negotiate.FIR, rtp.FIR}, {negotiate.TMMBR, rtp.TMMBR}, {negotiate.REMB, rtp.REMB},
	} {
		if f&both.agreed != 0 {
			k |= both.kind
		}
	}
	return k
}

// StreamReport is the quality of one stream of a leg. "Received" is what came
// from the peer, "sent" what we sent to it; bytes are of payload.
type StreamReport struct {
	Kind            string // "audio", "video" …
	Codec           string // "opus/48000"
	Security        string // "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"…, with "DTLS " in front; "" for plain RTP; "ZRTP"
	PacketsReceived uint64
	PacketsSent     uint64
	BytesReceived   uint64
	BytesSent       uint64
	Lost            uint64            // of what the peer sent
	LostRemote      uint64            // of what we sent, as the peer reports
	Jitter          time.Duration     // of what the peer sent
	RoundTrip       time.Duration     // 0: unknown
	MOS             float64           // 1 to 4.5 of what the peer sent (G.107), 0: unknown
	Dropped         map[string]uint64 // packets not relayed, by reason; nil: none
}

// Report is what was measured on a leg so far, one entry a stream. After the end
// of its session it waits for the next tick, which is the cheaper one.
func (l *Leg) Report() (reports []StreamReport) {
	if over := l.session.ended(); over != nil {
		<-over
		return l.measure()
	}
	defer l.lock()()
	if w := l.session.worker; w == nil || !w.loop.Do(func() { reports = l.measure() }) {
		return l.measure() // there is no loop any more
	}
	return reports
}

// measure is Report on the loop, or when the loop has done with the session.
func (l *Leg) measure() []StreamReport {
	reports := make([]StreamReport, len(l.streams))
	for i, s := range l.streams {
		reports[i] = s.report()
	}
	return reports
}

// report tells what was measured.
func (s *stream) report() StreamReport {
	stats, remote := s.receiver.Stats(), s.reports.Remote()
	is := s.summary()
	r := StreamReport{
		Kind: s.kind, Codec: is.codec, Security: is.security,
		PacketsReceived: stats.Packets + s.received.packets, BytesReceived: stats.Bytes + s.received.bytes,
		Lost: stats.Lost, LostRemote: remote.Lost, Jitter: stats.Jitter, RoundTrip: remote.RoundTrip,
	}
	r.PacketsSent, r.BytesSent = s.rewriter.Sent()
	r.PacketsSent += s.sent.packets
	r.BytesSent += s.sent.bytes
	if s.kind == "audio" && stats.Expected > 0 {
		name, _, _ := strings.Cut(r.Codec, "/")
		r.MOS = rtp.Judge(name, stats.Loss(), remote.RoundTrip, stats.Jitter).MOS
	}
	for why, n := range s.drops {
		if n > 0 {
			if r.Dropped == nil {
				r.Dropped = map[string]uint64{}
			}
			r.Dropped[reason(why).String()] = n
		}
	}
	return r
}

// summary is what a report says of a stream besides numbers.
type summary struct{ codec, security string }

func (s *stream) summary() summary {
	if s.link == nil {
		return s.ended
	}
	return summary{s.codec(), s.protection()}
}

// codec is what the peer sends, or its favourite as long as it sends nothing.
func (s *stream) codec() string {
	codecs := s.plan.Receiving
	if c, ok := s.plan.Codec(s.number); ok && s.heard {
		codecs = []negotiate.Codec{c}
	}
	if len(codecs) == 0 {
		return ""
	}
	return codecs[0].Name + "/" + strconv.Itoa(codecs[0].Rate)
}

// protection is how the packets of a stream are protected.
func (s *stream) protection() string {
	switch {
	case s.plan.Opaque:
		return ""
	case s.plan.Keying == negotiate.SDES:
		return s.plan.Inbound.Suite.String()
	case s.plan.Keying == negotiate.DTLS:
		return strings.TrimSpace("DTLS " + s.link.rtp.suite.String())
	case s.zrtp:
		return "ZRTP"
	}
	return ""
}

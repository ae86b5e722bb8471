package transport

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// LatchKind says by what a latch learns where the peer is.
type LatchKind uint8

const (
	Proven    LatchKind = iota // by packets that were authenticated: SRTP
	Strict                     // plain RTP of a carrier: the address of the SDP, nothing else
	Learn                      // plain RTP of a user behind NAT
	Nominated                  // by ICE: the address that was nominated, until its peer proves to be at another
)

const (
	// What may be sent to an address that has not answered and is not where the
	// signalling comes from: it might be somebody else's, who did not ask for it.
	unconfirmedPackets = 50
	unconfirmedTime    = int64(time.Second)

	// A peer that is proven moves when its new address sent provenPackets in a row
	// and the old one nothing for provenSilence: a packet that somebody caught and
	// sent from elsewhere moves nothing.
	provenPackets = 2
	provenSilence = int64(500 * time.Millisecond)

	// For learnWindow after its first packet a better source of a plain peer
	// replaces a worse one. A stranger (rank) has to send probation packets in
	// sequence, for no less than strangerTime, in which the peer may turn up.
	learnWindow  = int64(5 * time.Second)
	probation    = 4
	strangerTime = int64(500 * time.Millisecond)

	// A nominated address keeps its place against one of lower priority while it
	// was nominated again within nominationTime.
	nominationTime = int64(time.Second)

	// A peer that ICE found moves without a nomination to where it checks from when
	// its address was silent for checkedSilence: a living one would have sent three
	// checks, if nothing else (RFC 7675 §5.1: one in 4 to 6 s).
	checkedSilence = int64(15 * time.Second)
)

// rank is how likely a source is the peer, by what its SDP and signalling say.
type rank uint8

const (
	nobody    rank = iota
	stranger       // only if the SDP address cannot be reached from here
	signaller      // the IP address of the signalling
	sameHost       // the IP address of the SDP, another port
	exact          // the address of the SDP
)

// Latch is where the peer of one socket is, and from where it may send. It is a
// pure state machine: time comes in with each packet, in nanoseconds. One
// goroutine uses it.
type Latch struct {
	kind      LatchKind
	sdp       netip.AddrPort
	signalled netip.Addr
	allowed   func(netip.Addr) bool

	remote    netip.AddrPort // where to send
	source    netip.AddrPort // where the peer sends from, invalid: not known yet
	confirmed bool           // remote has sent something itself
	sent      int            // to an unconfirmed remote
	sentFirst int64          // when
	begin     int64          // of the learn window
	rank      rank           // of source
	last      int64          // sign of life of source
	nominated int64          // when source was, last
	priority  uint32         // of its nomination, 0: it was not
	next      newcomer
}

// newcomer is a source that may become the peer's.
type newcomer struct {
	from  netip.AddrPort
	count int    // packets in a row
	first int64  // when the first of them came
	ssrc  uint32 // of RTP
	seq   uint16
	pt    uint8
}

// NewLatch starts with what the SDP says (signalled is where the peer's
// signalling comes from); allowed judges every address.
func NewLatch(k LatchKind, sdp netip.AddrPort, signalled netip.Addr, allowed func(netip.Addr) bool) *Latch {
	l := &Latch{kind: k, allowed: allowed}
	l.start(sdp, signalled)
	return l
}

// Update takes a later offer or answer. Another address in it makes the latch
// learn anew; while it is the same one the latch stays as it is, but leaves its
// place to better sources when the signalling comes from elsewhere now.
func (l *Latch) Update(sdp netip.AddrPort, signalled netip.Addr) {
	signalled = signalled.Unmap()
	switch {
	case clean(sdp) != l.sdp:
		l.start(sdp, signalled)
	case signalled != l.signalled:
		l.signalled = signalled
		l.rank = min(l.rank, stranger)
	}
}

func (l *Latch) start(sdp netip.AddrPort, signalled netip.Addr) {
	*l = Latch{kind: l.kind, allowed: l.allowed, sdp: clean(sdp), signalled: signalled.Unmap()}
	if l.kind != Nominated && l.reachable() {
		l.remote = l.sdp
	}
}

// reachable tells whether the address of the SDP can be sent to from here. One
// behind the peer's NAT means another host in our network, or none.
func (l *Latch) reachable() bool {
	if !l.sdp.IsValid() || !l.possible(l.sdp) {
		return false
	}
	a := l.sdp.Addr()
	return l.kind == Strict || !hidden(a) || !l.signalled.IsValid() || hidden(l.signalled)
}

// hidden tells whether an address means another host, or none, when it is seen
// from another network.
func hidden(a netip.Addr) bool {
	if a.Is4() {
		if b := a.As4(); b[0] == 100 && b[1]&0xc0 == 64 { // RFC 6598 §7: 100.64.0.0/10, behind a carrier's NAT
			return true
		}
	}
	return a.IsPrivate() || a.IsUnspecified() || a.IsLoopback() || a.IsLinkLocalUnicast()
}

// Remote is where to send, false when nobody may be sent to: the peer's address
// is not known yet, or it did not answer the first packets. It is to be asked
// once for every packet.
func (l *Latch) Remote(at int64) (netip.AddrPort, bool) {
	if !l.remote.IsValid() {
		return netip.AddrPort{}, false
	}
	if l.confirmed || l.remote.Addr() == l.signalled {
		return l.remote, true
	}
	if l.sent == 0 {
		l.sentFirst = at
	}
	if l.sent >= unconfirmedPackets || at-l.sentFirst > unconfirmedTime {
		return netip.AddrPort{}, false
	}
	l.sent++
	return l.remote, true
}

// Source is where the peer sends from, false when it sent nothing yet.
func (l *Latch) Source() (netip.AddrPort, bool) { return l.source, l.source.IsValid() }

// Candidate tells whether a plain packet from there is the peer's; it may move
// the latch. header is the packet's RTP header, for SSRC, sequence and payload
// type. Plain packets are never a proven peer's.
func (l *Latch) Candidate(from netip.AddrPort, header []byte, at int64) bool {
	from = clean(from)
	switch {
	case l.kind == Proven || !l.possible(from):
		return false
	case from == l.source:
		l.last = at
		return true
	case l.kind == Nominated:
		return false
	}
	r := l.rankOf(from)
	if r <= l.rank || !l.open(r, at) || !l.passed(r, from, header, at) {
		return false
	}
	l.take(from, r, at)
	return true
}

// open tells whether a source of a rank may still become the peer's. Whoever took
// the place as a stranger has to leave it to a better one at any time.
func (l *Latch) open(r rank, at int64) bool {
	return r > stranger && l.rank <= stranger || !l.source.IsValid() || at-l.begin <= learnWindow
}

// possible tells whether anybody may be there.
func (l *Latch) possible(a netip.AddrPort) bool {
	return a.Port() != 0 && !a.Addr().IsUnspecified() && l.allowed(a.Addr())
}

// rankOf ranks a source.
func (l *Latch) rankOf(from netip.AddrPort) rank {
	switch {
	case from == l.sdp:
		return exact
	case from.Addr() == l.sdp.Addr():
		return sameHost
	case l.kind == Strict:
		return nobody
	case from.Addr() == l.signalled:
		return signaller
	case hidden(l.sdp.Addr()):
		return stranger
	}
	return nobody
}

// passed tells whether a source has shown enough: a stranger a stream of its own.
func (l *Latch) passed(r rank, from netip.AddrPort, header []byte, at int64) bool {
	if r > stranger {
		return true
	}
	if len(header) < 12 {
		return false
	}
	seen := newcomer{
		from: from, count: 1, first: at,
		ssrc: binary.BigEndian.Uint32(header[8:]), seq: binary.BigEndian.Uint16(header[2:]), pt: header[1] & 0x7f,
	}
	if n := l.next; n.from == from && n.ssrc == seen.ssrc && n.pt == seen.pt && n.seq+1 == seen.seq {
		seen.count, seen.first = n.count+1, n.first
	}
	l.next = seen
	return seen.count >= probation && at-seen.first >= strangerTime
}

// take latches to a source. A carrier's port may be another one for sending than
// for receiving (RFC 4961 is only advice), so Strict sends where the SDP says.
func (l *Latch) take(from netip.AddrPort, r rank, at int64) {
	if !l.source.IsValid() {
		l.begin = at
	}
	l.source, l.rank, l.last, l.next, l.priority = from, r, at, newcomer{}, 0
	if l.kind != Strict {
		l.remote = from
	}
	l.confirmed = l.remote.IsValid() && from.Addr() == l.remote.Addr()
}

// Authenticated tells that a packet from there was proven and is no replay; it
// may move the latch. With ICE it does so for a peer that was found already: who
// sends through a NAT that has forgotten him does not know it, and may never check
// nor nominate again.
func (l *Latch) Authenticated(from netip.AddrPort, at int64) {
	from = clean(from)
	switch {
	case l.kind != Proven && l.kind != Nominated || !l.possible(from):
	case from == l.source:
		l.last, l.next = at, newcomer{}
	case !l.source.IsValid():
		if l.kind == Proven { // RFC 8445 §12.1.2: nobody is sent to before a pair was chosen
			l.take(from, exact, at)
		}
	case l.next.from != from:
		l.next = newcomer{from: from, count: 1, first: at}
	default:
		l.next.count++
		if l.next.count >= provenPackets && at-l.last >= provenSilence {
			l.take(from, exact, at)
		}
	}
}

// Control tells whether a plain RTCP packet from there is the peer's, whose RTP
// has the latch rtp (which is l itself when both use one port, RFC 5761). RTCP
// comes from the host that sends RTP, or is to be authenticated.
func (l *Latch) Control(from netip.AddrPort, rtp *Latch) bool {
	from = clean(from)
	host := rtp.remote
	if rtp.source.IsValid() {
		host = rtp.source
	}
	if l.kind == Proven || !host.IsValid() || from.Addr() != host.Addr() || !l.possible(from) {
		return false
	}
	if from.Addr() == rtp.remote.Addr() {
		rtp.confirmed = true // who listens only reports what it hears
	}
	if l == rtp || l.kind == Nominated {
		return true
	}
	l.source, l.confirmed = from, true
	if l.kind == Learn {
		l.remote = from
	}
	return true
}

// Nominate takes an address that a peer chose by ICE, with the priority of its
// check (RFC 8445 §7.1.1), and tells whether it is the peer's now. A peer that
// nominates all that work means the one of the highest priority; one that changes
// its mind stops to nominate the old one.
func (l *Latch) Nominate(from netip.AddrPort, priority uint32, at int64) bool {
	from = clean(from)
	if l.kind != Nominated || !l.possible(from) {
		return false
	}
	if l.source.IsValid() && from != l.source && priority < l.priority && at-l.nominated < nominationTime {
		return false
	}
	l.take(from, exact, at)
	l.nominated, l.priority = at, priority
	return true
}

// Checked tells that a check from there proved to be the peer's, though it
// nominates nothing, and returns whether the latch has moved there. Beside an
// address that lives it is one of the pairs that the peer did not choose.
func (l *Latch) Checked(from netip.AddrPort, at int64) bool {
	from = clean(from)
	switch {
	case l.kind != Nominated || !l.source.IsValid() || !l.possible(from):
	case from == l.source:
		l.last, l.next = at, newcomer{}
	case at-l.last >= checkedSilence:
		l.take(from, exact, at)
		return true
	}
	return false
}

// clean makes addresses comparable.
func clean(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

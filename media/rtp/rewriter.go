package rtp

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"
)

const (
	eventSize  = 4    // bytes of an event, RFC 4733 §2.3
	maxDropout = 3000 // RFC 3550 A.1: a larger step ahead is a restart of the sender
	noSequence = 1 << 16
	noSource   = -1

	// A second SSRC replaces the first at once, so that no key frame is lost; but
	// two that talk at the same time must not alternate.
	dwell = int64(500 * time.Millisecond) // how long a source stays before another may follow
	quiet = int64(100 * time.Millisecond) // a source that is silent for so long may be replaced
)

// Verdict says what became of a packet.
type Verdict uint8

const (
	Pass        Verdict = iota
	Unmapped            // the other side has no payload number for it
	Late                // older than what may still be sent, or the first after a leap
	Repeated            // its number was sent before
	OtherSource         // a second source talks at the same time
)

// Kind of a stream, as far as packets differ.
type Kind uint8

const (
	Audio Kind = iota
	Video      // and all else
)

// Rewriter makes one continuous stream towards a peer, whatever its source: the
// peer sees no change of branch, transfer or restart, only a moment of silence.
// Inside one source order and gaps stay as they are.
type Rewriter struct {
	kind      Kind
	untouched bool
	renumbers bool // may still change its SSRC
	ssrc      uint32

	// The source.
	fresh    bool  // the next packet begins one, whatever its SSRC
	source   int64 // SSRC, noSource before the first
	previous int64 // SSRC that was replaced, noSource for none
	since    int64 // when source began
	heard    int64 // when it was last heard

	// Its numbers: what goes out less what comes in.
	shift    uint16
	base     uint64 // first number of the source as it goes out
	restart  uint32 // in-number that would confirm a restart
	sent     window
	timed    bool // tsShift is known
	tsShift  uint32
	mark     bool // the next packet begins a talkspurt
	event    bool // eventIn and eventOut are those of one event
	eventIn  uint32
	eventOut uint32

	// What went out.
	started bool
	payload *Payload // of the last packet
	lastTS  uint32
	lastAt  int64
	packets uint64
	octets  uint64
}

// NewRewriter makes one with a random SSRC. resend: the peer may ask for lost
// packets again (NACK), so an identical packet passes a second time.
func NewRewriter(k Kind, resend bool) *Rewriter {
	r := &Rewriter{kind: k, renumbers: true, previous: noSource}
	r.SetResend(resend)
	r.number()
	return r
}

// number begins a stream of a new SSRC.
func (r *Rewriter) number() {
	r.ssrc, r.lastTS, r.started = rand.Uint32(), rand.Uint32(), false
	// The first number is below 2^15, so that a receiver which misses the first
	// packets does not guess a wrong roll-over counter (RFC 3711 §3.3.1).
	r.sent.restart(uint64(rand.Uint32N(1 << 15)))
	r.source = noSource
	r.Switch()
}

// renumber gives way when the peer uses our SSRC (RFC 3550 §8.2). It does so
// once: the second time it is our own packets that come back.
func (r *Rewriter) renumber() bool {
	if !r.renumbers || r.untouched {
		return false
	}
	r.renumbers = false
	r.number()
	return true
}

// SetResend chooses whether an identical packet passes a second time, after a
// new offer and answer.
func (r *Rewriter) SetResend(on bool) {
	if on {
		r.sent.keep()
	} else {
		r.sent.digests = nil
	}
}

// Switch tells that packets come from another leg from now on, or again after
// they were held back: the next one continues the stream whatever its SSRC and
// number are.
func (r *Rewriter) Switch() { r.fresh, r.previous = true, noSource }

// SetUntouched chooses whether packets pass as they are: plain RTP on both sides
// with equal payload numbers, perhaps ZRTP inside. What goes out is counted all
// the same.
func (r *Rewriter) SetUntouched(on bool) {
	if r.untouched != on {
		r.untouched = on
		r.Switch()
	}
}

// SSRC is that of the packets that go out.
func (r *Rewriter) SSRC() uint32 {
	if r.untouched && r.source != noSource {
		return uint32(r.source)
	}
	return r.ssrc
}

// Source is the SSRC of the packets that come in, false before the first.
func (r *Rewriter) Source() (ssrc uint32, ok bool) {
	return uint32(r.source), r.source != noSource
}

// Sent counts what went out; bytes are what follows the headers.
func (r *Rewriter) Sent() (packets, bytes uint64) { return r.packets, r.octets }

// origin is the number that a packet had when it came in which went out as seq,
// false when it is not of the present source.
func (r *Rewriter) origin(seq uint16) (uint16, bool) {
	if r.untouched {
		return seq, true
	}
	back := int16(uint16(r.sent.highest) - seq)
	if back < 0 || r.source == noSource || r.sent.highest < r.base+uint64(back) {
		return 0, false
	}
	return seq - r.shift, true
}

// Rewrite changes the header of b in place, whose header is header bytes long.
// Only what it calls Pass may be sent. p may be nil.
func (r *Rewriter) Rewrite(b []byte, header int, p *Payload, at int64) Verdict {
	if r.untouched {
		r.source, r.tsShift, r.timed = int64(SSRC(b)), 0, true
		r.count(b, header)
		r.stamp(b, p, at)
		return Pass
	}
	if p == nil {
		return Unmapped
	}
	seq := Sequence(b)
	if !r.follow(SSRC(b), seq, at) {
		return OtherSource
	}
	index, ok := r.place(seq)
	if !ok || !r.time(b, header, p, at) {
		return Late
	}
	SetPayloadType(b, p.To)
	SetSequence(b, uint16(index))
	SetSSRC(b, r.ssrc)
	if r.mark && r.kind == Audio && !p.Event {
		SetMarker(b, true) // RFC 3550 §5.1: the receiver may adapt its delay here
		r.mark = false
	}
	newest := index > r.sent.highest
	if !r.sent.admit(index, b) {
		return Repeated
	}
	r.heard = at
	r.count(b, header)
	if newest && !p.converts() {
		r.stamp(b, p, at)
	}
	return Pass
}

// count counts what goes out.
func (r *Rewriter) count(b []byte, header int) {
	r.packets++
	r.octets += uint64(len(b) - header)
}

// stamp notes where the clock of the outgoing stream stands.
func (r *Rewriter) stamp(b []byte, p *Payload, at int64) {
	r.payload, r.lastTS, r.lastAt, r.started = p, Timestamp(b), at, true
}

// follow tells whether ssrc is the source, and makes it the source when it may
// replace the one before.
func (r *Rewriter) follow(ssrc uint32, seq uint16, at int64) bool {
	other := int64(ssrc)
	if !r.fresh {
		if other == r.source {
			return true
		}
		talks := at-r.heard < quiet
		if talks && (other == r.previous || at-r.since < dwell) {
			return false
		}
		r.previous = r.source
	}
	r.fresh, r.source, r.since = false, other, at
	r.begin(seq)
	return true
}

// begin lets the packet seq follow whatever was sent last. What is older than it
// has no place any more: its number was given to somebody else.
func (r *Rewriter) begin(seq uint16) {
	r.base = r.sent.highest + 1
	r.shift = uint16(r.base) - seq
	r.restart = noSequence
	r.timed, r.event, r.mark = false, false, true
}

// place finds the number of a packet, counted beyond 16 bits.
func (r *Rewriter) place(seq uint16) (index uint64, ok bool) {
	ahead := int16(seq + r.shift - uint16(r.sent.highest))
	switch {
	case ahead > 0 && ahead < maxDropout:
		r.restart = noSequence
		return r.sent.highest + uint64(ahead), true
	case ahead <= 0 && ahead > -windowSize:
		if index = r.sent.highest - uint64(-int(ahead)); index >= r.base {
			return index, true
		}
	}
	if uint32(seq) == r.restart { // RFC 3550 A.1: two in a row, the sender began anew
		r.begin(seq)
		return r.base, true
	}
	r.restart = uint32(seq + 1)
	return 0, false
}

// time gives a packet its timestamp.
func (r *Rewriter) time(b []byte, header int, p *Payload, at int64) bool {
	if p.converts() {
		return r.convert(b, header, p, at)
	}
	ts := Timestamp(b)
	if !r.timed {
		r.timed, r.tsShift = true, r.clock(p.outRate(), at)-ts
	}
	SetTimestamp(b, ts+r.tsShift)
	return true
}

// convert carries an event to another clock (RFC 4733 §2.3): its duration is
// scaled. Whether the sender counted its timestamp by the clock of the event or
// of the voice around it nobody knows, so it begins where our stream stands. All
// packets of an event have one timestamp.
func (r *Rewriter) convert(b []byte, header int, p *Payload, at int64) bool {
	ts := Timestamp(b)
	if !r.event || ts != r.eventIn {
		if r.event && int32(ts-r.eventIn) < 0 {
			return false // of a key that is long up; it would look like another
		}
		r.event, r.eventIn, r.eventOut = true, ts, r.clock(p.outRate(), at)
	}
	SetTimestamp(b, r.eventOut)
	if len(payload(b, header)) >= eventSize {
		duration := b[header+2:]
		scaled := uint64(binary.BigEndian.Uint16(duration)) * uint64(p.outRate()) / uint64(p.Rate)
		binary.BigEndian.PutUint16(duration, uint16(min(scaled, math.MaxUint16)))
	}
	return true
}

// clock is where the timestamp of the outgoing stream stands.
func (r *Rewriter) clock(rate uint32, at int64) uint32 {
	if !r.started {
		return r.lastTS
	}
	return r.lastTS + max(1, ticks(at-r.lastAt, rate))
}

// ticks is how far a clock of rate Hz goes in d nanoseconds.
func ticks(d int64, rate uint32) uint32 {
	return uint32(uint64(max(0, d)) / 1000 * uint64(rate) / 1_000_000) // in µs: good for years
}

// rate is the clock of what goes out, 0 before the first packet.
func (r *Rewriter) rate() uint32 {
	if r.payload == nil {
		return 0
	}
	return r.payload.outRate()
}

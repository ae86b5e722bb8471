package rtp

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	mathrand "math/rand/v2"
	"time"
)

const (
	reportInterval = 5 * time.Second // RFC 3550 §6.2
	compensation   = 1.21828         // e - 3/2, RFC 3550 §6.3.1
	sentReports    = 4               // that an answer may still come to
	longestName    = 32
)

// NewCNAME makes a random canonical name of 16 characters (RFC 7022 §4.2), one
// for all streams of a leg.
func NewCNAME() string {
	var b [12]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// Reports writes RTCP to one peer and reads the peer's. Nothing of the other
// side's RTCP is copied.
type Reports struct {
	cname string
	in    *Receiver
	out   *Rewriter

	next   int64                   // when the next report is due, 0: nobody asked yet
	before uint64                  // packets sent at the report before the last
	last   uint64                  // packets sent at the last report
	began  bool                    // a report was sent
	sent   [sentReports]sentReport // a ring
	place  int

	asker reference // whose time we owe an answer
	heard Remote
}

// sentReport is when a sender report went out, by what identifies it.
type sentReport struct {
	middle uint32
	at     int64
}

// reference is a receiver's reference time (RFC 3611 §4.4).
type reference struct {
	ssrc   uint32
	middle uint32
	at     int64 // when it came, 0: never
}

// Remote is how the peer sees what we send to it.
type Remote struct {
	RoundTrip time.Duration // 0: unknown
	Lost      uint64
	Fraction  float64 // lost in its last interval, 0 to 1
	Jitter    time.Duration
	MOS       float64 // as the peer says itself (RFC 3611 §4.7), 0: unknown
}

// NewReports of one stream: in is what the peer sends, out what it is sent. Of
// cname at most 32 bytes are used.
func NewReports(cname string, in *Receiver, out *Rewriter) *Reports {
	return &Reports{cname: cname[:min(len(cname), longestName)], in: in, out: out}
}

// Remote tells it as of the last report.
func (r *Reports) Remote() Remote { return r.heard }

// Due tells whether a report is to be sent now: every 2 to 6 s, at random so that
// the parties of many calls do not speak at once (RFC 3550 §6.3.1), the first
// after half as long. Append plans the next one.
func (r *Reports) Due(now int64) bool {
	if r.next == 0 {
		r.next = now + interval()/2 // RFC 3550 §6.2: the first comes early
	}
	return now >= r.next
}

// interval is RFC 3550 §6.3.1 for a session of two: always the minimum.
func interval() int64 {
	return int64(float64(reportInterval) * (0.5 + mathrand.Float64()) / compensation)
}

// Append appends a compound packet of at most 256 bytes to dst. source is the
// receiver of the leg whose packets go out here: the clock of its sender reports
// is passed on, which keeps lips and voice together. nil for none.
func (r *Reports) Append(dst []byte, now int64, source *Receiver) []byte {
	r.next, r.began = now+interval(), true
	ssrc := r.out.SSRC()
	dst = r.appendReport(dst, now, source)
	dst = appendName(dst, ssrc, r.cname)
	dst = r.appendAnswer(dst, now)
	if r.in.known(ssrc) != nil && r.out.renumber() {
		dst = appendBye(dst, ssrc) // RFC 3550 §8.2: the peer has this SSRC, too
	}
	return dst
}

// Prefix appends what feedback has to follow when reduced size was not agreed
// (RFC 4585 §3.1): an empty receiver report and our name.
func (r *Reports) Prefix(dst []byte) []byte {
	start := len(dst)
	dst = finish(appendControl(dst, 0, typeRR, r.out.SSRC()), start)
	return appendName(dst, r.out.SSRC(), r.cname)
}

// Began tells whether the peer was sent anything by which it knows us. Who sent
// nothing takes no leave (RFC 3550 §6.3.7).
func (r *Reports) Began() bool {
	packets, _ := r.out.Sent()
	return r.began || packets > 0
}

// Goodbye appends a report and a BYE (RFC 3550 §6.6), the last that we send.
func (r *Reports) Goodbye(dst []byte, now int64, source *Receiver) []byte {
	ssrc := r.out.SSRC()
	return appendBye(r.Append(dst, now, source), ssrc)
}

// appendReport appends an SR when we sent something in the last two intervals,
// else an RR (RFC 3550 §6.4).
func (r *Reports) appendReport(dst []byte, now int64, source *Receiver) []byte {
	start := len(dst)
	packets, octets := r.out.Sent()
	if packets != r.before {
		dst = appendControl(dst, 0, typeSR, r.out.SSRC())
		ntp, ts := r.clock(now, source)
		dst = binary.BigEndian.AppendUint64(dst, ntp)
		dst = binary.BigEndian.AppendUint32(dst, ts)
		dst = binary.BigEndian.AppendUint32(dst, uint32(packets))
		dst = binary.BigEndian.AppendUint32(dst, uint32(octets))
		r.sent[r.place] = sentReport{middle(ntp), now}
		r.place = (r.place + 1) % sentReports
	} else {
		dst = appendControl(dst, 0, typeRR, r.out.SSRC())
	}
	r.before, r.last = r.last, packets
	for i := range r.in.sources[:r.in.count] {
		if s := &r.in.sources[i]; s.probation == 0 && !s.reported {
			dst = s.appendBlock(dst, now)
			dst[start]++
		}
	}
	return finish(dst, start)
}

// clock is the same moment by the wall clock and by the timestamps of what goes
// out. The sender's own pair is used where it told one, moved to now.
func (r *Reports) clock(now int64, source *Receiver) (ntp uint64, ts uint32) {
	rate := r.out.rate()
	if ssrc, ok := r.out.Source(); ok && source != nil && r.out.timed {
		if s := source.known(ssrc); s != nil && s.clock.at != 0 {
			passed := now - s.clock.at
			return s.clock.ntp + toNTP(passed), s.clock.ts + r.out.tsShift + ticks(passed, rate)
		}
	}
	return toNTP(now), r.out.lastTS + ticks(now-r.out.lastAt, rate)
}

// appendBlock appends a reception report (RFC 3550 §6.4.1) and begins the next
// interval.
func (s *source) appendBlock(dst []byte, now int64) []byte {
	expected := s.expected()
	lost := int64(expected) - int64(s.received)
	lost = max(-1<<23, min(lost, 1<<23-1)) // RFC 3550 A.3
	dst = binary.BigEndian.AppendUint32(dst, s.ssrc)
	dst = binary.BigEndian.AppendUint32(dst, uint32(s.fraction(expected))<<24|uint32(lost)&0xffffff)
	dst = binary.BigEndian.AppendUint32(dst, s.highest())
	dst = binary.BigEndian.AppendUint32(dst, s.jitter>>4)
	s.expectedPrior, s.receivedPrior, s.reported = expected, s.received, true
	if s.clock.at == 0 {
		return append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	dst = binary.BigEndian.AppendUint32(dst, middle(s.clock.ntp))
	return binary.BigEndian.AppendUint32(dst, middle(toNTP(now-s.clock.at)))
}

// fraction is the loss since the last report in 1/256 (RFC 3550 A.3).
func (s *source) fraction(expected uint32) uint8 {
	expected -= s.expectedPrior
	received := s.received - s.receivedPrior
	if expected == 0 || received >= expected {
		return 0
	}
	return uint8(min(255, uint64(expected-received)<<8/uint64(expected)))
}

// appendAnswer answers a receiver that sends nothing and wants to know the round
// trip (RFC 3611 §4.5).
func (r *Reports) appendAnswer(dst []byte, now int64) []byte {
	if r.asker.at == 0 {
		return dst
	}
	start := len(dst)
	dst = appendControl(dst, 0, typeXR, r.out.SSRC())
	dst = append(dst, blockDLRR, 0, 0, 3)
	dst = binary.BigEndian.AppendUint32(dst, r.asker.ssrc)
	dst = binary.BigEndian.AppendUint32(dst, r.asker.middle)
	dst = binary.BigEndian.AppendUint32(dst, middle(toNTP(now-r.asker.at)))
	r.asker.at = 0
	return finish(dst, start)
}

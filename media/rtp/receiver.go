package rtp

import "time"

const (
	maxSources    = 4          // of one stream; one talks, the others are its past
	minSequential = 2          // RFC 3550 A.1
	maxMisorder   = windowSize // RFC 3550 A.1; what is sent again after a NACK is no restart
	forgotten     = int64(5 * time.Second)
	wildTransit   = 5 // seconds by which transit may change before it is another clock
)

// Receiver measures what a peer sends on one stream. Its zero value is ready.
type Receiver struct {
	sources [maxSources]source
	count   int
	talker  int // index of the source that was heard last

	packets, octets uint64
	expected        uint64 // of sources that are gone
	received        uint64
	last            int64
}

// source is one SSRC (RFC 3550 A.1).
type source struct {
	ssrc      uint32
	probation uint8 // packets in a row until it counts
	maxSeq    uint16
	bad       uint32 // sequence number that would confirm a restart
	cycles    uint32 // in steps of 2^16
	base      uint32
	received  uint32

	expectedPrior uint32
	receivedPrior uint32

	timed   bool
	rate    uint32 // Hz
	transit uint32
	jitter  uint32 // 16 times, in ticks

	heard    int64
	reported bool // since heard

	clock senderClock
}

// senderClock is what the last sender report of a source said.
type senderClock struct {
	ntp uint64
	ts  uint32
	at  int64 // when it came, 0: never
}

// Receive counts a packet. p nil: the payload number is unknown, it counts
// without its time. false: it is of one SSRC too many.
func (r *Receiver) Receive(b []byte, header int, p *Payload, at int64) bool {
	s := r.find(SSRC(b), at)
	if s == nil {
		return false
	}
	r.last = at
	r.packets++
	r.octets += uint64(len(b) - header)
	s.heard, s.reported = at, false
	if s.update(Sequence(b), r) && p != nil && !p.Event && p.Rate != 0 {
		s.time(Timestamp(b), p.Rate, at)
	}
	return true
}

// find gives the source of an SSRC; a new one takes the place of one that has
// been silent for long.
func (r *Receiver) find(ssrc uint32, at int64) *source {
	if s := &r.sources[r.talker]; s.ssrc == ssrc && r.count > 0 {
		return s
	}
	oldest := 0
	for i := range r.sources[:r.count] {
		if r.sources[i].ssrc == ssrc {
			r.talker = i
			return &r.sources[i]
		}
		if r.sources[i].heard < r.sources[oldest].heard {
			oldest = i
		}
	}
	switch {
	case r.count < maxSources:
		r.talker = r.count
		r.count++
	case at-r.sources[oldest].heard >= forgotten:
		r.retire(&r.sources[oldest])
		r.talker = oldest
	default:
		return nil
	}
	r.sources[r.talker] = source{ssrc: ssrc, probation: minSequential, bad: noSequence}
	return &r.sources[r.talker]
}

// update is update_seq of RFC 3550 A.1. It tells whether the packet is valid.
func (s *source) update(seq uint16, r *Receiver) bool {
	if s.probation > 0 {
		if s.probation < minSequential && seq == s.maxSeq+1 {
			s.probation--
		} else {
			s.probation = minSequential - 1
		}
		s.maxSeq = seq
		if s.probation > 0 {
			return false
		}
		s.begin(seq)
		s.base-- // the one before was good, too
		s.received = 2
		return true
	}
	switch delta := seq - s.maxSeq; {
	case delta < maxDropout:
		if seq < s.maxSeq {
			s.cycles += 1 << 16
		}
		s.maxSeq = seq
	case delta <= 1<<16-maxMisorder:
		if uint32(seq) != s.bad {
			s.bad = uint32(seq + 1)
			return false
		}
		r.retire(s)
		s.begin(seq)
	default: // duplicate or out of order
	}
	s.received++
	return true
}

// begin is init_seq of RFC 3550 A.1.
func (s *source) begin(seq uint16) {
	s.base, s.maxSeq, s.cycles = uint32(seq), seq, 0
	s.bad = noSequence
	s.received, s.receivedPrior, s.expectedPrior = 0, 0, 0
}

// highest is the extended highest sequence number. It may run past 2^32 after
// some weeks, as the differences of it may.
func (s *source) highest() uint32 { return s.cycles + uint32(s.maxSeq) }

// expected is how many packets were sent, as far as we know (RFC 3550 A.3).
func (s *source) expected() uint32 {
	if s.probation > 0 {
		return 0
	}
	return s.highest() - s.base + 1
}

// time is RFC 3550 A.8.
func (s *source) time(ts, rate uint32, at int64) {
	transit := ticks(at, rate) - ts
	if s.timed && s.rate == rate {
		d := int32(transit - s.transit)
		if d < 0 {
			d = -d
		}
		if uint32(d) < wildTransit*rate {
			s.jitter += uint32(d) - (s.jitter+8)>>4
		}
	} else {
		s.timed, s.rate, s.jitter = true, rate, 0
	}
	s.transit = transit
}

// retire adds what a source counted to what is past.
func (r *Receiver) retire(s *source) {
	r.expected += uint64(s.expected())
	r.received += uint64(s.received)
}

// goodbye forgets a source that ended (RFC 3550 §6.6).
func (r *Receiver) goodbye(ssrc uint32) {
	for i := range r.sources[:r.count] {
		if s := &r.sources[i]; s.ssrc == ssrc {
			r.retire(s)
			r.count--
			*s = r.sources[r.count]
			r.talker = 0
			return
		}
	}
}

// known finds a source, nil for none.
func (r *Receiver) known(ssrc uint32) *source {
	for i := range r.sources[:r.count] {
		if r.sources[i].ssrc == ssrc {
			return &r.sources[i]
		}
	}
	return nil
}

// Stats of what came, over all SSRCs.
type Stats struct {
	Packets, Bytes uint64        // bytes are what follows the headers
	Expected       uint64        // packets that were sent, by their numbers
	Lost           uint64        // of them
	Jitter         time.Duration // of the SSRC that talked last
	Last           int64         // when a packet came, 0: never
}

// Loss is the share of packets lost, 0 to 1.
func (s Stats) Loss() float64 {
	if s.Expected == 0 {
		return 0
	}
	return float64(s.Lost) / float64(s.Expected)
}

// Stats so far.
func (r *Receiver) Stats() Stats {
	expected, received := r.expected, r.received
	for i := range r.sources[:r.count] {
		expected += uint64(r.sources[i].expected())
		received += uint64(r.sources[i].received)
	}
	stats := Stats{Packets: r.packets, Bytes: r.octets, Expected: expected, Last: r.last}
	if expected > received {
		stats.Lost = expected - received // else packets came twice
	}
	if s := &r.sources[r.talker]; r.count > 0 {
		stats.Jitter = duration(s.jitter>>4, s.rate)
	}
	return stats
}

// duration of so many ticks of a clock.
func duration(ticks, rate uint32) time.Duration {
	if rate == 0 {
		return 0
	}
	return time.Duration(uint64(ticks) * uint64(time.Second) / uint64(rate))
}

package secure

// maxSources bounds the SSRCs of one context, of RTP and of RTCP each.
const maxSources = 16

// source is the state of one SSRC: RFC 3711 §3.2.1 for SRTP, §3.2.3 for SRTCP.
type source struct {
	ssrc    uint32
	highest uint64 // packet index: 2^16 * ROC + SEQ, or the SRTCP index
	seen    [windowWords]uint64
}

const (
	windowWords = 4
	// window is how far behind the highest a packet may come. One word less than
	// there are bits: the word that the highest is in is not yet full.
	window = 64 * (windowWords - 1)
)

// estimate is the index nearest to the highest one that ends in seq (RFC 3711
// §3.3.1). There is no index below 0: what would be there is far ahead instead,
// and its tag decides.
func (s *source) estimate(seq uint16) uint64 {
	index := int64(s.highest) + int64(int16(seq-uint16(s.highest)))
	if index < 0 {
		index += 1 << 16
	}
	return uint64(index)
}

// replayed tells whether the packet of an index was received, or is too old to
// know (RFC 3711 §3.3.2).
func (s *source) replayed(index uint64) bool {
	if index > s.highest {
		return false
	}
	if s.highest-index >= window {
		return true
	}
	return s.seen[index/64%windowWords]&(1<<(index%64)) != 0
}

// receive notes that the packet of an index has come. The bits are a ring: words
// between the old and the new highest are cleared as they are passed.
func (s *source) receive(index uint64) {
	if index > s.highest {
		passed := min(index/64-s.highest/64, windowWords)
		for w := range passed {
			s.seen[(index/64-w)%windowWords] = 0
		}
		s.highest = index
	}
	s.seen[index/64%windowWords] |= 1 << (index % 64)
}

// sources are the SSRCs of one direction. There are few: a search in order is
// the fastest.
type sources struct {
	list  []source
	fresh source // of the packet in hand, while nobody knows whether its tag is right
}

// find is the state of an SSRC. That of one that is not known is not kept until
// receive is called for it; with too many already it is nil.
func (s *sources) find(ssrc uint32) *source {
	for i := range s.list {
		if s.list[i].ssrc == ssrc {
			return &s.list[i]
		}
	}
	if len(s.list) >= maxSources {
		return nil
	}
	s.fresh = source{ssrc: ssrc}
	return &s.fresh
}

// receive notes that the packet of an index has come, or goes, and keeps a
// source that find made.
func (s *sources) receive(from *source, index uint64) {
	from.receive(index)
	if from == &s.fresh {
		s.list = append(s.list, s.fresh)
	}
}

package negotiate

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/sparkleim/sparkle/media/secure"
)

// State is what one leg has agreed so far and, between an offer and its answer,
// what is pending. It never changes: keep the old one as long as the new one may
// fail.
type State struct {
	id      uint64
	address netip.Addr
	phase   phase
	last    phase  // whose offer the last round began with; stable before the first
	before  *State // of the pending offer
	remote  *Remote
	ours    []own    // the m-lines of our last description
	memory  []memory // of every line there ever was
	plan    *Plan
	text    text
	carrier int // the line whose ports a bundle uses, -1: there is no bundle

	// partner is the leg at the other side and pair, for each line of ours, the
	// index of that leg's line, -1 for none.
	partner uint64
	pair    []int
}

// phase is where a leg stands in offer and answer (RFC 3264 §4).
type phase uint8

const (
	stable phase = iota
	theirs       // the peer's offer waits for our answer
	mine         // our offer waits for the peer's answer
)

// memory is what must not be forgotten about a line.
type memory struct {
	numbers []Codec // every payload number there ever was: it keeps its meaning (RFC 3264 §8.3.2)
	keys    []suiteKey
	suite   secure.Suite // that was agreed last
	keying  Keying
	agreed  bool // a stream was agreed: keying is true of it
	client  bool // our role in DTLS towards prints and tlsID
	prints  []string
	tlsID   string
	ice     *ICE // of the peer, when both do ICE
}

// suiteKey is a master key of ours.
type suiteKey struct {
	suite secure.Suite
	key   secure.Key
}

// New begins a leg. id is for o= and must be unlike that of any other leg of the
// same call; address is ours.
func New(id uint64, address netip.Addr) *State {
	return &State{id: id, address: address, carrier: -1}
}

// Rollback is the state before the pending offer (RFC 3261 §14.1): the offer
// was refused. What o= counts goes on.
func (s *State) Rollback() *State {
	if s.before == nil {
		return s
	}
	back := *s.before
	back.text = s.text
	return &back
}

// Plan is what was agreed, nil before the first answer.
func (s *State) Plan() *Plan { return s.plan }

// active tells whether a line was agreed.
func (s *State) active(i int) bool {
	return s.plan != nil && i < len(s.plan.Streams) && s.plan.Streams[i].Active
}

// Remote is what the peer said last, nil before it said anything.
func (s *State) Remote() *Remote { return s.remote }

// Keying is how the first stream of the peer's last description is keyed; false
// before it said anything.
func (s *State) Keying() (Keying, bool) {
	if s.remote == nil {
		return Plain, false
	}
	for i := range s.remote.Lines {
		if l := &s.remote.Lines[i]; l.live() {
			return l.keying, true
		}
	}
	return Plain, len(s.remote.Lines) > 0
}

// ReadOffer takes an offer of the peer. ErrState: there is one pending.
func (s *State) ReadOffer(p *Profile, text []byte) (*State, error) {
	if s.phase != stable {
		return nil, fmt.Errorf("%w: an offer is pending", ErrState)
	}
	r, err := read(text)
	if err != nil {
		return nil, err
	}
	p.judge(r)
	if err := p.anyLive(r, s.remote == nil); err != nil {
		return nil, err
	}
	if err := p.checkAddresses(r); err != nil {
		return nil, err
	}
	next := s.next(theirs)
	next.remote = r
	next.remember(r)
	return next, nil
}

// next is a copy of s to change, with an offer pending in the phase that is told.
func (s *State) next(ph phase) *State {
	n := *s
	n.before, n.phase, n.last = s, ph, ph
	n.memory = slices.Clone(s.memory)
	return &n
}

// done is a copy of s to change, with nothing pending.
func (s *State) done() *State {
	n := *s
	n.before, n.phase = nil, stable
	n.memory = slices.Clone(s.memory)
	return &n
}

// remember makes room for all lines of the peer, and notes their numbers.
func (s *State) remember(r *Remote) {
	for i := range r.Lines {
		s.line(i).number(r.Lines[i].Codecs)
	}
}

// line gives the memory of a line, new when there is none yet.
func (s *State) line(i int) *memory {
	for len(s.memory) <= i {
		s.memory = append(s.memory, memory{})
	}
	return &s.memory[i]
}

// number notes what numbers mean. The slice is shared with older states, so it
// is only ever replaced.
func (m *memory) number(list []Codec) {
	if !slices.ContainsFunc(list, func(c Codec) bool { return !slices.Contains(m.numbers, c) }) {
		return // as in most answers
	}
	known := append(make([]Codec, 0, len(m.numbers)+len(list)), m.numbers...)
	for _, c := range list {
		switch i := indexNumber(known, c.Number); {
		case c.Name == "": // a refused line need not say what its numbers mean
		case i >= 0:
			known[i] = c // the last word holds, should the peer break the rule
		default:
			known = append(known, c)
		}
	}
	m.numbers = known
}

// key gives our master key for a suite, the same as long as the leg lives, so
// that a new offer leaves the counters of SRTP alone.
func (m *memory) key(suite secure.Suite, fresh func(secure.Suite) secure.Key) secure.Key {
	for _, k := range m.keys {
		if k.suite == suite {
			return k.key
		}
	}
	k := suiteKey{suite: suite, key: fresh(suite)}
	m.keys = append(m.keys[:len(m.keys):len(m.keys)], k)
	return k.key
}

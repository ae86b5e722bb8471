package negotiate

import "net/netip"

// State is what one leg has agreed so far and, between an offer and its answer,
// what is pending. It never changes: keep the old one as long as the new one may
// fail.
type State struct{}

// New begins a leg. id is for o= and must be unlike that of any other leg of the
// same call; address is ours.
func New(id uint64, address netip.Addr) *State { panic("contract") }

// ReadOffer takes an offer of the peer. ErrState: there is one pending.
func (s *State) ReadOffer(p *Profile, text []byte) (*State, error) { panic("contract") }

// WriteOffer offers what the peer of from said last; from nil: audio in the
// codecs that everybody knows, or what was agreed when anything was.
func (s *State) WriteOffer(p *Profile, from *State, l Locals) (*State, []byte, error) {
	panic("contract")
}

// ReadAnswer takes the answer to our offer, or a later answer to the same offer.
func (s *State) ReadAnswer(p *Profile, text []byte) (*State, error) { panic("contract") }

// WriteAnswer answers the peer's pending offer with what the peer of from
// answered; again after it was answered, until the next offer.
func (s *State) WriteAnswer(p *Profile, from *State, l Locals) (*State, []byte, error) {
	panic("contract")
}

// WriteSame answers the peer's pending offer with what holds already.
func (s *State) WriteSame(p *Profile, l Locals) (*State, []byte, error) { panic("contract") }

// Rollback is the state before the pending offer.
func (s *State) Rollback() *State { panic("contract") }

// Plan is what was agreed, nil before the first answer.
func (s *State) Plan() *Plan { panic("contract") }

// Remote is what the peer said last, nil before it said anything.
func (s *State) Remote() *Remote { panic("contract") }

// Keying is how the first stream of the peer's last description is keyed; false
// before it said anything.
func (s *State) Keying() (Keying, bool) { panic("contract") }

// Held tells whether the peer of a finished round wants to receive nothing at
// all (RFC 3264 §8.4).
func (p *Plan) Held() bool { panic("contract") }

// Join gives the streams of two legs that belong together. Both need a plan.
func Join(a, b *State) []Pair { panic("contract") }

// Codec gives what the peer sends under a number.
func (s *Stream) Codec(number uint8) (Codec, bool) { panic("contract") }

// Event tells whether c is telephone events (RFC 4733).
func (c Codec) Event() bool { panic("contract") }

type (
	class    uint8
	feedback struct{}
)

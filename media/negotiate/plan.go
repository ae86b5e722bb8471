package negotiate

import (
	"net/netip"
	"slices"

	"github.com/sparkleim/sparkle/media/secure"
)

// Plan is what offer and answer agreed: how to move the packets of a leg. It
// never changes.
type Plan struct {
	Streams []Stream // one an m-line, in their order
}

// Stream is one m-line of a plan.
type Stream struct {
	Kind   string
	Active bool // false: refused or ended (port 0), and nothing else is set
	Opaque bool // not RTP: datagrams pass as they are (T.38)
	// Carrier is the index of the stream whose ports carry this one: its own, or
	// the first of a bundle.
	Carrier  int
	MID      string // of a bundled stream, "" otherwise
	MIDExt   int    // the header extension that has it (RFC 9143 §15), 0: none
	Local    Local
	Remote   netip.AddrPort // zero: unknown yet, or on hold by c=0.0.0.0
	RTCP     netip.AddrPort // as Remote when Mux
	Mux      bool           // RTCP comes and goes by the port of RTP
	Send     bool           // the peer wants to receive
	Receive  bool           // the peer may send
	Keying   Keying
	Inbound  secure.Crypto // SDES: what the peer encrypts with
	Outbound secure.Crypto // SDES: what we encrypt with
	// Client tells for DTLS that we send the ClientHello; Prints are what the
	// certificate of the peer must match, one of them. Other prints, another role
	// or another TLSID than before want a new association (RFC 8842 §3.1).
	Client bool
	Prints []string
	TLSID  string
	ICE    *ICE // nil: none; otherwise only nominated addresses are sent to
	ZRTP   bool // the peers may key from end to end inside plain RTP
	// Sending are the codecs with the numbers that the peer expects, the first is
	// its favourite; Receiving those that it uses towards us.
	Sending, Receiving []Codec
	Exts               []Extension
	RSize              bool // reduced-size RTCP (RFC 5506) is understood
	Feedback           Feedback
	SSRCs              []uint32 // that the peer announced
}

// Route leads packets from a payload number of one leg to that of another. When
// the clock rates differ, both are telephone events (RFC 4733).
type Route struct{ From, To Codec }

// Pair is two streams that are each other's other side.
type Pair struct {
	A, B   int     // indices in the plans
	AB, BA []Route // from A to B, from B to A; other payload numbers are dropped
	// Untouched tells that packets pass as they are: both are plain with the same
	// numbers, so that ZRTP inside them works.
	Untouched bool
}

// Codec gives what the peer sends under a number.
func (s *Stream) Codec(number uint8) (Codec, bool) {
	if i := indexNumber(s.Receiving, number); i >= 0 {
		return s.Receiving[i], true
	}
	return Codec{}, false
}

// formats fills in the codecs of a stream from the peer's line and from ours.
type formats func(s *Stream, l *Line, w *own)

// answerFormats is for an offer of the peer: numbers are the peer's both ways,
// and it may use what we answered.
func answerFormats(s *Stream, l *Line, w *own) {
	s.Receiving = w.Codecs
	s.Sending = make([]Codec, 0, len(w.Codecs))
	for _, c := range w.Codecs {
		if i := indexNumber(l.Codecs, c.Number); i >= 0 {
			s.Sending = append(s.Sending, l.Codecs[i])
		}
	}
}

// offerFormats is for an offer of ours: the peer gets its numbers and uses ours
// (RFC 3264 §5.1), or, as some phones do, its own.
func offerFormats(s *Stream, l *Line, w *own) {
	s.Sending = l.Codecs
	s.Receiving = make([]Codec, 0, len(l.Codecs))
	for _, c := range l.Codecs {
		if i := match(c, w.Codecs); i >= 0 && indexNumber(s.Receiving, w.Codecs[i].Number) < 0 {
			s.Receiving = append(s.Receiving, w.Codecs[i])
		}
	}
	for _, c := range l.Codecs {
		if indexNumber(w.Codecs, c.Number) < 0 {
			s.Receiving = append(s.Receiving, c)
		}
	}
}

// agree makes the plan of the peer's last description and ours, and notes what
// later rounds go on with.
func (s *State) agree(f formats) *Plan {
	plan := &Plan{Streams: make([]Stream, len(s.ours))}
	for i := range s.ours {
		w, m := &s.ours[i], s.line(i)
		plan.Streams[i] = Stream{Kind: w.Kind, Carrier: i}
		l := &s.remote.Lines[i]
		if w.refused || !l.live() {
			m.agreed = false
			continue
		}
		st := &plan.Streams[i]
		s.stream(st, l, w)
		f(st, l, w)
		m.agree(st, l)
	}
	return plan
}

// stream fills in all of a stream but its codecs.
func (s *State) stream(st *Stream, l *Line, w *own) {
	st.Active, st.Opaque = true, l.class == udptl
	st.Local, st.Mux = w.local, l.Mux && w.mux
	if l.Address.Addr().Is4() == w.local.Address.Unmap().Is4() {
		st.Remote, st.RTCP = l.Address, l.RTCP
	} // else NAT64 is on the way, and the peer's packets will tell
	if w.bundled {
		st.Carrier, st.MID, st.MIDExt = s.carrier, w.mid, midID(w.Exts)
	}
	both := l.Direction.reverse() & w.Direction
	st.Send, st.Receive = both&Sends != 0, both&Receives != 0
	st.Keying = l.keying
	switch l.keying {
	case SDES:
		st.Inbound, st.Outbound = agreedCrypto(l, w)
	case DTLS:
		st.Client = w.setup == "active" || w.setup == "actpass" && l.Setup == "passive"
		st.Prints, st.TLSID = l.Prints, l.TLSID
	}
	if w.ice {
		st.ICE = l.ICE
	}
	st.ZRTP = len(l.hashes) > 0 && len(w.hashes) > 0
	st.Exts = w.Exts
	st.RSize = l.RSize && w.RSize
	st.Feedback = kinds(w.feedback) & kinds(l.feedback) &^ timing
	st.SSRCs = l.SSRCs
}

// agreedCrypto pairs the key of the peer with ours of the same suite.
func agreedCrypto(l *Line, w *own) (in, out secure.Crypto) {
	in = l.Crypto[w.offered(l)]
	return in, w.crypto[slices.IndexFunc(w.crypto, func(c secure.Crypto) bool { return c.Suite == in.Suite })]
}

// agree notes how the line is keyed now.
func (m *memory) agree(st *Stream, l *Line) {
	m.agreed, m.keying, m.suite = true, st.Keying, st.Inbound.Suite
	m.client, m.prints, m.tlsID, m.ice = st.Client, st.Prints, st.TLSID, st.ICE
}

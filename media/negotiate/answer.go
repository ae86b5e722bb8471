package negotiate

import (
	"fmt"
	"slices"

	"github.com/sparkleim/sparkle/media/secure"
)

// WriteAnswer answers the peer's pending offer with what the peer of from
// answered; again after it was answered, until the next offer.
func (s *State) WriteAnswer(from *State, l Locals) (*State, []byte, error) {
	if from.plan == nil {
		return nil, nil, fmt.Errorf("%w: the other side has not answered", ErrState)
	}
	if !s.answers() {
		return nil, nil, fmt.Errorf("%w: no offer is pending", ErrState)
	}
	pair := s.pairing(from, len(s.remote.Lines))
	next, text, err := s.answer(l, func(i int) *Line { return from.agreed(pair[i]) })
	if err != nil {
		return nil, nil, err
	}
	next.partner, next.pair = from.id, pair
	return next, text, nil
}

// agreed is what the peer said last to a line that is in use, nil for any other.
func (s *State) agreed(i int) *Line {
	if i < 0 || !s.alive(i) || !s.active(i) {
		return nil
	}
	return &s.remote.Lines[i]
}

// answers tells whether an answer of ours has its turn.
func (s *State) answers() bool { return s.phase == theirs || s.phase == stable && s.last == theirs }

// answer answers line by line; to gives what the other side said, nil for no.
func (s *State) answer(l Locals, to func(i int) *Line) (*State, []byte, error) {
	next := s.done()
	lines := make([]own, len(s.remote.Lines))
	offered, live := false, false
	for i := range s.remote.Lines {
		line := &s.remote.Lines[i]
		offered = offered || line.live()
		ok := false
		if a := to(i); a != nil && line.live() {
			lines[i], ok = answerLine(line, a, next.line(i))
		}
		if !ok {
			lines[i] = deadLine(line.Kind, line.Proto, line.Formats)
			lines[i].mid = line.MID
		}
		live = live || ok
	}
	if offered && !live {
		return nil, nil, fmt.Errorf("%w: the other side takes no m-line of it", ErrNotAcceptable)
	}
	next.chooseCarrier(lines)
	if err := next.settle(lines, l); err != nil {
		return nil, nil, err
	}
	next.plan = next.agree(answerFormats)
	return next, next.write(), nil
}

// chooseCarrier keeps the ports of a bundle, or takes those of its first line.
func (s *State) chooseCarrier(lines []own) {
	first := slices.IndexFunc(lines, func(w own) bool { return w.bundled })
	if first < 0 || s.carrier < 0 {
		s.carrier = first
	}
}

// answerLine answers one line. False: there is no codec in common.
func answerLine(offer *Line, a *Line, m *memory) (own, bool) {
	w := own{proto: offer.Proto, keying: offer.keying, mux: offer.Mux, muxOnly: offer.Mux, mid: offer.MID, bundled: offer.bundled}
	w.Media = Media{Kind: offer.Kind, Direction: a.Direction & offer.Direction.reverse(), RSize: offer.RSize} // RFC 3264 §6.1
	if offer.class == udptl {
		w.Formats, w.pass = offer.Formats, a.pass
		return w, a.Codecs == nil
	}
	numbers, ok := w.answerCodecs(offer, &a.Media)
	if !ok {
		return w, false
	}
	w.pass = renumberedLines(a.pass, numbers)
	w.feedback = common(offer.feedback, kinds(a.feedback))
	w.feedback = slices.DeleteFunc(w.feedback, func(f feedback) bool {
		return f.number != everyFormat && indexNumber(w.Codecs, uint8(f.number)) < 0
	})
	w.Exts = slices.DeleteFunc(relayed(offer.Exts), func(e Extension) bool { return !slices.Contains(a.Exts, e) })
	if id := midID(offer.Exts); id > 0 && w.bundled {
		w.Exts = append(w.Exts, Extension{id, midExtension})
	}
	if offer.keying == Plain && a.keying == Plain {
		w.hashes = a.hashes
	}
	switch offer.keying {
	case SDES:
		w.crypto = append(w.crypto, m.chooseCrypto(offer.Crypto))
	case DTLS:
		w.setup = m.answerSetup(offer)
	}
	w.ice, w.mismatch, w.restart = offer.ICE != nil, offer.mismatch, m.restarts(offer.ICE)
	return w, true
}

// answerCodecs takes what both sides have, in the order of who answered and
// under the numbers of who offered (RFC 3264 §6.1). Telephone events are taken
// in every rate, because the relay converts them.
func (w *own) answerCodecs(offer *Line, a *Media) (numbers numbering, ok bool) {
	take := func(k int, params string) {
		c := offer.Codecs[k]
		c.Params = params
		w.Codecs = append(w.Codecs, c)
	}
	w.Codecs = make([]Codec, 0, len(a.Codecs)+2)
	for _, c := range a.Codecs {
		k := match(c, offer.Codecs)
		if k < 0 || indexNumber(w.Codecs, offer.Codecs[k].Number) >= 0 {
			continue
		}
		ok = ok || !c.Event()
		take(k, c.Params)
		numbers = append(numbers, renumber{from: c.Number, to: offer.Codecs[k].Number})
	}
	if hasEvents(a.Codecs) {
		for k, c := range offer.Codecs {
			if c.Event() && indexNumber(w.Codecs, c.Number) < 0 {
				take(k, c.Params)
			}
		}
	}
	return numbers, ok
}

// ReadAnswer takes the answer to our offer, or a later answer to the same offer.
func (s *State) ReadAnswer(p *Profile, text []byte) (*State, error) {
	if s.phase != mine && (s.phase != stable || s.last != mine) {
		return nil, fmt.Errorf("%w: there was no offer of ours", ErrState)
	}
	r, err := read(text)
	if err != nil {
		return nil, err
	}
	r.Lines = r.Lines[:min(len(r.Lines), len(s.ours))]
	for i := len(r.Lines); i < len(s.ours); i++ { // RFC 3264 §6 wants as many: what is missing is refused
		r.Lines = append(r.Lines, Line{Media: Media{Kind: s.ours[i].Kind}, Proto: s.ours[i].proto})
	}
	offered := false
	for i := range r.Lines {
		offered = offered || !s.ours[i].refused
		p.judgeAnswer(&r.Lines[i], &s.ours[i])
	}
	r.bundle()
	if err := p.anyLive(r, offered); err != nil {
		return nil, err
	}
	if err := p.checkAddresses(r); err != nil {
		return nil, err
	}
	next := s.done()
	next.remote = r
	next.remember(r)
	next.plan = next.agree(offerFormats)
	return next, nil
}

// judgeAnswer decides what we take of an answered line and how it is keyed.
func (p *Profile) judgeAnswer(l *Line, w *own) {
	if l.keying, l.refusal = p.answerKey(l, w); !l.live() {
		return
	}
	if !w.ice {
		l.ICE = nil
	}
	if l.Mux && !w.mux { // what was not offered cannot be agreed (RFC 5761 §5.1.1)
		l.withoutMux()
	}
	for i := range l.Codecs {
		c := &l.Codecs[i]
		if k := indexNumber(w.Codecs, c.Number); c.Name == "" && k >= 0 { // a=rtpmap was left out
			c.Name, c.Rate, c.Channels = w.Codecs[k].Name, w.Codecs[k].Rate, w.Codecs[k].Channels
		}
	}
	l.Codecs = slices.DeleteFunc(l.Codecs, func(c Codec) bool { return match(c, w.Codecs) < 0 })
	l.needCodec()
}

// answerKey says how an answered line is keyed, or why we do not take it.
func (p *Profile) answerKey(l *Line, w *own) (Keying, refusal) {
	l.Prints = strongPrints(l.Prints)
	offered, _ := classify(w.proto)
	switch {
	case w.refused || l.Port == 0:
		return Plain, ended
	case (l.class == udptl) != (offered == udptl) || l.class == unknown:
		return Plain, noTransport
	case !l.Address.IsValid() && !l.hold && l.ICE == nil:
		return Plain, noAddress
	case w.keying == SDES && w.offered(l) >= 0:
		return SDES, taken
	case w.setup != "" && len(l.Prints) > 0 && l.Setup == "holdconn":
		return Plain, noConnection
	case w.setup != "" && len(l.Prints) > 0:
		return DTLS, taken
	case p.SRTP == Require:
		return Plain, noSRTP
	case offered == udptl || offered == avp && l.class == avp:
		return Plain, taken
	}
	return Plain, noKeys
}

// offered finds the key of an answer that goes with one of our offer: of the
// same suite and tag, else of the same suite; -1 for none.
func (w *own) offered(l *Line) int {
	for i, c := range l.Crypto {
		if slices.ContainsFunc(w.crypto, func(o secure.Crypto) bool { return o.Suite == c.Suite && o.Tag == c.Tag }) {
			return i
		}
	}
	for i, c := range l.Crypto {
		if slices.ContainsFunc(w.crypto, func(o secure.Crypto) bool { return o.Suite == c.Suite }) {
			return i
		}
	}
	return -1
}

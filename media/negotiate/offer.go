package negotiate

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sparkleim/sparkle/media/sdp"
)

// WriteOffer offers what the peer of from said last; from nil: audio in the
// codecs that everybody knows, or what was agreed when anything was.
func (s *State) WriteOffer(p *Profile, from *State, l Locals) (*State, []byte, error) {
	if s.phase != stable {
		return nil, nil, fmt.Errorf("%w: an offer is pending", ErrState)
	}
	if from != nil && from.remote == nil {
		from = nil // it has nothing to say yet
	}
	next := s.next(mine)
	o := offerer{p: p, s: next}
	lines, err := o.lines(from)
	if err != nil {
		return nil, nil, err
	}
	if err := next.settle(lines, l); err != nil {
		return nil, nil, err
	}
	return next, next.write(), nil
}

// offerer writes one offer.
type offerer struct {
	p      *Profile
	s      *State
	webRTC bool // the offer comes from a browser
}

// lines decides every m-line: those there are, then those that are new.
func (o *offerer) lines(from *State) ([]own, error) {
	source := o.source(from)
	n := len(o.s.ours)
	pair := make([]int, n)
	for i := range pair {
		pair[i] = i
	}
	if from != nil {
		pair = o.s.pairing(from, n)
	}
	for j := range source {
		if source[j].live() && !slices.Contains(pair, j) && len(pair) < sdp.MaxMedia {
			pair = append(pair, j)
		}
	}
	lines := make([]own, len(pair))
	live, refused := false, error(nil) // why the last line cannot be offered
	for i, j := range pair {
		if j >= 0 && j < len(source) && source[j].live() {
			w, err := o.line(i, &source[j])
			if err == nil {
				lines[i], live = w, true
				continue
			}
			refused = err
		}
		lines[i] = o.dead(i, j, source)
	}
	if !live && refused != nil {
		return nil, refused
	}
	if !live && n == 0 {
		return nil, fmt.Errorf("%w: the other side has no stream in use", ErrNotAcceptable)
	}
	if from != nil {
		o.s.partner, o.s.pair = from.id, pair
	}
	return lines, nil
}

// source is what to offer, as lines of a peer.
func (o *offerer) source(from *State) []Line {
	switch {
	case from != nil:
		o.webRTC = from.remote.webRTC()
		return from.remote.Lines
	case len(o.s.ours) == 0:
		return []Line{{Media: ordinary(), class: avp, keying: Plain}}
	}
	lines := make([]Line, len(o.s.ours))
	for i, w := range o.s.ours {
		c, f := classify(w.proto)
		lines[i] = Line{Media: w.Media, Proto: w.proto, class: c, profileF: f, keying: w.keying}
		lines[i].Direction = SendRecv
		if !o.s.active(i) {
			lines[i].refusal = ended
		}
	}
	return lines
}

// dead is the m-line when it is not offered.
func (o *offerer) dead(i, j int, source []Line) own {
	if i < len(o.s.ours) {
		w := o.s.ours[i]
		return deadLine(w.Kind, w.proto, w.deadFormats())
	}
	l := &source[j]
	return deadLine(l.Kind, o.proto(Plain, l), "0")
}

// Why a line cannot be offered.
var (
	errFax     = fmt.Errorf("%w: fax is never encrypted", ErrInsecure)
	errPlain   = fmt.Errorf("%w: the profile has no keys, or the signalling that would carry them is not encrypted", ErrInsecure)
	errNumbers = fmt.Errorf("%w: no codec can have a payload number here", ErrNotAcceptable)
)

// line offers one line.
func (o *offerer) line(i int, from *Line) (own, error) {
	m := o.s.line(i)
	w := own{Media: Media{Kind: from.Kind, Direction: from.Direction, RSize: from.RSize}, keying: Plain}
	if from.class == udptl {
		if o.p.SRTP == Require {
			return w, errFax
		}
		w.proto, w.Formats, w.pass = from.Proto, from.Formats, from.pass
		return w, nil
	}
	if w.keying = o.keying(m); w.keying == Plain && o.p.SRTP == Require {
		return w, errPlain
	}
	w.proto = o.proto(w.keying, from)
	if m.agreed && m.keying == w.keying && i < len(o.s.ours) && isRTP(o.s.ours[i].proto) {
		w.proto = o.s.ours[i].proto // what the peer is known to understand
	}
	numbers := o.number(i, m, from, &w.Media)
	if !slices.ContainsFunc(w.Codecs, func(c Codec) bool { return !c.Event() }) {
		return w, errNumbers
	}
	w.pass, w.feedback = renumberedLines(from.pass, numbers), renumbered(from.feedback, numbers)
	if w.keying == Plain && from.keying == Plain {
		w.hashes = from.hashes // only packets that pass untouched keep ZRTP working
	}
	if w.keying == DTLS || w.keying == SDES && o.p.Either && !m.agreed {
		w.setup = "actpass" // RFC 5763 §5
	}
	o.transport(i, m, from, &w)
	return w, nil
}

// keying is how the line is keyed: as it is, when it is secure.
func (o *offerer) keying(m *memory) Keying {
	switch {
	case o.p.SRTP == Forbid:
		return Plain
	case o.s.carrier >= 0 || m.agreed && m.keying == DTLS:
		return DTLS
	case !o.p.Secure && o.p.Offer == SDES:
		return Plain // RFC 4568 §8.3: no key in the clear
	case m.agreed && m.keying == SDES && o.p.Secure:
		return SDES
	}
	return o.p.Offer
}

// proto is the transport of a new line. Who only prefers SRTP offers it under
// RTP/AVP, which no peer refuses (RFC 8643 §3.1). The F of feedback is kept only
// where the other side's peer wrote it by choice: browsers, and who does DTLS,
// always do, and many phones know no profile that has it.
func (o *offerer) proto(k Keying, from *Line) string {
	feedback := from.profileF && from.class != tls && !o.webRTC && !o.p.Modest
	switch {
	case k == DTLS && (o.p.ICE && o.p.Mux || o.s.carrier >= 0):
		return tls.proto(true) // what browsers write (RFC 9429 §5.1.2)
	case k == Plain || o.p.SRTP == Prefer:
		return avp.proto(feedback)
	case k == DTLS:
		return tls.proto(feedback)
	}
	return savp.proto(feedback)
}

func isRTP(proto string) bool {
	c, _ := classify(proto)
	return c == avp || c == savp || c == tls
}

// transport decides ICE, rtcp-mux, bundle and extensions.
func (o *offerer) transport(i int, m *memory, from *Line, w *own) {
	w.ice = o.p.ICE
	if m.agreed {
		w.ice = m.ice != nil // as it was agreed
	}
	w.mux = o.p.Mux
	if i < len(o.s.ours) {
		w.mux = w.mux || o.s.ours[i].mux
		w.mid = o.s.ours[i].mid
	}
	if o.s.carrier >= 0 {
		w.bundled, w.mux, w.muxOnly = true, true, true
		w.ice = o.s.memory[o.s.carrier].ice != nil
		if w.mid == "" {
			w.mid = o.freshMID(i)
		}
	}
	if o.webRTC && o.p.ICE && o.p.Mux {
		w.Exts = relayed(from.Exts)
	}
	if i < len(o.s.ours) {
		if id := midID(o.s.ours[i].Exts); id > 0 {
			w.Exts = append(slices.DeleteFunc(w.Exts, func(e Extension) bool { return e.ID == id }), Extension{id, midExtension})
		}
	}
}

// freshMID is a mid that no line has.
func (o *offerer) freshMID(i int) string {
	mid := "r" + strconv.Itoa(i)
	for slices.ContainsFunc(o.s.ours, func(w own) bool { return w.mid == mid }) {
		mid += "r"
	}
	return mid
}

// number gives every codec a payload number of this leg: the one it has here,
// else the other side's, else a free one.
func (o *offerer) number(i int, m *memory, from *Line, w *Media) numbering {
	var used [128]bool
	if o.s.carrier >= 0 { // RFC 9143 §9.1.1: a number means one thing in a bundle
		for j := range o.s.memory {
			if j != i {
				for _, c := range o.s.memory[j].numbers {
					used[c.Number] = true
				}
			}
		}
	}
	codecs := slices.DeleteFunc(slices.Clone(from.Codecs), func(c Codec) bool { return c.repairs(from.Kind) })
	codecs = withOrdinaryEvents(codecs)
	numbers := make(numbering, 0, len(codecs))
	w.Codecs = make([]Codec, 0, len(codecs))
	for _, c := range codecs {
		n, ok := m.numberFor(c, &used, codecs, w.Codecs)
		if !ok {
			continue
		}
		if c.Number != unnumbered {
			numbers = append(numbers, renumber{from: c.Number, to: n})
		}
		c.Number = n
		w.Codecs = append(w.Codecs, c)
	}
	m.number(w.Codecs)
	return numbers
}

// unnumbered marks a codec that is not the other side's.
const unnumbered = 0xff

// withOrdinaryEvents adds telephone events of 8 kHz, the only ones that many
// phones know, when there are only others: the relay converts.
func withOrdinaryEvents(list []Codec) []Codec {
	if !hasEvents(list) || slices.ContainsFunc(list, func(c Codec) bool { return c.Event() && c.Rate == 8000 }) {
		return list
	}
	return append(list, Codec{Number: unnumbered, Name: "telephone-event", Rate: 8000, Channels: 1, Params: "0-16"})
}

// numberFor chooses a number. others are the codecs of the other side, whose
// numbers are taken only when nothing else is left; done have theirs already.
func (m *memory) numberFor(c Codec, used *[128]bool, others, done []Codec) (uint8, bool) {
	free := func(n uint8) bool { return !used[n] && indexNumber(m.numbers, n) < 0 && indexNumber(done, n) < 0 }
	ours := func(n uint8) bool {
		i := indexNumber(m.numbers, n)
		return i >= 0 && same(m.numbers[i], c) && indexNumber(done, n) < 0
	}
	if isStatic(c) || ours(c.Number) {
		return c.Number, true
	}
	if i := match(c, m.numbers); i >= 0 && ours(m.numbers[i].Number) {
		return m.numbers[i].Number, true
	}
	if c.Number != unnumbered && free(c.Number) {
		return c.Number, true
	}
	for i := range dynamicCount {
		if n := dynamicNumber(i); free(n) && indexNumber(others, n) < 0 {
			return n, true
		}
	}
	return 0, false
}

// dynamicNumber gives the numbers of RFC 3551 §6 one by one, then those that RFC
// 5761 §4 leaves to browsers.
func dynamicNumber(i int) uint8 {
	if n := firstDynamic + i; n < 128 {
		return uint8(n)
	}
	return uint8(35 + i - (128 - firstDynamic))
}

// dynamicCount is how many there are.
const dynamicCount = 128 - firstDynamic + 64 - 35

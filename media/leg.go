package media

import (
	"math/rand/v2"
	"slices"

	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/rtp"
	"github.com/sparkleim/sparkle/media/secure"
	"github.com/sparkleim/sparkle/media/transport"
)

// Leg is one side of a call: a party, or a branch that rings.
type Leg struct {
	session *Session
	profile Profile
	rules   *negotiate.Profile
	cname   string // of all its streams (RFC 3550 §6.5.1)

	// Behind the session's mutex.
	state  *negotiate.State
	plan   *negotiate.Plan // what the loop does, nil before the first answer
	lines  []line
	offers int     // how many were taken or made, to tell them apart
	other  *Leg    // it is connected to
	bound  Address // of its ports, zero before the first
	closed bool

	// On the loop.
	links   []*link
	streams []*stream // one an m-line that was ever active, for reports also later
	heard   int64     // when the peer was heard last
	since   int64     // when it was connected; 0: it is not
	told    int64     // when its owner was told last that the peer is silent
}

// line is what the leg has for one m-line.
type line struct {
	link      *link          // nil: no ports of its own
	stream    *stream        // nil: never active
	ice       *transport.ICE // credentials of the link, which gets them with the next answer
	restarted int            // the offer for which ice was made anew
	fresh     bool           // its ports are for a pending offer only
}

func newLeg(s *Session, p Profile) *Leg {
	l := &Leg{session: s, profile: p, rules: p.rules(s.engine), cname: rtp.NewCNAME()}
	l.state = negotiate.New(rand.Uint64()>>1, s.engine.local(p.Local, p.Local).Advertise)
	return l
}

// TakeOffer reads an offer of the peer.
func (l *Leg) TakeOffer(sdp []byte) error {
	defer l.lock()()
	if l.closed {
		return errClosed
	}
	next, err := l.state.ReadOffer(l.rules, sdp)
	if err != nil {
		return err
	}
	l.state = next
	l.offers++
	return nil
}

// MakeAnswer answers the peer's pending offer with what the peer of from
// answered: the same m-lines, in this leg's addresses, keys and numbers. It may
// be made again, perhaps from another branch, until the next offer: addresses
// and keys stay.
func (l *Leg) MakeAnswer(from *Leg) ([]byte, error) {
	defer l.lock()()
	if from == nil || from.session != l.session {
		return nil, errStrange
	}
	return l.write(true, func(locals negotiate.Locals) (*negotiate.State, []byte, error) {
		return l.state.WriteAnswer(from.state, locals)
	})
}

// PreviewAnswer is what MakeAnswer from another branch would be now, and changes
// nothing: while one branch has the media, another may be about to get it. It fails
// where an m-line has no ports yet.
func (l *Leg) PreviewAnswer(from *Leg) ([]byte, error) {
	defer l.lock()()
	if from == nil || from.session != l.session {
		return nil, errStrange
	}
	if l.closed {
		return nil, errClosed
	}
	_, text, err := l.state.WriteAnswer(from.state, negotiate.Locals{Line: l.opened, Key: secure.NewKey})
	return text, err
}

// MakeOffer offers to the peer what the peer of from said last. from nil: audio
// in the codecs that everybody knows, or what was agreed before.
func (l *Leg) MakeOffer(from *Leg) ([]byte, error) {
	defer l.lock()()
	var said *negotiate.State
	if from != nil {
		if from.session != l.session {
			return nil, errStrange
		}
		said = from.state
	}
	text, err := l.write(false, func(locals negotiate.Locals) (*negotiate.State, []byte, error) {
		return l.state.WriteOffer(l.rules, said, locals)
	})
	if err == nil {
		l.offers++
	}
	return text, err
}

// TakeAnswer reads an answer to our offer. A later answer to the same offer
// replaces it.
func (l *Leg) TakeAnswer(sdp []byte) error {
	defer l.lock()()
	if l.closed {
		return errClosed
	}
	next, err := l.state.ReadAnswer(l.rules, sdp)
	if err != nil {
		return err
	}
	return l.commit(next)
}

// Rollback takes the pending offer back, whose ever it is: the leg goes on as
// before it (RFC 3261 §14.1, a re-INVITE that was refused).
func (l *Leg) Rollback() {
	defer l.lock()()
	if !l.closed {
		l.state = l.state.Rollback()
		l.giveBack()
	}
}

// Keying tells what the peer's last offer or answer used for its first stream;
// Plain before it said anything.
func (l *Leg) Keying() Keying {
	defer l.lock()()
	if k, ok := l.state.Keying(); ok {
		return k
	}
	return Plain
}

// Close gives the ports of a branch back that did not win.
func (l *Leg) Close() {
	defer l.lock()()
	if l.closed {
		return
	}
	changes := append(l.part(), l.end()...)
	l.session.do(changes)
	l.session.legs = slices.DeleteFunc(l.session.legs, func(other *Leg) bool { return other == l })
}

// lock takes the mutex of the session and returns what gives it back.
func (l *Leg) lock() (unlock func()) {
	l.session.mu.Lock()
	return l.session.mu.Unlock
}

// write makes a description. Ports that it opened are given back when it fails.
func (l *Leg) write(answer bool, make func(negotiate.Locals) (*negotiate.State, []byte, error)) ([]byte, error) {
	if l.closed {
		return nil, errClosed
	}
	next, text, err := make(negotiate.Locals{Line: l.local, Key: secure.NewKey})
	if err != nil {
		l.giveBack()
		return nil, err
	}
	if !answer {
		l.state = next
		return text, nil
	}
	if err := l.commit(next); err != nil {
		return nil, err
	}
	return text, nil
}

// local gives an m-line what it wants: the ports, credentials and certificate
// that it has, or new ones.
func (l *Leg) local(w negotiate.Want) (negotiate.Local, error) {
	for len(l.lines) <= w.Line {
		l.lines = append(l.lines, line{})
	}
	n := &l.lines[w.Line]
	address := l.address()
	if w.ICE && (n.ice == nil || w.Restart && n.restarted != l.offers) {
		n.ice, n.restarted = transport.NewICE(), l.offers
	}
	if n.link == nil {
		k := newLink(l, n.ice)
		if err := l.session.engine.open(l.session.worker.loop, address.Bind, k); err != nil {
			return negotiate.Local{}, err
		}
		n.link, n.fresh, l.bound = k, true, address
	}
	local := negotiate.Local{
		Address: address.Advertise,
		RTP:     n.link.pair.RTP.Local().Port(), RTCP: n.link.pair.RTCP.Local().Port(),
	}
	if w.ICE {
		local.Ufrag, local.Pwd = n.ice.Local()
	}
	if w.DTLS {
		local.Fingerprint = l.session.engine.identity.Fingerprint()
	}
	return local, nil
}

// opened is local for an m-line that has what it wants.
func (l *Leg) opened(w negotiate.Want) (negotiate.Local, error) {
	if w.Line >= len(l.lines) || l.lines[w.Line].link == nil || w.ICE && l.lines[w.Line].ice == nil {
		return negotiate.Local{}, errNoPorts
	}
	return l.local(w)
}

// address is the one of ours that this leg uses. It stays once there are ports.
func (l *Leg) address() Address {
	if l.bound.Bind.IsValid() {
		return l.bound
	}
	remote := l.profile.Local
	if r := l.state.Remote(); r != nil {
		for _, m := range r.Lines {
			if m.Address.IsValid() {
				remote = m.Address.Addr()
				break
			}
		}
	}
	return l.session.engine.local(l.profile.Local, remote)
}

// giveBack closes the ports that were opened for an offer which came to nothing.
func (l *Leg) giveBack() {
	var changes []func()
	for i := range l.lines {
		if n := &l.lines[i]; n.fresh {
			changes = append(changes, n.link.close)
			n.link, n.ice, n.fresh = nil, nil, false
		}
	}
	l.session.do(changes)
}

// end closes everything that a leg has; what was measured stays.
func (l *Leg) end() (changes []func()) {
	l.closed = true
	l.session.engine.metrics.legs.Add(-1)
	links := make([]*link, 0, len(l.lines))
	for i := range l.lines {
		if k := l.lines[i].link; k != nil {
			links = append(links, k)
			l.lines[i].link = nil
		}
	}
	return []func(){func() {
		l.goodbye()
		for _, k := range links {
			k.close()
		}
		l.session.exit(l)
	}}
}

// goodbye takes leave of the peer, on the loop.
func (l *Leg) goodbye() {
	now := l.session.engine.network.Now()
	for _, s := range l.streams {
		s.goodbye(now)
	}
}

// part takes a leg and the one that it is connected to from each other.
func (l *Leg) part() (changes []func()) {
	other := l.other
	if other == nil {
		return nil
	}
	l.other, other.other = nil, nil
	return []func(){func() {
		for _, leg := range []*Leg{l, other} {
			leg.since = 0
			for _, s := range leg.streams {
				s.connect(nil, nil, false)
			}
		}
	}}
}

// join lets what both legs agreed decide how packets go between them.
func (l *Leg) join() []func() {
	other := l.other
	if other == nil || l.plan == nil || other.plan == nil {
		return nil
	}
	pairs := negotiate.Join(l.state, other.state)
	tables := make([][2]*rtp.Payloads, len(pairs))
	for i, p := range pairs {
		tables[i] = [2]*rtp.Payloads{payloads(p.AB), payloads(p.BA)}
	}
	return []func(){func() {
		for i, p := range pairs {
			a, b := l.streams[p.A], other.streams[p.B]
			a.connect(b, tables[i][0], p.Untouched)
			b.connect(a, tables[i][1], p.Untouched)
		}
		for i, s := range l.streams {
			if !slices.ContainsFunc(pairs, func(p negotiate.Pair) bool { return p.A == i }) {
				s.connect(nil, nil, false)
			}
		}
		for i, s := range other.streams {
			if !slices.ContainsFunc(pairs, func(p negotiate.Pair) bool { return p.B == i }) {
				s.connect(nil, nil, false)
			}
		}
	}}
}

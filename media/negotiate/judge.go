package negotiate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// judge decides line by line what we take of an offer and how it is keyed.
func (p *Profile) judge(r *Remote) {
	for i := range r.Lines {
		l := &r.Lines[i]
		if l.keying, l.refusal = p.key(l); l.live() {
			l.needCodec()
		}
	}
	r.bundle()
}

// key says how a line is keyed, or why we do not take it.
func (p *Profile) key(l *Line) (Keying, refusal) {
	l.Prints = strongPrints(l.Prints)
	switch {
	case l.Port == 0:
		return Plain, ended
	case l.class == unknown || !relayedKind(l):
		return Plain, noTransport
	case !l.Address.IsValid() && !l.hold && l.ICE == nil:
		return Plain, noAddress
	case p.SRTP == Forbid && (l.class == savp || l.class == tls):
		return Plain, plainOnly
	case p.SRTP == Forbid:
		return Plain, taken
	}
	switch {
	case l.class != tls && l.class != udptl && p.Secure && len(l.Crypto) > 0:
		return SDES, taken // under RTP/AVP too: RFC 8643 §3.2
	case l.class != udptl && len(l.Prints) > 0 && l.Setup == "holdconn":
		return Plain, noConnection
	case l.class != udptl && len(l.Prints) > 0:
		return DTLS, taken
	case l.class == savp || l.class == tls:
		return Plain, noKeys
	case p.SRTP == Require:
		return Plain, noSRTP
	}
	return Plain, taken
}

// relayedKind tells whether the kind of media goes with the transport.
func relayedKind(l *Line) bool {
	switch l.Kind {
	case "audio", "video", "text", "application":
		return l.class != udptl
	case "image":
		return l.class == udptl
	}
	return false
}

// strongPrints leaves the fingerprints by SHA-2 (RFC 8122 §5).
func strongPrints(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(value string) bool {
		hash, _, _ := strings.Cut(strings.ToLower(value), " ")
		return hash != "sha-256" && hash != "sha-384" && hash != "sha-512"
	})
}

// needCodec drops formats that nobody can name; a line of RTP without any other
// is not taken.
func (l *Line) needCodec() {
	if l.class == udptl {
		return
	}
	l.Codecs = slices.DeleteFunc(l.Codecs, func(c Codec) bool { return c.Name == "" })
	if !slices.ContainsFunc(l.Codecs, func(c Codec) bool { return !c.repairs(l.Kind) && !c.Event() }) {
		l.refusal = noCodec
	}
}

// lend gives the transport of a group's first line to those that leave theirs
// out (RFC 9143 §7.1.3).
func (r *Remote) lend() {
	first := slices.IndexFunc(r.Lines, func(l Line) bool {
		return l.Port != 0 && len(l.Prints) > 0 && slices.Contains(r.Bundle, l.MID)
	})
	if first < 0 {
		return
	}
	from := &r.Lines[first]
	for i := range r.Lines {
		l := &r.Lines[i]
		if len(l.Prints) > 0 || !slices.Contains(r.Bundle, l.MID) {
			continue
		}
		l.Prints, l.Setup, l.TLSID, l.Mux = from.Prints, from.Setup, from.TLSID, from.Mux
		if l.ICE == nil {
			l.ICE = from.ICE
		}
	}
}

// bundle takes the group when the peer is as browsers are: rtcp-mux and DTLS on
// every line of it (RFC 9143 §7.3). Its lines have the transport of the first.
func (r *Remote) bundle() {
	var first *Line
	for i := range r.Lines {
		l := &r.Lines[i]
		if !l.live() || !slices.Contains(r.Bundle, l.MID) {
			continue
		}
		if !l.Mux || l.keying != DTLS {
			return
		}
		if first == nil {
			first = l
		}
	}
	if first == nil {
		return
	}
	for i := range r.Lines {
		if l := &r.Lines[i]; l.live() && slices.Contains(r.Bundle, l.MID) {
			l.bundled = true
			l.Address, l.RTCP, l.ICE, l.mismatch = first.Address, first.Address, first.ICE, first.mismatch
			l.Prints, l.Setup, l.TLSID = first.Prints, first.Setup, first.TLSID
		}
	}
}

// checkAddresses refuses a description that would have us send to where media
// does not belong. Where ICE decides, the address is only forgotten.
func (p *Profile) checkAddresses(r *Remote) error {
	for i := range r.Lines {
		l := &r.Lines[i]
		if !l.live() {
			continue
		}
		if l.ICE != nil {
			l.ICE.Candidates = slices.DeleteFunc(slices.Clone(l.ICE.Candidates), func(c Candidate) bool { return !p.allows(c.Address) })
		}
		ok := p.allowed(l.Address) && p.allowed(l.RTCP)
		if !ok && l.ICE == nil {
			return fmt.Errorf("%w: m-line %d: media must not go to the address in it", ErrNotAcceptable, i+1)
		}
		if !ok {
			l.Address, l.RTCP = netip.AddrPort{}, netip.AddrPort{}
		}
	}
	return nil
}

// allowed tells whether a is none, or one that media may go to.
func (p *Profile) allowed(a netip.AddrPort) bool { return !a.IsValid() || p.allows(a) }

// anyLive is nil when some line is live, or none was meant to be; otherwise it
// says why none is.
func (p *Profile) anyLive(r *Remote, first bool) error {
	reason, meant := ended, first
	for i := range r.Lines {
		switch l := &r.Lines[i]; {
		case l.live():
			return nil
		case l.refusal == noSRTP || l.refusal == noKeys && p.SRTP == Require:
			return fmt.Errorf("%w: m-line %d: %v", ErrInsecure, i+1, l.refusal)
		case l.refusal != ended:
			reason, meant = l.refusal, true
		}
	}
	if !meant {
		return nil
	}
	return fmt.Errorf("%w: no m-line can be used: %v", ErrNotAcceptable, reason)
}

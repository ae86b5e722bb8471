package negotiate

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sparkleim/sparkle/media/sdp"
	"github.com/sparkleim/sparkle/media/secure"
)

// section is what may be told for the session or for one m-line; the line wins.
type section struct {
	address    netip.Addr
	connection bool // c= was there
	direction  Direction
	directed   bool
	prints     []string
	setup      string
	tlsID      string
	ufrag, pwd string
	candidates []Candidate
	candidate1 bool // some candidate of RTP was there that has no address (mDNS)
	rtcp       string
	muxOnly    bool
	bundleOnly bool
}

// read takes a description apart. Its errors are ErrMalformed.
func read(text []byte) (*Remote, error) {
	d, err := sdp.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	r := &Remote{Lines: make([]Line, len(d.Media))}
	var session section
	for _, l := range d.Session {
		session.take(l)
		r.take(l)
	}
	for i := range d.Media {
		r.Lines[i].read(&d.Media[i], session, r.ICELite)
	}
	r.lend()
	return r, nil
}

// take reads what only a session has.
func (r *Remote) take(l sdp.Line) {
	if l.Type != 'a' {
		return
	}
	switch name, value := l.Attribute(); name {
	case "ice-lite":
		r.ICELite = true
	case "group":
		if rest, ok := strings.CutPrefix(value, "BUNDLE "); ok && r.Bundle == nil {
			r.Bundle = strings.Fields(rest)
		}
	}
}

// take reads what session and m-lines have in common.
func (s *section) take(l sdp.Line) {
	if l.Type == 'c' {
		address, _ := sdp.ParseAddress(l.Value) // not valid: it is a name
		s.address, s.connection = address, true
	}
	if l.Type != 'a' {
		return
	}
	switch name, value := l.Attribute(); name {
	case "sendrecv":
		s.direction, s.directed = SendRecv, true
	case "sendonly":
		s.direction, s.directed = Sends, true
	case "recvonly":
		s.direction, s.directed = Receives, true
	case "inactive":
		s.direction, s.directed = Inactive, true
	case "fingerprint":
		s.prints = append(s.prints[:len(s.prints):len(s.prints)], value)
	case "setup":
		s.setup = strings.ToLower(value)
	case "tls-id":
		s.tlsID = value
	case "ice-ufrag":
		s.ufrag = value
	case "ice-pwd":
		s.pwd = value
	}
}

// read takes an m-line apart; session has what it inherits.
func (l *Line) read(m *sdp.Media, session section, peerLite bool) {
	*l = Line{Media: Media{Kind: strings.ToLower(m.Kind), Formats: m.Formats}, Proto: m.Proto, Port: m.Port}
	l.class, l.profileF = classify(m.Proto)
	told := section{}
	for _, line := range m.Lines {
		told.take(line)
		l.take(line, &told)
	}
	if l.class != unknown && l.class != udptl {
		l.Codecs = readCodecs(m)
	}
	if l.Port == 0 && told.bundleOnly { // RFC 9143 §6: the port of the bundle is its own
		l.Port = 9
	}
	told.inherit(session)
	l.Prints, l.Setup, l.TLSID = told.prints, told.setup, told.tlsID
	l.Mux = l.Mux || told.muxOnly
	l.addresses(&told)
	l.ice(&told, peerLite)
}

// inherit fills in what the session says for all its m-lines.
func (s *section) inherit(session section) {
	if !s.connection {
		s.address = session.address
	}
	if !s.directed {
		s.direction = SendRecv // RFC 8866 §6.7
		if session.directed {
			s.direction = session.direction
		}
	}
	if s.prints == nil {
		s.prints = session.prints
	}
	if s.setup == "" {
		s.setup = session.setup
	}
	if s.tlsID == "" {
		s.tlsID = session.tlsID
	}
	if s.ufrag == "" {
		s.ufrag = session.ufrag
	}
	if s.pwd == "" {
		s.pwd = session.pwd
	}
}

// take reads what only an m-line has.
func (l *Line) take(line sdp.Line, told *section) {
	if passes(line) {
		l.pass = append(l.pass, line)
		return
	}
	if line.Type != 'a' {
		return
	}
	switch name, value := line.Attribute(); name {
	case "rtcp":
		told.rtcp = value
	case "rtcp-mux":
		l.Mux = true
	case "rtcp-mux-only": // RFC 8858
		told.muxOnly = true
	case "bundle-only":
		told.bundleOnly = true
	case "rtcp-rsize":
		l.RSize = true
	case "rtcp-fb":
		if f, ok := readFeedback(value); ok {
			l.feedback = append(l.feedback, f)
		}
	case "crypto":
		if c, ok := secure.ParseCrypto(value); ok {
			l.Crypto = append(l.Crypto, c)
		}
	case "candidate":
		told.candidate(value)
	case "mid":
		l.MID = value
	case "extmap":
		if e, ok := readExtension(value); ok {
			l.Exts = append(l.Exts, e)
		}
	case "zrtp-hash":
		l.hashes = append(l.hashes, value)
	case "ssrc":
		id, _, _ := strings.Cut(value, " ")
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			l.ssrc(uint32(n))
		}
	}
}

// ssrc notes a source once, in the order they are told.
func (l *Line) ssrc(n uint32) {
	for _, known := range l.SSRCs {
		if known == n {
			return
		}
	}
	l.SSRCs = append(l.SSRCs, n)
}

// readExtension reads the value of a=extmap (RFC 8285 §5).
func readExtension(value string) (Extension, bool) {
	id, rest, _ := strings.Cut(value, " ")
	id, _, _ = strings.Cut(id, "/") // a direction
	uri, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseUint(id, 10, 8)
	return Extension{ID: int(n), URI: uri}, err == nil && n > 0 && uri != ""
}

// addresses finds where RTP and RTCP go, and what direction that leaves.
func (l *Line) addresses(s *section) {
	l.Direction = s.direction
	if l.hold = s.address.IsUnspecified(); l.hold {
		l.Direction &^= Receives // RFC 3264 §8.4: hold as RFC 2543 had it
	}
	if !s.address.IsValid() || l.hold || l.Port == 0 {
		return
	}
	l.Address = netip.AddrPortFrom(s.address, uint16(l.Port))
	if l.Mux {
		l.RTCP = l.Address
		return
	}
	l.withoutMux()
	if s.rtcp == "" {
		return
	}
	address := s.address
	number, rest, _ := strings.Cut(s.rtcp, " ") // RFC 3605 §2.1: "port" or "port IN IP4 address"
	if a, ok := sdp.ParseAddress(rest); ok && !a.IsUnspecified() {
		address = a
	}
	if port, err := strconv.ParseUint(number, 10, 16); err == nil && port > 0 {
		l.RTCP = netip.AddrPortFrom(address, uint16(port))
	}
}

// withoutMux puts RTCP one port above (RFC 3550 §11).
func (l *Line) withoutMux() {
	l.Mux, l.RTCP = false, netip.AddrPort{}
	if port := l.Address.Port(); port > 0 && port < 65535 {
		l.RTCP = netip.AddrPortFrom(l.Address.Addr(), port+1)
	}
}

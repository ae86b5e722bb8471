package negotiate

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/sparkleim/sparkle/media/sdp"
)

// Lengths of RFC 8839 §5.4.
const minUfrag, minPwd, maxCredential = 4, 22, 256

// ice decides whether the peer does ICE on this line in a way that we can answer.
func (l *Line) ice(s *section, peerLite bool) {
	if len(s.ufrag) < minUfrag || len(s.pwd) < minPwd || len(s.ufrag) > maxCredential || len(s.pwd) > maxCredential {
		return
	}
	if peerLite { // nobody would check anything: the addresses of c= and m= are good (RFC 8445 §2.5)
		return
	}
	if l.mismatch = iceMismatch(l, s); l.mismatch {
		return
	}
	l.ICE = &ICE{Ufrag: s.ufrag, Pwd: s.pwd, Candidates: s.candidates}
	if s.address.IsUnspecified() { // ICE will tell where it is: no hold
		l.Direction = s.direction
	}
}

// iceMismatch tells whether somebody on the way changed the address but not the
// candidates (RFC 8839 §4.2.5).
func iceMismatch(l *Line, s *section) bool {
	if l.Port == 0 || l.Port == 9 || s.candidate1 || !l.Address.IsValid() || len(s.candidates) == 0 {
		return false
	}
	for _, c := range s.candidates {
		if c.Component == 1 && c.Address == l.Address {
			return false
		}
	}
	return true
}

// candidate reads the value of a=candidate (RFC 8839 §5.1): "foundation
// component transport priority address port typ …".
func (s *section) candidate(value string) {
	var word [6]string
	n := 0
	for w := range sdp.Words(value) {
		if word[n] = w; n == len(word)-1 {
			break
		}
		n++
	}
	component, err := strconv.Atoi(word[1])
	if err != nil || !strings.EqualFold(word[2], "udp") || component != 1 && component != 2 {
		return
	}
	address, err := netip.ParseAddr(word[4])
	port, portErr := strconv.ParseUint(word[5], 10, 16)
	if err != nil || portErr != nil || port == 0 {
		s.candidate1 = s.candidate1 || component == 1
		return
	}
	to := netip.AddrPortFrom(address.Unmap().WithZone(""), uint16(port))
	s.candidates = append(s.candidates, Candidate{Component: component, Address: to})
}

// hostPriority is that of a host candidate of the only address (RFC 8445 §5.1.2.1).
func hostPriority(component int) int { return 126<<24 + 65535<<8 + 256 - component }

// writeICE writes our credentials and candidates (RFC 8839 §5.1, §5.4). muxOnly:
// RTCP has no component of its own.
func writeICE(w *sdp.Writer, l Local, muxOnly bool) {
	w.Attribute("ice-ufrag", l.Ufrag)
	w.Attribute("ice-pwd", l.Pwd)
	writeCandidate(w, 1, l.Address, l.RTP)
	if !muxOnly {
		writeCandidate(w, 2, l.Address, l.RTCP)
	}
}

func writeCandidate(w *sdp.Writer, component int, a netip.Addr, port uint16) {
	w.Attribute("candidate", "1 ", strconv.Itoa(component), " UDP ", strconv.Itoa(hostPriority(component)), " ",
		a.String(), " ", strconv.Itoa(int(port)), " typ host")
}

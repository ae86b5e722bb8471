package negotiate

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/sparkleim/sparkle/media/secure"
)

// own is an m-line of a description of ours.
type own struct {
	Media
	proto    string
	refused  bool // port 0
	local    Local
	keying   Keying
	crypto   []secure.Crypto // SDES: offered, or the one of the answer
	setup    string          // DTLS, or offered beside SDES
	ice      bool
	mismatch bool
	mux      bool // RTCP may use the port of RTP
	muxOnly  bool // and nothing else
	mid      string
	bundled  bool
	restart  bool // the peer restarts ICE
}

// deadLine is a line with port 0. It keeps its place, kind and transport (RFC
// 3264 §6, §8.2); words that the peer left out are made up.
func deadLine(kind, proto, formats string) own {
	return own{
		Media:   Media{Kind: cmp.Or(kind, "audio"), Formats: cmp.Or(formats, "0")},
		proto:   cmp.Or(proto, avp.proto(false)),
		refused: true,
	}
}

// suites are those of our offers, the best first. A phone that does not know
// GCM finds what every phone knows (RFC 4568 §6.2).
var suites = [...]secure.Suite{
	secure.AEAD_AES_128_GCM, secure.AES_CM_128_HMAC_SHA1_80, secure.AES_CM_128_HMAC_SHA1_32, secure.AES_256_CM_HMAC_SHA1_80,
}

// offerCrypto lists our keys, the suite in use first: most peers take the first
// that they know, and another one would begin SRTP anew.
func (m *memory) offerCrypto(fresh func(secure.Suite) secure.Key) []secure.Crypto {
	order := suites[:]
	if m.suite != secure.NoSuite {
		order = slices.DeleteFunc(slices.Clone(order), func(s secure.Suite) bool { return s == m.suite })
		order = slices.Insert(order, 0, m.suite)
	}
	list := make([]secure.Crypto, len(order))
	for i, s := range order {
		list[i] = secure.Crypto{Tag: i + 1, Suite: s, Key: m.key(s, fresh)}
	}
	return list
}

// preference is our order among the suites that a peer may offer.
var preference = [...]secure.Suite{
	secure.AEAD_AES_128_GCM, secure.AEAD_AES_256_GCM, secure.AES_CM_128_HMAC_SHA1_80, secure.AES_CM_128_HMAC_SHA1_32,
	secure.AES_256_CM_HMAC_SHA1_80, secure.AES_256_CM_HMAC_SHA1_32,
}

// chooseCrypto picks one of the peer's offer: what is in use, else the best.
func (m *memory) chooseCrypto(offered []secure.Crypto) secure.Crypto {
	return slices.MinFunc(offered, func(a, b secure.Crypto) int { return m.rank(a.Suite) - m.rank(b.Suite) })
}

// rank is small for what is better.
func (m *memory) rank(s secure.Suite) int {
	if s == m.suite {
		return -1
	}
	return slices.Index(preference[:], s)
}

// association tells whether the peer's description goes on with the DTLS
// association that there is (RFC 8842 §3.1).
func (m *memory) association(l *Line) bool {
	return m.agreed && m.keying == DTLS && m.tlsID == l.TLSID && slices.Equal(m.prints, l.Prints)
}

// answerSetup is our role: the one we have; else passive, which works through
// NAT, unless the peer is (RFC 5763 §5, RFC 8842 §5.3).
func (m *memory) answerSetup(l *Line) string {
	switch {
	case l.Setup == "passive":
		return "active"
	case l.Setup == "actpass" && m.association(l) && m.client:
		return "active"
	}
	return "passive"
}

// restarts tells whether the peer begins ICE anew (RFC 8839 §4.4.1).
func (m *memory) restarts(ice *ICE) bool {
	return m.ice != nil && ice != nil && (m.ice.Ufrag != ice.Ufrag || m.ice.Pwd != ice.Pwd)
}

// passExtensions are those that a relay may let through: they speak of the media
// alone, and nothing in them names a transport.
var passExtensions = [...]string{
	"urn:ietf:params:rtp-hdrext:ssrc-audio-level", // RFC 6464
	"urn:ietf:params:rtp-hdrext:csrc-audio-level", // RFC 6465
	"urn:3gpp:video-orientation",
}

// midExtension carries the mid of a bundled stream (RFC 9143 §15).
const midExtension = "urn:ietf:params:rtp-hdrext:sdes:mid"

// relayed leaves of list what passes between two legs.
func relayed(list []Extension) []Extension {
	return slices.DeleteFunc(slices.Clone(list), func(e Extension) bool { return !slices.Contains(passExtensions[:], e.URI) })
}

// midID is the number of the mid extension in list, 0 for none.
func midID(list []Extension) int {
	for _, e := range list {
		if e.URI == midExtension {
			return e.ID
		}
	}
	return 0
}

// deadFormats is what stays in the m-line when its port becomes 0.
func (w *own) deadFormats() string {
	if len(w.Codecs) > 0 {
		return strconv.Itoa(int(w.Codecs[0].Number))
	}
	return w.Formats
}

// settle asks for what the lines need that is ours: addresses, ports, keys.
func (s *State) settle(lines []own, l Locals) error {
	var shared *Local
	for i := range lines {
		w, m := &lines[i], s.line(i)
		if w.refused {
			continue
		}
		if w.keying == SDES {
			w.crypto = m.settleCrypto(w.crypto, l.Key)
		}
		if w.bundled && shared != nil {
			w.local = *shared
			continue
		}
		want := Want{Line: i, Kind: w.Kind, ICE: w.ice, Restart: w.restart, DTLS: w.setup != ""}
		if w.bundled {
			want.Line, shared = s.carrier, &w.local
		}
		local, err := l.Line(want)
		if err != nil {
			return err
		}
		w.local = local
	}
	s.ours = lines
	return nil
}

// settleCrypto gives the one that was chosen our key, or lists all of an offer.
func (m *memory) settleCrypto(chosen []secure.Crypto, fresh func(secure.Suite) secure.Key) []secure.Crypto {
	if len(chosen) == 0 {
		return m.offerCrypto(fresh)
	}
	c := chosen[0]
	return []secure.Crypto{{Tag: c.Tag, Suite: c.Suite, Key: m.key(c.Suite, fresh)}} // RFC 4568 §5.1.2: the offered tag
}

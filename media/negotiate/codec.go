package negotiate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sparkleim/sparkle/media/sdp"
)

// Codec is a payload format under a number.
type Codec struct {
	Number   uint8
	Name     string // as written; compared without case
	Rate     int    // of the clock, Hz
	Channels int    // 1 when not told
	Params   string // a=fmtp
}

// firstDynamic is where numbers without a fixed meaning begin (RFC 3551 §6).
const firstDynamic = 96

// static are the formats that need no a=rtpmap (RFC 3551 §6).
var static = [...]Codec{
	{0, "PCMU", 8000, 1, ""}, {3, "GSM", 8000, 1, ""}, {4, "G723", 8000, 1, ""}, {5, "DVI4", 8000, 1, ""},
	{6, "DVI4", 16000, 1, ""}, {7, "LPC", 8000, 1, ""}, {8, "PCMA", 8000, 1, ""}, {9, "G722", 8000, 1, ""},
	{10, "L16", 44100, 2, ""}, {11, "L16", 44100, 1, ""}, {12, "QCELP", 8000, 1, ""}, {13, "CN", 8000, 1, ""},
	{14, "MPA", 90000, 1, ""}, {15, "G728", 8000, 1, ""}, {16, "DVI4", 11025, 1, ""}, {17, "DVI4", 22050, 1, ""},
	{18, "G729", 8000, 1, ""}, {25, "CelB", 90000, 1, ""}, {26, "JPEG", 90000, 1, ""}, {28, "nv", 90000, 1, ""},
	{31, "H261", 90000, 1, ""}, {32, "MPV", 90000, 1, ""}, {33, "MP2T", 90000, 1, ""}, {34, "H263", 90000, 1, ""},
}

func isStatic(c Codec) bool {
	return slices.ContainsFunc(static[:], func(s Codec) bool { return s.Number == c.Number && same(s, c) })
}

// readCodecs lists the formats of an m-line in their order. One without a name
// (a dynamic number without a=rtpmap) keeps Name empty.
func readCodecs(m *sdp.Media) []Codec {
	list := make([]Codec, 0, min(len(m.Formats)/2+1, 128)) // a number and a blank each
	var seen [128]bool
	for word := range sdp.Words(m.Formats) {
		n, err := strconv.ParseUint(word, 10, 8)
		if err != nil || n > 127 || seen[n] {
			continue
		}
		seen[n] = true
		list = append(list, Codec{Number: uint8(n), Channels: 1})
	}
	for _, l := range m.Lines {
		readFormat(list, l)
	}
	for i := range list {
		if c := &list[i]; c.Name == "" {
			if s := slices.IndexFunc(static[:], func(s Codec) bool { return s.Number == c.Number }); s >= 0 {
				c.Name, c.Rate, c.Channels = static[s].Name, static[s].Rate, static[s].Channels
			}
		}
	}
	return list
}

// readFormat takes a=rtpmap and a=fmtp (RFC 8866 §6.6, §6.15).
func readFormat(list []Codec, l sdp.Line) {
	if l.Type != 'a' || len(l.Value) < 5 || l.Value[0]|0x20 != 'r' && l.Value[0]|0x20 != 'f' {
		return
	}
	name, value := l.Attribute()
	isMap := strings.EqualFold(name, "rtpmap")
	if !isMap && !strings.EqualFold(name, "fmtp") {
		return
	}
	number, rest, _ := strings.Cut(value, " ")
	n, err := strconv.ParseUint(number, 10, 8)
	i := slices.IndexFunc(list, func(c Codec) bool { return uint64(c.Number) == n })
	if err != nil || i < 0 {
		return
	}
	c := &list[i]
	rest = strings.TrimSpace(rest)
	if !isMap {
		c.Params = rest
		return
	}
	encoding, rate, _ := strings.Cut(rest, "/")
	rate, channels, _ := strings.Cut(rate, "/")
	hz, err := strconv.ParseUint(strings.TrimSpace(rate), 10, 31)
	if encoding == "" || err != nil || hz == 0 {
		return
	}
	c.Name, c.Rate = encoding, int(hz)
	if channels == "" {
		return
	}
	if n, err := strconv.ParseUint(strings.TrimSpace(channels), 10, 8); err == nil && n > 0 {
		c.Channels = int(n)
	}
}

// is tells whether c has one of the names.
func (c Codec) is(names ...string) bool {
	for _, name := range names {
		if strings.EqualFold(c.Name, name) {
			return true
		}
	}
	return false
}

// Event tells whether c is telephone events (RFC 4733).
func (c Codec) Event() bool { return c.is("telephone-event") }

// repairs tells whether c only protects or repeats the packets of others. A
// relay that numbers packets anew would have to open it, so each side does
// without. Redundancy of text (RFC 4103) is how text is sent.
func (c Codec) repairs(kind string) bool {
	return c.is("rtx", "ulpfec", "flexfec", "flexfec-03", "parityfec") || c.is("red") && kind != "text"
}

// same tells whether a and b are one format, whatever their numbers.
func same(a, b Codec) bool {
	if a.Rate != b.Rate || a.Channels != b.Channels || !a.is(b.Name) {
		return false
	}
	switch {
	case a.is("H264"): // RFC 6184 §8.2.2: the same profile and packetization
		return sameParam(a, b, "packetization-mode", "0") && sameProfile(a, b)
	case a.is("H265"):
		return sameParam(a, b, "profile-id", "1") // RFC 7798 §7.1
	case a.is("VP9"):
		return sameParam(a, b, "profile-id", "0") // RFC 9628 §6
	case a.is("AV1"):
		return sameParam(a, b, "profile", "0")
	}
	return true
}

func sameParam(a, b Codec, name, missing string) bool {
	return param(a.Params, name, missing) == param(b.Params, name, missing)
}

// sameProfile compares profile_idc, the first byte of profile-level-id: level
// and constraints are told by each side for itself.
func sameProfile(a, b Codec) bool {
	x, y := param(a.Params, "profile-level-id", "42"), param(b.Params, "profile-level-id", "42")
	return len(x) >= 2 && len(y) >= 2 && strings.EqualFold(x[:2], y[:2])
}

// param gives a parameter of a=fmtp.
func param(params, name, missing string) string {
	for part := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return missing
}

// match finds c in list: with the same parameters, else under the same number,
// else anywhere; -1 for nowhere.
func match(c Codec, list []Codec) int {
	best, rank := -1, 0
	for i, x := range list {
		if !same(c, x) {
			continue
		}
		r := 1
		if x.Number == c.Number {
			r++
		}
		if x.Params == c.Params {
			r += 2
		}
		if r > rank {
			best, rank = i, r
		}
	}
	return best
}

func indexNumber(list []Codec, number uint8) int {
	return slices.IndexFunc(list, func(c Codec) bool { return c.Number == number })
}

// hasEvents tells whether list has telephone events of any rate.
func hasEvents(list []Codec) bool { return slices.ContainsFunc(list, Codec.Event) }

// ordinary is what an offer from nobody has: the codecs that everybody knows.
func ordinary() Media {
	return Media{Kind: "audio", Direction: SendRecv, Codecs: []Codec{
		{96, "opus", 48000, 2, "useinbandfec=1"},
		{9, "G722", 8000, 1, ""},
		{8, "PCMA", 8000, 1, ""},
		{0, "PCMU", 8000, 1, ""},
		{102, "telephone-event", 48000, 1, "0-16"},
		{101, "telephone-event", 8000, 1, "0-16"},
	}}
}

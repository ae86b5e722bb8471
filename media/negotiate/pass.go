package negotiate

import (
	"strconv"
	"strings"

	"github.com/sparkleim/sparkle/media/sdp"
)

// passes tells whether the other side may see a line of a media section as it
// is. It is a list of what may: whatever is unknown could tell who or where
// somebody is. Formats, feedback, directions, extensions and all that belongs
// to the transport are handled by name elsewhere.
func passes(l sdp.Line) bool {
	switch l.Type {
	case 'b':
		kind, _, _ := strings.Cut(l.Value, ":")
		return kind == "AS" || kind == "TIAS" || kind == "CT"
	case 'a':
		name, _ := l.Attribute()
		switch strings.ToLower(name) {
		case "ptime", "maxptime", "minptime", "framerate", "content", "label", "quality", "orient",
			"silencesupp", "framesize", "imageattr", "maxprate":
			return true
		}
		return len(name) > 3 && strings.EqualFold(name[:3], "T38") // ITU-T T.38 Annex D
	}
	return false
}

// renumberedLines gives lines for another leg: those that begin with a payload
// number (RFC 6064, RFC 6236 §3.1) get that leg's.
func renumberedLines(lines []sdp.Line, numbers numbering) []sdp.Line {
	out := make([]sdp.Line, 0, len(lines))
	for _, l := range lines {
		name, value := l.Attribute()
		if l.Type == 'a' && (strings.EqualFold(name, "framesize") || strings.EqualFold(name, "imageattr")) {
			format, rest, _ := strings.Cut(value, " ")
			if format != "*" {
				n, err := strconv.ParseUint(format, 10, 7)
				number, ok := numbers.to(uint8(n))
				if err != nil || !ok {
					continue
				}
				format = strconv.Itoa(int(number))
			}
			l.Value = name + ":" + format + " " + rest
		}
		out = append(out, l)
	}
	return out
}

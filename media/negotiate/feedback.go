package negotiate

import (
	"slices"
	"strconv"
	"strings"
)

// Feedback is a set of what both sides of a leg may ask of a sender of media
// (RFC 4585, RFC 5104).
type Feedback uint8

const (
	NACK   Feedback = 1 << iota // "nack"
	PLI                         // "nack pli"
	SLI                         // "nack sli"
	FIR                         // "ccm fir"
	TMMBR                       // "ccm tmmbr"
	REMB                        // "goog-remb"
	timing                      // "trr-int": how often RTCP comes, not asked of anybody
)

// everyFormat stands for the "*" of a=rtcp-fb.
const everyFormat = -1

// feedback is one a=rtcp-fb that we can do; others are not passed on, because
// RTCP ends here.
type feedback struct {
	number int // payload number, or everyFormat
	kind   Feedback
	value  string
}

// readFeedback reads the value of a=rtcp-fb (RFC 4585 §4.2), also under RTP/AVP,
// where phones write it although they should not.
func readFeedback(value string) (f feedback, ok bool) {
	format, rest, _ := strings.Cut(value, " ")
	f = feedback{number: everyFormat, value: strings.TrimSpace(rest)}
	if format != "*" {
		n, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			return f, false
		}
		f.number = int(n)
	}
	f.kind = feedbackKind(f.value)
	return f, f.kind != 0
}

func feedbackKind(value string) Feedback {
	name, rest, _ := strings.Cut(value, " ")
	param, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	switch name + " " + param {
	case "nack ":
		return NACK
	case "nack pli":
		return PLI
	case "nack sli":
		return SLI
	case "ccm fir":
		return FIR
	case "ccm tmmbr":
		return TMMBR
	case "goog-remb ":
		return REMB
	}
	if name == "trr-int" {
		return timing
	}
	return 0
}

// kinds is all that a list has, for whatever format.
func kinds(list []feedback) (all Feedback) {
	for _, f := range list {
		all |= f.kind
	}
	return all
}

// common is what of ours the peer does as well.
func common(ours []feedback, theirs Feedback) []feedback {
	return slices.DeleteFunc(slices.Clone(ours), func(f feedback) bool { return f.kind&theirs == 0 })
}

// renumbered gives list under the numbers of another leg; what belongs to a
// format that is not there is left out.
func renumbered(list []feedback, numbers numbering) []feedback {
	out := make([]feedback, 0, len(list))
	for _, f := range list {
		if f.number != everyFormat {
			n, ok := numbers.to(uint8(f.number))
			if !ok {
				continue
			}
			f.number = int(n)
		}
		out = append(out, f)
	}
	return out
}

// numbering leads from the payload numbers of one leg to those of another.
type numbering []renumber

type renumber struct{ from, to uint8 }

func (n numbering) to(number uint8) (uint8, bool) {
	for _, x := range n {
		if x.from == number {
			return x.to, true
		}
	}
	return 0, false
}

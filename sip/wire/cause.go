package wire

import (
	"iter"
	"strconv"
	"strings"
)

// Cause is one value of a Reason header (RFC 3326).
type Cause struct {
	Protocol string // upper case: "Q.850", "SIP" …
	Cause    int    // 1 to 999
	Text     string // "" for none
}

// Causes walks through the values of a Reason header's text. Those without a
// cause, or with one that no protocol has, are passed over.
func Causes(reason string) iter.Seq[Cause] {
	return func(yield func(Cause) bool) {
		for s := reason; s != ""; {
			end, _ := indexOutside(s, ',', ',')
			if c, ok := parseCause(s[:end]); ok && !yield(c) {
				return
			}
			s = strings.TrimPrefix(s[end:], ",")
		}
	}
}

func parseCause(value string) (c Cause, ok bool) {
	protocol, _, _ := strings.Cut(value, ";")
	number, _ := findParam(value, "cause")
	n, err := strconv.Atoi(number)
	if err != nil || n <= 0 || n >= 1000 {
		return Cause{}, false
	}
	text, _ := findParam(value, "text")
	return Cause{Protocol: strings.ToUpper(trim(protocol)), Cause: n, Text: text}, true
}

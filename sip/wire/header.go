package wire

import (
	"iter"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// H makes a header. Compact and oddly spelt names become canonical. CR, LF and
// NUL in value are replaced by blanks.
func H(name, value string) sip.Header {
	return newField(canonical(clean(name)), clean(value))
}

// headersOf returns the headers of a message. They must not be changed.
func headersOf(m sip.Message) []sip.Header {
	switch m := m.(type) {
	case *sip.Request:
		return m.Headers()
	case *sip.Response:
		return m.Headers()
	}
	return nil
}

// Header returns the text of the first header of that name (any case; compact
// forms match), "" when there is none.
func Header(m sip.Message, name string) string {
	name = canonical(name)
	for _, h := range headersOf(m) {
		if sameName(h.Name(), name) {
			return h.Value()
		}
	}
	return ""
}

// All walks through every value of a list header in order, comma lists split
// outside quotes and angle brackets. The headers of digest authentication,
// whose commas separate parameters, give one value a line.
func All(m sip.Message, name string) iter.Seq[string] {
	// Small enough to be inlined: then a loop over it costs no memory.
	return func(yield func(string) bool) { walk(m, canonical(name), yield) }
}

// walk is the loop of All.
func walk(m sip.Message, name string, yield func(string) bool) {
	for _, h := range headersOf(m) {
		if !sameName(h.Name(), name) {
			continue
		}
		if isCredentials(name) {
			if !yield(h.Value()) {
				return
			}
			continue
		}
		for value, rest := "", h.Value(); rest != ""; {
			value, rest = cutValue(rest)
			if value != "" && !yield(value) {
				return
			}
		}
	}
}

// Values returns what [All] walks through.
func Values(m sip.Message, name string) []string {
	var room [4]string
	values := room[:0]
	for v := range All(m, name) {
		values = append(values, v)
	}
	if len(values) == 0 {
		return nil
	}
	return slices.Clone(values)
}

// Has tells whether a token is among the values, in any case (Supported: path,
// outbound).
func Has(m sip.Message, name, token string) bool {
	for v := range All(m, name) {
		if equalFold(v, token) {
			return true
		}
	}
	return false
}

func isCredentials(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info":
		return true
	}
	return false
}

// cutValue cuts the first value off a comma list.
func cutValue(list string) (value, rest string) {
	if strings.IndexByte(list, ',') < 0 {
		return trim(list), ""
	}
	inURI := false
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '"':
			if inURI {
				continue
			}
			end := quotedEnd(list[i:])
			if end < 0 {
				return trim(list), ""
			}
			i += end - 1
		case '<':
			inURI = true
		case '>':
			inURI = false
		case ',':
			if !inURI {
				return trim(list[:i]), list[i+1:]
			}
		}
	}
	return trim(list), ""
}

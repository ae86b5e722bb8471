package wire

import (
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"
)

var (
	errQuote = errors.New("a quoted string does not end")
	errParam = errors.New("a parameter is empty or malformed")
)

// parseParams reads *( SEMI generic-param ) as it stands in From, Contact, Via …
// (RFC 3261 §25.1): names lower case, values unquoted, blanks around ";" and "="
// ignored. One semicolon too many at the end is forgiven.
func parseParams(s string, room *paramRoom) (sip.HeaderParams, error) {
	s = trim(s)
	if s == "" {
		return nil, nil
	}
	params := room.take(strings.Count(s, ";"))
	for s != "" {
		name, value, rest, err := nextParam(s)
		if err != nil {
			return nil, err
		}
		s = rest
		if name != "" {
			params = append(params, sip.HeaderKV{K: strings.ToLower(name), V: Unquote(value)})
		}
	}
	if len(params) == 0 {
		return nil, errParam
	}
	return params, nil
}

// nextParam cuts the parameter off that s begins with, semicolon included. The
// name is only empty behind the last semicolon.
func nextParam(s string) (name, value, rest string, err error) {
	if s[0] != ';' {
		return "", "", "", errParam
	}
	end, ok := indexOutside(s[1:], ';', ';')
	if !ok {
		return "", "", "", errQuote
	}
	name, value, ok = cutParam(s[1 : 1+end])
	rest = s[1+end:]
	if !ok || name == "" && rest != "" {
		return "", "", "", errParam
	}
	return name, value, rest, nil
}

// paramRoom is memory for the parameters of several values, which then need no
// allocation each. The zero value has none to give.
type paramRoom struct{ free sip.HeaderParams }

// take returns an empty list with room for n parameters.
func (r *paramRoom) take(n int) sip.HeaderParams {
	if n > cap(r.free) {
		return make(sip.HeaderParams, 0, n)
	}
	list := r.free[:0:n]
	r.free = r.free[n:n:cap(r.free)]
	return list
}

// cutParam splits name=value. ok is false when the name or an unquoted value
// cannot stand in a header parameter.
func cutParam(s string) (name, value string, ok bool) {
	name, value, hasValue := strings.Cut(s, "=")
	name, value = trim(name), trim(value)
	if name == "" {
		return "", "", !hasValue
	}
	if !tokens.contains(name) {
		return name, value, false
	}
	if value != "" && value[0] == '"' {
		return name, value, quotedEnd(value) == len(value)
	}
	return name, value, strings.IndexByte(value, ',') < 0 && strings.IndexByte(value, ' ') < 0
}

// param returns the value of a parameter, case-insensitively.
func param(params sip.HeaderParams, name string) (string, bool) {
	for _, p := range params {
		if p.K == name || equalFold(p.K, name) {
			return p.V, true
		}
	}
	return "", false
}

// findParam looks for a header parameter in the text of a value without parsing
// the rest of it. ok is false when there is none.
func findParam(s, name string) (value string, ok bool) {
	s = afterURI(s)
	for {
		start, _ := indexOutside(s, ';', ';')
		if start == len(s) {
			return "", false
		}
		s = s[start+1:]
		end, _ := indexOutside(s, ';', ',')
		n, v, _ := strings.Cut(s[:end], "=")
		if equalFold(trim(n), name) {
			return Unquote(trim(v)), true
		}
		s = s[end:]
	}
}

// afterURI skips the display name and <URI> of a value.
func afterURI(s string) string {
	lt, ok := indexOutside(s, '<', ';')
	if !ok || lt == len(s) || s[lt] != '<' {
		return s
	}
	gt := strings.IndexByte(s[lt:], '>')
	if gt < 0 {
		return s
	}
	return s[lt+gt+1:]
}

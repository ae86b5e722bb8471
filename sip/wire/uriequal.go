package wire

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// EqualURI compares as RFC 3261 §19.1.4 says. URIs of other schemes are equal
// when their texts are.
func EqualURI(a, b *sip.Uri) bool {
	if !equalFold(a.Scheme, b.Scheme) || a.Wildcard != b.Wildcard || a.Raw() != b.Raw() {
		return false
	}
	return equalEscaped(a.User, b.User) && equalEscaped(a.Password, b.Password) &&
		equalFold(a.Host, b.Host) && a.Port == b.Port &&
		paramsMatch(a.UriParams, b.UriParams) && paramsMatch(b.UriParams, a.UriParams) &&
		headersMatch(a.Headers, b.Headers) && headersMatch(b.Headers, a.Headers)
}

// paramsMatch tells whether each parameter of a is equal in b or may be absent
// there. Of parameters with one name, which must not be, the first counts.
func paramsMatch(a, b sip.HeaderParams) bool {
	for _, p := range a {
		name := unescape(p.K)
		own, _ := findFold(a, name)
		v, ok := findFold(b, name)
		if ok && !equalFold(normalize(own), normalize(v)) {
			return false
		}
		if !ok && mustMatch(name) {
			return false
		}
	}
	return true
}

// mustMatch names the parameters that make a difference when only one URI has
// them.
func mustMatch(name string) bool {
	switch strings.ToLower(name) {
	case "user", "ttl", "method", "maddr", "transport":
		return true
	}
	return false
}

func headersMatch(a, b sip.HeaderParams) bool {
	for _, h := range a {
		own, _ := findFold(a, unescape(h.K))
		v, ok := findFold(b, unescape(h.K))
		if !ok || !equalEscaped(own, v) {
			return false
		}
	}
	return true
}

func findFold(params sip.HeaderParams, name string) (string, bool) {
	for _, p := range params {
		if equalFold(unescape(p.K), name) {
			return p.V, true
		}
	}
	return "", false
}

func equalEscaped(a, b string) bool {
	return a == b || normalize(a) == normalize(b)
}

// normalize undoes the escapes of characters that are not reserved, which are
// equivalent to their escapes, and writes the others with upper-case digits.
func normalize(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c, ok := escaped(s[i:])
		switch {
		case !ok:
			b.WriteByte(s[i])
			continue
		case c <= ' ' || c >= 0x7f || strings.IndexByte(";/?:@&=+$,%", c) >= 0:
			b.WriteString(strings.ToUpper(s[i : i+3]))
		default:
			b.WriteByte(c)
		}
		i += 2
	}
	return b.String()
}

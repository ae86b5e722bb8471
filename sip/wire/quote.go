package wire

import "strings"

// quotedEnd returns the length of the quoted string that s begins with, or -1
// when its closing quote is missing.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// indexOutside returns the place of the first of two octets outside quoted
// strings; ok is false when a quoted string does not end.
func indexOutside(s string, a, b byte) (i int, ok bool) {
	for i = 0; i < len(s); i++ {
		switch c := s[i]; c {
		case a, b:
			return i, true
		case '"':
			end := quotedEnd(s[i:])
			if end < 0 {
				return len(s), false
			}
			i += end - 1
		}
	}
	return len(s), true
}

// QuoteString makes a quoted-string (RFC 3261 §25.1). CR, LF and NUL become
// blanks.
func QuoteString(s string) string {
	s = clean(s)
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// Unquote returns the content of a quoted-string, and s itself when it is none.
func Unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

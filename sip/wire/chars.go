package wire

import "strings"

// tokenChars are the characters of a token (RFC 3261 §25.1).
const tokenChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~"

// charSet is a set of octets.
type charSet [256]bool

func newCharSet(chars string) (s charSet) {
	for i := range len(chars) {
		s[chars[i]] = true
	}
	return s
}

// contains tells whether s is not empty and made of members only.
func (set *charSet) contains(s string) bool {
	for i := range len(s) {
		if !set[s[i]] {
			return false
		}
	}
	return s != ""
}

var (
	tokens = newCharSet(tokenChars)
	// hosts are the characters of a host name. RFC 3261 has no underscore, but
	// names of real machines do.
	hosts = newCharSet("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
)

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// trim removes linear white space at both ends.
func trim(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// equalFold compares ASCII text without regard to case. strings.EqualFold would
// also take the Kelvin sign for a k.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// digits reads an unsigned decimal number of at most limit.
func digits(s string, limit int) (n int, ok bool) {
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int(c-'0'); n > limit {
			return 0, false
		}
	}
	return n, s != ""
}

// clean replaces what would end a header line, or a C string, by blanks.
func clean(s string) string {
	if strings.IndexByte(s, '\r') < 0 && strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return cleaner.Replace(s)
}

var cleaner = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ")

package wire

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// maxURIParams bounds the time that comparing URIs takes.
const maxURIParams = 64

var (
	errURIScheme = errors.New("the URI has no scheme")
	errURIChar   = errors.New("the URI has a blank, an angle bracket or a control character")
	errURIEmpty  = errors.New("the URI is empty behind its scheme")
	errURIHost   = errors.New("the host is empty or malformed (IPv6 needs brackets)")
	errURIParams = errors.New("the URI has more than 64 parameters or headers")
	errURIPort   = errors.New("the port is not a number from 1 to 65535")
)

// ParseURI reads a URI (RFC 3261 §19.1, RFC 3966). Users, parameters and headers
// are kept as written, escapes and quotes included; Host has no brackets, Port is
// 0 when absent. A tel URI has its number in User and no Host. Of every other
// scheme the rest is kept in Raw.
func ParseURI(s string) (sip.Uri, error) {
	var u sip.Uri
	if err := parseURI(&u, s); err != nil {
		return sip.Uri{}, err
	}
	return u, nil
}

// parseURI reads s into u, which is empty.
func parseURI(u *sip.Uri, s string) error {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) {
		return errURIScheme
	}
	if !isURIText(rest) {
		return errURIChar
	}
	if rest == "" {
		return errURIEmpty
	}
	u.Scheme = strings.ToLower(scheme)
	var err error
	switch u.Scheme {
	case "sip", "sips":
		err = parseSIP(u, rest)
	case "tel":
		u.User, rest = cutAt(rest, ';', ';')
		u.UriParams, _ = parseURIParams(rest)
		if u.User == "" {
			err = errURIEmpty
		}
	default:
		// Only sipgo can set the raw text, and it takes letters for a scheme.
		var other sip.Uri // for this case alone on the heap
		err = sip.ParseUri("x:"+rest, &other)
		*u, u.Scheme = other, strings.ToLower(scheme)
	}
	if err != nil {
		return err
	}
	if len(u.UriParams) > maxURIParams || len(u.Headers) > maxURIParams {
		return errURIParams
	}
	return nil
}

func parseSIP(u *sip.Uri, s string) error {
	if at := strings.IndexByte(s, '@'); at >= 0 {
		// Carriers write sip:@host for a caller without a number.
		u.User, u.Password, _ = strings.Cut(s[:at], ":")
		if u.User == "" && u.Password != "" {
			return errURIEmpty
		}
		s = s[at+1:]
	}
	hostPort, s := cutAt(s, ';', '?')
	var err error
	if u.Host, u.Port, err = parseHostPort(hostPort); err != nil {
		return err
	}
	u.UriParams, s = parseURIParams(s)
	u.Headers = parseURIHeaders(s)
	return nil
}

// parseHostPort reads host [":" port]; the brackets of an IPv6 address go.
func parseHostPort(s string) (host string, port int, err error) {
	if s != "" && s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, errURIHost
		}
		host, s = s[1:end], s[end+1:]
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", 0, errURIHost
		}
	} else {
		host, s = cutAt(s, ':', ':')
		if !hosts.contains(host) {
			return "", 0, errURIHost
		}
	}
	if s == "" {
		return host, 0, nil
	}
	if s[0] != ':' {
		return "", 0, errURIHost
	}
	port, ok := digits(s[1:], 65535)
	if !ok || port == 0 {
		return "", 0, errURIPort
	}
	return host, port, nil
}

// parseURIParams reads the parameters at the start of s and returns what is
// behind them. Empty parameters are skipped.
func parseURIParams(s string) (sip.HeaderParams, string) {
	if s == "" || s[0] != ';' {
		return nil, s
	}
	params := make(sip.HeaderParams, 0, strings.Count(s, ";"))
	for s != "" && s[0] == ';' {
		end, _ := indexOutside(s[1:], ';', '?')
		if name, value, _ := strings.Cut(s[1:1+end], "="); name != "" {
			params = append(params, sip.HeaderKV{K: name, V: value})
		}
		s = s[1+end:]
	}
	return params, s
}

func parseURIHeaders(s string) sip.HeaderParams {
	if len(s) < 2 {
		return nil
	}
	var headers sip.HeaderParams
	for h := range strings.SplitSeq(s[1:], "&") {
		if name, value, _ := strings.Cut(h, "="); name != "" {
			headers = append(headers, sip.HeaderKV{K: name, V: value})
		}
	}
	return headers
}

// cutAt cuts s before the first of two octets.
func cutAt(s string, a, b byte) (before, rest string) {
	for i := range len(s) {
		if s[i] == a || s[i] == b {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := lower(s[i])
		letter := 'a' <= c && c <= 'z'
		other := '0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'
		if !letter && (!other || i == 0) {
			return false
		}
	}
	return s != ""
}

// isURIText refuses what can never stand in a URI. A blank may stand in a quoted
// parameter value, which is not legal but seen.
func isURIText(s string) bool {
	quoted := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == ' ' && quoted:
		case c <= ' ', c == 0x7f, c == '<', c == '>':
			return false
		}
	}
	return !quoted
}

// URIParam returns a URI parameter, case-insensitively and with its escapes
// undone.
func URIParam(u *sip.Uri, name string) (string, bool) {
	for _, p := range u.UriParams {
		if equalFold(p.K, name) || strings.IndexByte(p.K, '%') >= 0 && equalFold(unescape(p.K), name) {
			return unescape(Unquote(p.V)), true
		}
	}
	return "", false
}

// AOR returns the canonical address-of-record of a SIP URI: user@host, user
// unescaped, host lower case, no port, no parameters (RFC 3261 §10.3 step 5).
// Of a tel URI it is the number without visual separators (RFC 3966 §5.1.1).
func AOR(u *sip.Uri) string {
	if u.Scheme == "tel" {
		return separators.Replace(u.User)
	}
	host := strings.ToLower(u.Host)
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	if u.User == "" || host == "" {
		return unescape(u.User) + host
	}
	return unescape(u.User) + "@" + host
}

var separators = strings.NewReplacer("-", "", ".", "", "(", "", ")", "")

// unescape undoes %HH once.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if c, ok := escaped(s[i:]); ok {
			b = append(b, c)
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// escaped reads the %HH that s begins with.
func escaped(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[1:3], 16, 8)
	return byte(n), err == nil
}

// EscapeUser writes a user name as the user part of a SIP URI (RFC 3261 §25.1).
func EscapeUser(s string) string {
	if userChars.contains(s) {
		return s
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		if c := s[i]; userChars[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// userChars are unreserved and user-unreserved.
var userChars = newCharSet("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()&=+$,;?/")

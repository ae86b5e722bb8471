package wire

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Append writes m to dst in wire form with exactly one Content-Length, behind
// the other headers. A line end in a header, which only a message built without
// [H] can have, is written as a blank.
func Append(dst []byte, m sip.Message) []byte {
	switch m := m.(type) {
	case *sip.Request:
		dst = append(dst, m.Method...)
		dst = append(dst, ' ')
		dst = AppendURI(dst, &m.Recipient)
		dst = append(dst, ' ')
		dst = append(dst, m.SipVersion...)
	case *sip.Response:
		dst = append(dst, m.SipVersion...)
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, int64(m.StatusCode), 10)
		dst = append(dst, ' ')
		dst = append(dst, clean(m.Reason)...)
	}
	dst = append(dst, "\r\n"...)
	for _, h := range headersOf(m) {
		name := h.Name()
		if name == "Content-Length" {
			continue
		}
		dst = append(dst, name...)
		dst = append(dst, ": "...)
		dst = append(dst, oneLine(h.Value())...)
		dst = append(dst, "\r\n"...)
	}
	body := m.Body()
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, headEnd...)
	return append(dst, body...)
}

// oneLine is clean for what was received, where NUL may be a quoted-pair.
func oneLine(s string) string {
	if strings.IndexByte(s, '\r') < 0 && strings.IndexByte(s, '\n') < 0 {
		return s
	}
	return cleaner.Replace(s)
}

// URIString returns a URI as [AppendURI] writes it.
func URIString(u *sip.Uri) string {
	var stack [128]byte
	return string(AppendURI(stack[:0], u))
}

// AppendURI writes a URI to dst as it was parsed. What can never stand in one
// (blanks, angle brackets, control characters) is escaped.
func AppendURI(dst []byte, u *sip.Uri) []byte {
	if u.Wildcard {
		return append(dst, '*')
	}
	scheme := u.Scheme
	if scheme == "" {
		scheme = "sip"
	}
	dst = append(appendSafe(dst, scheme), ':')
	if raw := u.Raw(); raw != "" {
		return appendSafe(dst, raw)
	}
	if u.User != "" {
		dst = appendSafe(dst, u.User)
		if u.Password != "" {
			dst = appendSafe(append(dst, ':'), u.Password)
		}
		if u.Host != "" {
			dst = append(dst, '@')
		}
	}
	dst = appendHost(dst, u.Host)
	if u.Port > 0 {
		dst = strconv.AppendInt(append(dst, ':'), int64(u.Port), 10)
	}
	for _, p := range u.UriParams {
		dst = appendPair(append(dst, ';'), p)
	}
	for i, h := range u.Headers {
		sep := byte('&')
		if i == 0 {
			sep = '?'
		}
		dst = appendPair(append(dst, sep), h)
	}
	return dst
}

// appendHost puts brackets round an IPv6 address.
func appendHost(dst []byte, host string) []byte {
	if strings.IndexByte(host, ':') < 0 || host[0] == '[' {
		return appendSafe(dst, host)
	}
	return append(appendSafe(append(dst, '['), host), ']')
}

func appendPair(dst []byte, p sip.HeaderKV) []byte {
	dst = appendSafe(dst, p.K)
	if p.V == "" {
		return dst
	}
	return appendSafe(append(dst, '='), p.V)
}

// appendSafe writes part of a URI. A blank in a quoted value stays.
func appendSafe(dst []byte, s string) []byte {
	if isURIText(s) {
		return append(dst, s...)
	}
	const hexDigits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"' {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

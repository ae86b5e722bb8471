package wire

import (
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// NameAddr is a value of From, To, Contact, Route …: display name, URI and
// header parameters. Quoted parameter values are unquoted, names lower case.
type NameAddr struct {
	Display string
	URI     sip.Uri
	Params  sip.HeaderParams
}

// Param returns the value of a header parameter, case-insensitively.
func (a NameAddr) Param(name string) (string, bool) { return param(a.Params, name) }

var (
	errDisplay  = errors.New("the display name must be quoted or made of words without comma, semicolon and quotes")
	errBrackets = errors.New("the URI has no closing angle bracket")
	errBare     = errors.New("a URI with comma or question mark must stand in angle brackets")
)

// ParseNameAddr reads one value of the form name-addr or addr-spec with header
// parameters (RFC 3261 §20.10). "*" gives a URI with Wildcard set. A parameter
// behind a URI without angle brackets belongs to the header.
func ParseNameAddr(s string) (NameAddr, error) {
	var a NameAddr
	if err := a.parse(s, new(paramRoom)); err != nil {
		return NameAddr{}, err
	}
	return a, nil
}

// parse reads s into a, which is empty.
func (a *NameAddr) parse(s string, room *paramRoom) error {
	s = trim(s)
	if s == "*" {
		a.URI.Host, a.URI.Wildcard = "*", true
		return nil
	}
	uri, params, err := a.cutURI(s)
	if err != nil {
		return err
	}
	if err = parseURI(&a.URI, uri); err != nil {
		return err
	}
	a.Params, err = parseParams(params, room)
	return err
}

// cutURI sets Display and returns the text of the URI and of the parameters.
func (a *NameAddr) cutURI(s string) (uri, params string, err error) {
	if s != "" && s[0] == '"' {
		end := quotedEnd(s)
		if end < 0 {
			return "", "", errQuote
		}
		a.Display = Unquote(s[:end])
		if s = trim(s[end:]); s == "" || s[0] != '<' {
			return "", "", errDisplay
		}
		return cutBrackets(s)
	}
	if lt := strings.IndexByte(s, '<'); lt >= 0 && !strings.ContainsAny(s[:lt], `",;`) {
		a.Display = trim(s[:lt])
		return cutBrackets(s[lt:])
	}
	end := strings.IndexByte(s, ';')
	if end < 0 {
		end = len(s)
	}
	uri = trim(s[:end])
	// RFC 3261 §20.10: such a URI MUST be enclosed in angle brackets.
	if strings.ContainsAny(uri, "?,") {
		return "", "", errBare
	}
	return uri, s[end:], nil
}

func cutBrackets(s string) (uri, params string, err error) {
	gt := strings.IndexByte(s, '>')
	if gt < 0 {
		return "", "", errBrackets
	}
	return s[1:gt], s[gt+1:], nil
}

// FormatNameAddr writes a name-addr, the display name quoted and left out when
// it is empty.
func FormatNameAddr(display, uri string) string {
	if display == "" {
		return "<" + uri + ">"
	}
	return QuoteString(display) + " <" + uri + ">"
}

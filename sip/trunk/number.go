package trunk

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// How many digits a number has: the country code and 15 at most (ITU-T E.164
// §6), and not so few that it must be something else.
const (
	leastDigits = 7
	mostDigits  = 15
)

var errNotNumber = errors.New("trunk: this is no telephone number")

// plan reads and writes numbers as one trunk does. Inside, a number is E.164
// with +, and nothing else ever leaves by a trunk but that number in the trunk's
// own format, or an emergency number as it is configured: no parameter, escape or
// separator that a later hop could read as another number.
type plan struct{ store.NumberPlan }

// newPlan fills in the prefixes that most countries dial where the record leaves
// them open.
func newPlan(p store.NumberPlan) plan {
	p.National = prefixOr(p.National, "0")
	p.International = prefixOr(p.International, "00")
	return plan{p}
}

func prefixOr(prefix, usual string) string {
	if prefix == formatNone {
		return ""
	}
	return or(prefix, usual)
}

// written takes the number out of what somebody wrote: a bare number, a tel or
// sip URI, or its user part. What comes back is an optional + and digits, *, #.
// Escapes are undone once; an escape in an escape is no number. Parameters are
// left behind, but for a global phone-context (RFC 3966 §5.1.5), which comes
// before the number.
func written(text string) (string, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok {
		return subscriber(text)
	}
	if s := strings.ToLower(scheme); s != "tel" && s != "sip" && s != "sips" {
		return "", errNotNumber
	}
	u, err := wire.ParseURI(text)
	if err != nil || rest == "" {
		return "", errNotNumber
	}
	return numberOf(&u)
}

// numberOf takes the number out of a URI.
func numberOf(u *sip.Uri) (string, error) {
	if u.Scheme != "tel" {
		return subscriber(u.User)
	}
	text := u.User
	for _, p := range u.UriParams {
		text += ";" + p.K + "=" + p.V
	}
	return subscriber(text)
}

// subscriber reads a telephone-subscriber (RFC 3966 §3), which is also the user
// part of a sip URI with user=phone (RFC 3261 §19.1.6).
func subscriber(text string) (string, error) {
	text, ok := unescape(text)
	if !ok {
		return "", errNotNumber
	}
	number, params, _ := strings.Cut(text, ";")
	number, ok = digits(number)
	if !ok {
		return "", errNotNumber
	}
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(name, "phone-context") || !strings.HasPrefix(value, "+") {
			continue
		}
		context, ok := digits(value)
		if !ok || number[0] == '+' {
			return "", errNotNumber
		}
		number = context + number
	}
	return number, nil
}

// unescape undoes %HH once. ok is false when that leaves another escape, or what
// was escaped is no text.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	s, err := url.PathUnescape(s)
	return s, err == nil && !strings.Contains(s, "%")
}

// digits leaves the visual separators out (RFC 3966 §5.1.1, and blanks, which
// people type) and refuses everything else but digits, *, # and a + in front.
func digits(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', c == '*', c == '#':
			b = append(b, c)
		case c == '+' && len(b) == 0:
			b = append(b, c)
		case c == '-', c == '.', c == '(', c == ')', c == ' ':
		default:
			return "", false
		}
	}
	if len(b) == 0 || string(b) == "+" || len(b) > 64 {
		return "", false
	}
	return string(b), true
}

// dialled is the number that a user means: E.164, or an emergency number as it
// is configured.
func (p plan) dialled(text string) (number string, emergency bool, err error) {
	n, err := written(text)
	if err != nil {
		return "", false, err
	}
	if slices.Contains(p.Emergency, n) {
		return n, true, nil
	}
	n, err = p.byPrefix(n)
	return n, false, err
}

// received is the number that the carrier means.
func (p plan) received(text string) (string, error) {
	n, err := written(text)
	if err != nil {
		return "", err
	}
	return p.meant(n)
}

// meant is E.164 for a number as the carrier writes it.
func (p plan) meant(n string) (string, error) {
	if n[0] == '+' {
		return global(n)
	}
	switch p.In {
	case "e164":
		if rest, ok := cutPrefix(n, p.International); ok {
			n = rest
		}
		return global("+" + n)
	case "national":
		if rest, ok := cutPrefix(n, p.National); ok {
			n = rest
		}
		return global("+" + p.Country + n)
	}
	return p.byPrefix(n)
}

// byPrefix is E.164 for a number as people of that place dial it.
func (p plan) byPrefix(n string) (string, error) {
	if n[0] == '+' {
		return global(n)
	}
	if rest, ok := cutPrefix(n, p.International); ok {
		return global("+" + rest)
	}
	if p.Country == "" {
		return "", errNotNumber
	}
	if rest, ok := cutPrefix(n, p.National); ok {
		return global("+" + p.Country + rest)
	}
	if p.Area == "" || p.isChineseMobile(n) {
		return global("+" + p.Country + n)
	}
	return global("+" + p.Country + p.Area + n)
}

// isChineseMobile: eleven digits from 13 to 19 are never a subscriber of an
// area, and are dialled without the trunk prefix in every city.
func (p plan) isChineseMobile(n string) bool {
	return p.Country == "86" && len(n) == 11 && n[0] == '1' && n[1] >= '3'
}

func cutPrefix(n, prefix string) (string, bool) {
	if prefix == "" {
		return n, false
	}
	return strings.CutPrefix(n, prefix)
}

// global checks an E.164 number. No country code begins with 0: without its +
// such a number would be another one.
func global(n string) (string, error) {
	if len(n) < 1+leastDigits || len(n) > 1+mostDigits || n[0] != '+' || n[1] == '0' || !onlyDigits(n[1:]) {
		return "", errNotNumber
	}
	return n, nil
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// The formats of [store.NumberPlan].
const (
	formatPlus          = "+e164"
	formatBare          = "e164"
	formatInternational = "international"
	formatNational      = "national"
	formatNone          = "none"
)

// write writes an E.164 number to the carrier. What is not one, an emergency
// number, stays as it is.
func (p plan) write(number, format string) string {
	bare, ok := strings.CutPrefix(number, "+")
	if !ok {
		return number
	}
	switch format {
	case formatBare:
		return bare
	case formatInternational:
		return p.International + bare
	case formatNational:
		if rest, ok := cutPrefix(bare, p.Country); ok {
			return p.National + rest
		}
		return p.International + bare
	}
	return number
}

// The formats of the single places; "" is that of the Request-URI.
func (p plan) out(number string) string       { return p.write(number, p.Out) }
func (p plan) from(number string) string      { return p.write(number, or(p.From, p.Out)) }
func (p plan) asserted(number string) string  { return p.write(number, or(p.Asserted, p.Out)) }
func (p plan) diversion(number string) string { return p.write(number, or(p.Diversion, p.Out)) }

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// target is where a number of ours goes, "" when it is none of this trunk.
func (p plan) target(number string) string {
	best, to := -1, ""
	for _, in := range p.Inward {
		prefix, wild := strings.CutSuffix(in.Number, "*")
		switch {
		case wild && strings.HasPrefix(number, prefix) && len(prefix) > best:
			best, to = len(prefix), strings.ReplaceAll(in.To, "*", number[len(prefix):])
		case !wild && in.Number == number:
			return in.To
		}
	}
	return to
}

// prefixes decides by the longest of two lists.
type prefixes struct{ allow, deny []string }

// allows tells whether the longest prefix of number is an allowed one; where both
// lists have it, it is not. An empty allow list allows everything that is not
// denied.
func (p prefixes) allows(number string) bool {
	allowed := longest(p.allow, number)
	if len(p.allow) == 0 {
		allowed = 0
	}
	return allowed > longest(p.deny, number)
}

// longest is the length of the longest prefix of number, -1 when there is none.
func longest(list []string, number string) int {
	n := -1
	for _, p := range list {
		if strings.HasPrefix(number, p) {
			n = max(n, len(p))
		}
	}
	return n
}

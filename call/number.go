package call

import (
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// separators mean nothing in a telephone number (RFC 3966 §3).
var separators = strings.NewReplacer("-", "", ".", "", "(", "", ")", "")

// dialled is the user part of a URI, without escapes, as the digits that were
// dialled.
func dialled(user string) string {
	number, _, _ := strings.Cut(user, ";") // RFC 3261 §19.1.6: parameters of a telephone number
	return separators.Replace(number)
}

// isNumber tells whether a user part is a telephone number, or a code of digits,
// * and #.
func isNumber(user string) bool {
	number := strings.TrimPrefix(dialled(user), "+")
	for i := range len(number) {
		if c := number[i]; (c < '0' || c > '9') && c != '*' && c != '#' {
			return false
		}
	}
	return number != ""
}

// telephone is the number in a URI as it was dialled, without escapes, separators
// and parameters; of another address its user part.
func telephone(u *sip.Uri) string {
	user := u.User
	if strings.IndexByte(user, '%') >= 0 {
		user = strings.TrimSuffix(wire.AOR(&sip.Uri{Scheme: "sip", User: user, Host: "-"}), "@-")
	}
	if n := dialled(user); isNumber(n) {
		return n
	}
	return strings.ToLower(user)
}

// isTelephone tells whether a URI may mean a telephone number.
func isTelephone(u *sip.Uri) bool { return isNumber(telephone(u)) }

package call

import "strings"

// separators mean nothing in a telephone number (RFC 3966 §3).
var separators = strings.NewReplacer("-", "", ".", "", "(", "", ")", "", "%2B", "+", "%2b", "+")

// dialled is the user part of a URI as the digits that were dialled.
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

package group

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// Bounds of a chosen name.
const (
	leastName = 3
	mostName  = 48
)

// randomPrefix begins the names that nobody chose; no chosen one begins so.
const randomPrefix = "g-"

// randomName is a name that nobody chose: 50 random bits.
func randomName() string {
	return randomPrefix + strings.ToLower(rand.Text()[:10])
}

// elsewhere are user parts with a meaning of their own, by convention or by
// RFC 2142; Config.Reserved adds those of this server.
var elsewhere = [...]string{
	"abuse", "admin", "administrator", "all", "anonymous", "assistant", "conference", "conference-factory", "echo",
	"emergency", "everyone", "help", "hostmaster", "info", "noc", "noreply", "nobody", "operator", "postmaster", "register",
	"restricted", "root", "security", "sip", "sips", "sos", "sparkle", "support", "system", "tel", "unavailable",
	"unknown", "urn", "voicemail", "webmaster",
}

// checkName judges a chosen user part: small letters, digits and single - _ .
// between them, with a letter in it, or it could be a telephone number.
func checkName(name string, reserved []string) error {
	if len(name) < leastName || len(name) > mostName {
		return fmt.Errorf("%w: the name %q must have %d to %d characters", store.ErrInvalid, name, leastName, mostName)
	}
	letter, mark := false, true // as if a mark stood before the first
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z':
			letter, mark = true, false
		case '0' <= c && c <= '9':
			mark = false
		case (c == '-' || c == '_' || c == '.') && !mark:
			mark = true
		default:
			return fmt.Errorf("%w: the name %q may only have small letters, digits and single - _ . between them", store.ErrInvalid, name)
		}
	}
	switch {
	case mark:
		return fmt.Errorf("%w: the name %q may not end like that", store.ErrInvalid, name)
	case !letter:
		return fmt.Errorf("%w: the name %q looks like a number: give it a letter", store.ErrInvalid, name)
	case strings.HasPrefix(name, randomPrefix), strings.HasPrefix(name, "sos."):
		return fmt.Errorf("%w: names that begin like %q are given by the server", store.ErrInvalid, name)
	case slices.Contains(elsewhere[:], name), slices.Contains(reserved, name):
		return fmt.Errorf("%w: the name %q means something else here", store.ErrInvalid, name)
	}
	return nil
}

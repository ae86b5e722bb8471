package admin

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sparkleim/sparkle/store"
)

// The forms of names. A number is also a username for dialling, so both are
// plain user parts of a SIP URI that need no escaping.
var (
	usernameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	numberForm   = regexp.MustCompile(`^\+?[0-9*#]{1,32}$`)
)

const (
	minPassword    = 8
	maxPassword    = 128
	maxDisplayName = 100 // characters
)

// checkUser returns ErrInvalid for names that no SIP URI should carry.
func checkUser(u store.User) error {
	if err := checkName("username", u.Username); err != nil {
		return err
	}
	if utf8.RuneCountInString(u.DisplayName) > maxDisplayName || hasControl(u.DisplayName) {
		return invalid("display name: use at most %d characters and no control characters", maxDisplayName)
	}
	for _, n := range u.Numbers {
		if !numberForm.MatchString(n) {
			return invalid("number %q: use digits, * and #, with + in front of an international number", n)
		}
	}
	return nil
}

// checkName returns ErrInvalid for what cannot be the user part of an address.
func checkName(what, name string) error {
	if !usernameForm.MatchString(name) {
		return invalid("%s %q: use 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit", what, name)
	}
	return nil
}

// checkPassword returns ErrInvalid for a password that is too easily guessed
// or that a phone cannot be given.
func checkPassword(password string) error {
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return invalid("password: use %d to %d characters", minPassword, maxPassword)
	}
	if hasControl(password) {
		return invalid("password: use no control characters")
	}
	return nil
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s)
}

// invalid makes an ErrInvalid whose text says which rule was broken.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", store.ErrInvalid, fmt.Sprintf(format, args...))
}

// NewPassword makes a password of 20 letters and digits, 100 random bits.
func NewPassword() string {
	return strings.ToLower(rand.Text()[:20])
}

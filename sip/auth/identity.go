package auth

import "github.com/sparkleim/sparkle/store"

// Identity is a proven user.
type Identity struct {
	User     store.UserID
	Username string
	Domain   string
	Version  int64 // of the credential it was proved with
}

// AOR is user@domain, "" for the zero Identity.
func (i Identity) AOR() string {
	if i.Username == "" {
		return ""
	}
	return i.Username + "@" + i.Domain
}

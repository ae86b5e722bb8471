package secure

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// redacted is what a key prints as.
const redacted = "redacted"

// Key is a master key with its salt. It prints as "redacted"; [Crypto.Value]
// alone tells it to the peer.
type Key struct {
	_ [0]func() // not comparable with ==, which would compare identity: use Equal
	// Two pointers, because fmt may not call methods of an unexported field of
	// this type and shows what it finds, behind one pointer too ("%s").
	master **[]byte
}

// NewKey makes a random key for a suite.
func NewKey(s Suite) Key {
	b := make([]byte, s.keyLen()+s.saltLen())
	rand.Read(b) // it never fails: it ends the process
	return newKey(b)
}

// newKey takes the bytes of a master key followed by its salt.
func newKey(b []byte) Key {
	p := &b
	return Key{master: &p}
}

// bytes are the master key followed by the salt; nil for the zero Key.
func (k Key) bytes() []byte {
	if k.master == nil {
		return nil
	}
	return **k.master
}

// fits tells whether the key has the length that a suite needs.
func (k Key) fits(s Suite) bool {
	return s != NoSuite && len(k.bytes()) == s.keyLen()+s.saltLen()
}

// Equal tells whether both are the same key, in constant time.
func (k Key) Equal(other Key) bool {
	return subtle.ConstantTimeCompare(k.bytes(), other.bytes()) == 1
}

// Format implements [fmt.Formatter] for every verb.
func (k Key) Format(f fmt.State, _ rune) { f.Write([]byte(redacted)) } // fmt keeps it

// MarshalText implements [encoding.TextMarshaler], for JSON too.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }

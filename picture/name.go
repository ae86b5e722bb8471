package picture

import (
	"encoding/base32"
	"encoding/binary"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

// Owner is who or what has a picture: a user or a group.
type Owner struct {
	User  store.UserID
	Group store.GroupID
}

const (
	kindUser  = 'u'
	kindGroup = 'g'
	nameBytes = 16 // one block of AES
)

// encoding has no letters that differ only in case, and none that URLs escape.
func encoding() *base32.Encoding { return base32.StdEncoding.WithPadding(base32.NoPadding) }

// Name is the public name of an owner's picture: 26 letters and digits.
func (s *Service) Name(o Owner) string {
	var block [nameBytes]byte
	block[0] = kindUser
	number := uint64(o.User)
	if o.Group != 0 {
		block[0], number = kindGroup, uint64(o.Group)
	}
	binary.BigEndian.PutUint64(block[8:], number)
	s.names.Encrypt(block[:], block[:])
	return strings.ToLower(encoding().EncodeToString(block[:]))
}

// Owner reads a public name. What was not made by Name is no name: of all that
// fits its length one in 2^60 is that of a user or group that might exist.
func (s *Service) Owner(name string) (o Owner, ok bool) {
	b, err := encoding().DecodeString(strings.ToUpper(name))
	if err != nil || len(b) != nameBytes {
		return o, false
	}
	s.names.Decrypt(b, b)
	number := binary.BigEndian.Uint64(b[8:])
	switch binary.BigEndian.Uint64(b[:8]) {
	case kindUser << 56:
		o.User = store.UserID(number)
	case kindGroup << 56:
		o.Group = store.GroupID(number)
	}
	return o, o != Owner{} && s.Name(o) == strings.ToLower(name) // the last letter has bits to spare
}

package registrar

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// temporary begins the user part of every temporary GRUU.
const temporary = "tgruu."

// secretSize is the length of Config.Secret in bytes.
const secretSize = 32

// newGRUUSeal makes the cipher of temporary GRUUs.
func newGRUUSeal(secret []byte) (cipher.AEAD, error) {
	if len(secret) != secretSize {
		return nil, fmt.Errorf("%d bytes, want %d", len(secret), secretSize)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// appendGRUU writes a public GRUU: the address-of-record with the instance as its
// gr parameter (RFC 5627 §5.1). It never changes.
func appendGRUU(b []byte, rec *record, instance string) []byte {
	b = append(b, "sip:"...)
	b = append(b, wire.EscapeUser(rec.username)...)
	b = append(b, '@')
	b = append(b, rec.domain...)
	b = append(b, ";gr="...)
	return appendEscaped(b, instance)
}

// appendEscaped writes s as the value of a URI parameter (RFC 3261 §25.1,
// pvalue).
func appendEscaped(b []byte, s string) []byte {
	const hexDigits = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			strings.IndexByte("-_.!~*'()[]/:&+$", c) >= 0:
			b = append(b, c)
		default:
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return b
}

// A temporary GRUU carries what it means, sealed: the device, which of its
// registrations it was given in, and the user. So no table of them is needed,
// and two of them cannot be seen to mean the same device. It is good while the
// device is registered with the same Call-ID (RFC 5627 §5.1).
//
//	0        8          16
//	| device | call-id | username
const sealedHead = 16

// appendTemporary writes a new temporary GRUU of b.
func (g *Registrar) appendTemporary(text []byte, rec *record, b *binding) []byte {
	open := make([]byte, 0, 128)
	open = binary.BigEndian.AppendUint64(open, uint64(b.device.ID))
	open = append(open, callHash(b.callID)...)
	open = append(open, rec.username...)
	sealed := g.gruus.Seal(make([]byte, 0, 160), nil, open, nil)
	text = append(text, "sip:"+temporary...)
	text = base64.RawURLEncoding.AppendEncode(text, sealed)
	text = append(text, '@')
	text = append(text, rec.domain...)
	return append(text, ";gr"...)
}

// callHash stands for a Call-ID in a temporary GRUU.
func callHash(callID string) []byte {
	sum := sha256.Sum256([]byte(callID))
	return sum[:8]
}

var errNoGRUU = errors.New("not a temporary GRUU of this server")

// openGRUU tells what a temporary GRUU means.
func (g *Registrar) openGRUU(user string) (d device, err error) {
	sealed, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(user, temporary))
	if err != nil || len(sealed) < g.gruus.Overhead() {
		return d, errNoGRUU
	}
	b, err := g.gruus.Open(nil, nil, sealed, nil)
	if err != nil || len(b) < sealedHead {
		return d, errNoGRUU
	}
	return device{
		id:       store.DeviceID(binary.BigEndian.Uint64(b)),
		call:     string(b[8:sealedHead]),
		username: string(b[sealedHead:]),
	}, nil
}

// device selects one device of a user: by a GRUU, public (instance) or
// temporary (id and call). The zero value selects all.
type device struct {
	username string
	instance string
	id       store.DeviceID
	call     string
}

// all tells whether d is no GRUU, but means every device.
func (d *device) all() bool { return d.instance == "" && d.id == 0 }

// selects tells whether a GRUU means b.
func (d *device) selects(b *binding) bool {
	switch {
	case d.instance != "":
		return b.instanced && b.device.Instance == d.instance
	case d.id != 0:
		return b.instanced && b.device.ID == d.id && string(callHash(b.callID)) == d.call
	}
	return true
}

// gruuOf reads the user part and the gr parameter of a URI: whom it means, and
// which of his devices.
func (g *Registrar) gruuOf(u *sip.Uri) (device, error) {
	gr, is := wire.URIParam(u, "gr")
	switch {
	case !is:
		return device{username: userPart(u)}, nil
	case gr != "":
		return device{username: userPart(u), instance: gr}, nil
	}
	return g.openGRUU(u.User)
}

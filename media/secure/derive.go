package secure

import (
	"crypto/aes"
	"crypto/cipher"
)

// The labels of session keys, RFC 3711 §4.3.1 and §4.3.2.
const (
	labelRTPKey byte = iota
	labelRTPAuth
	labelRTPSalt
	labelRTCPKey
	labelRTCPAuth
	labelRTCPSalt
)

// derivation makes the session keys of a master key (RFC 3711 §4.3.3, RFC 6188
// §3, RFC 7714 §11), with a key derivation rate of 0: once.
type derivation struct {
	block cipher.Block
	salt  [14]byte
	x     [aes.BlockSize]byte
	out   [2 * aes.BlockSize]byte
}

func newDerivation(s Suite, k Key) (d derivation, err error) {
	b := k.bytes()
	d.block, err = aes.NewCipher(b[:s.keyLen()])
	copy(d.salt[:], b[s.keyLen():]) // a salt of 12 bytes is followed by zeros: RFC 7714 §11
	return d, err
}

// key is the session key of a label. It holds until the next call.
func (d *derivation) key(label byte, length int) []byte {
	copy(d.x[:], d.salt[:])
	d.x[7] ^= label // key_id = <label, r> with r = 0 is 56 bits from the end of the salt
	for n := 0; n < length; n += aes.BlockSize {
		d.x[aes.BlockSize-1] = byte(n / aes.BlockSize)
		d.block.Encrypt(d.out[n:], d.x[:])
	}
	return d.out[:length]
}

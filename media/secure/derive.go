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
}

func newDerivation(s Suite, k Key) (d derivation, err error) {
	b := k.bytes()
	d.block, err = aes.NewCipher(b[:s.keyLen()])
	copy(d.salt[:], b[s.keyLen():]) // a salt of 12 bytes is followed by zeros: RFC 7714 §11
	return d, err
}

// key is the session key of a label.
func (d *derivation) key(label byte, length int) []byte {
	var x [aes.BlockSize]byte
	copy(x[:], d.salt[:])
	x[7] ^= label // key_id = <label, r> with r = 0 is 56 bits from the end of the salt
	out := make([]byte, length)
	cipher.NewCTR(d.block, x[:]).XORKeyStream(out, out)
	return out
}

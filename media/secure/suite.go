package secure

import "strings"

// Suite is an SRTP protection profile.
type Suite uint8

const (
	NoSuite Suite = iota
	AEAD_AES_128_GCM
	AEAD_AES_256_GCM
	AES_CM_128_HMAC_SHA1_80
	AES_CM_128_HMAC_SHA1_32
	AES_256_CM_HMAC_SHA1_80
	AES_256_CM_HMAC_SHA1_32
)

// String is the name of RFC 4568 §6.2, RFC 6188 §4 and RFC 7714 §14.1.
func (s Suite) String() string {
	switch s {
	case AEAD_AES_128_GCM:
		return "AEAD_AES_128_GCM"
	case AEAD_AES_256_GCM:
		return "AEAD_AES_256_GCM"
	case AES_CM_128_HMAC_SHA1_80:
		return "AES_CM_128_HMAC_SHA1_80"
	case AES_CM_128_HMAC_SHA1_32:
		return "AES_CM_128_HMAC_SHA1_32"
	case AES_256_CM_HMAC_SHA1_80:
		return "AES_256_CM_HMAC_SHA1_80"
	case AES_256_CM_HMAC_SHA1_32:
		return "AES_256_CM_HMAC_SHA1_32"
	}
	return ""
}

// parseSuite is the suite of a name, in any case, or NoSuite.
func parseSuite(name string) Suite {
	for s := AEAD_AES_128_GCM; s <= AES_256_CM_HMAC_SHA1_32; s++ {
		if strings.EqualFold(name, s.String()) {
			return s
		}
	}
	return NoSuite
}

// aead tells whether cipher and tag are one algorithm (GCM).
func (s Suite) aead() bool { return s == AEAD_AES_128_GCM || s == AEAD_AES_256_GCM }

// keyLen is the length of a master key in bytes; 0 for NoSuite.
func (s Suite) keyLen() int {
	switch s {
	case AEAD_AES_128_GCM, AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32:
		return 16
	case AEAD_AES_256_GCM, AES_256_CM_HMAC_SHA1_80, AES_256_CM_HMAC_SHA1_32:
		return 32
	}
	return 0
}

// saltLen is the length of a master salt in bytes; 0 for NoSuite.
func (s Suite) saltLen() int {
	switch {
	case s == NoSuite:
		return 0
	case s.aead():
		return 12 // RFC 7714 §12
	}
	return 14 // RFC 3711 §4.1.1
}

// tagLen is the length of the tag of an SRTP packet in bytes.
func (s Suite) tagLen() int {
	switch {
	case s.aead():
		return 16 // RFC 7714 §13.2
	case s == AES_CM_128_HMAC_SHA1_32 || s == AES_256_CM_HMAC_SHA1_32:
		return 4
	}
	return 10
}

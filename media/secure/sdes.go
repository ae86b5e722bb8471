package secure

import (
	"encoding/base64"
	"math/big"
	"strconv"
	"strings"
)

// Crypto is one a=crypto attribute that we can use.
type Crypto struct {
	Tag   int
	Suite Suite
	Key   Key
	MKI   []byte // nil: none
}

// ParseCrypto reads the value of a=crypto (RFC 4568 §9.1). ok is false for a
// suite, key parameter or session parameter that we do not do (UNENCRYPTED_*, F8
// …): such a line is passed over, not an error. Of several keys the first one
// that we can use counts. Missing padding of base64 is tolerated.
func ParseCrypto(value string) (c Crypto, ok bool) {
	fields := strings.Fields(value)
	if len(fields) < 3 || len(fields) > maxCryptoFields {
		return Crypto{}, false
	}
	tag, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil || len(fields[0]) > 9 { // RFC 4568 §9.1: 1*9DIGIT
		return Crypto{}, false
	}
	c.Tag, c.Suite = int(tag), parseSuite(fields[1])
	for _, param := range fields[3:] {
		if !sessionParamOK(param) {
			return Crypto{}, false
		}
	}
	for param := range strings.SplitSeq(fields[2], ";") {
		if c.Key, c.MKI, ok = parseKeyParam(c.Suite, param); ok {
			return c, true
		}
	}
	return Crypto{}, false
}

// maxCryptoFields bounds the session parameters of one line; seven kinds exist.
const maxCryptoFields = 16

// Value is the value of a=crypto for c. It shows the key.
func (c Crypto) Value() string {
	v := strconv.Itoa(c.Tag) + " " + c.Suite.String() + " inline:" + base64.StdEncoding.EncodeToString(c.Key.bytes())
	if len(c.MKI) > 0 {
		v += "|" + new(big.Int).SetBytes(c.MKI).String() + ":" + strconv.Itoa(len(c.MKI))
	}
	return v
}

// parseKeyParam reads inline:key||lifetime|MKI:length, where lifetime and MKI may
// be missing (RFC 4568 §6.1).
func parseKeyParam(s Suite, param string) (k Key, mki []byte, ok bool) {
	method, info, _ := strings.Cut(param, ":")
	if !strings.EqualFold(method, "inline") || s == NoSuite {
		return Key{}, nil, false
	}
	parts := strings.Split(info, "|")
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[0], "="))
	if err != nil || len(b) != s.keyLen()+s.saltLen() {
		return Key{}, nil, false
	}
	parts = parts[1:]
	if len(parts) > 0 && !strings.Contains(parts[0], ":") {
		if !lifetimeOK(parts[0]) {
			return Key{}, nil, false
		}
		parts = parts[1:]
	}
	if len(parts) > 0 {
		if mki, ok = parseMKI(parts[0]); !ok || len(parts) > 1 {
			return Key{}, nil, false
		}
	}
	return newKey(b), mki, true
}

// lifetimeOK tells whether s is "2^20" or a number of packets. We take note of
// neither: the peer, whose key it is, makes a new one in time, and ours is told
// without, for the most that RFC 3711 §9.2 allows.
func lifetimeOK(s string) bool {
	if s == "" {
		return true
	}
	bits := 64
	if power, found := strings.CutPrefix(s, "2^"); found {
		s, bits = power, 6
	}
	n, err := strconv.ParseUint(s, 10, bits)
	return err == nil && n > 0
}

// parseMKI reads "value:length", the value a decimal number and the length in
// bytes.
func parseMKI(s string) ([]byte, bool) {
	value, length, _ := strings.Cut(s, ":")
	n, err := strconv.ParseUint(length, 10, 8)
	if err != nil || n == 0 || n > maxMKI || len(value) > maxMKI*5/2 || strings.Trim(value, "0123456789") != "" {
		return nil, false
	}
	v, ok := new(big.Int).SetString(value, 10)
	if !ok || v.BitLen() > int(n)*8 {
		return nil, false
	}
	return v.FillBytes(make([]byte, n)), true
}

// sessionParamOK tells whether we can do what a session parameter asks (RFC 4568
// §6.3).
func sessionParamOK(param string) bool {
	name, value, _ := strings.Cut(param, "=")
	switch strings.ToUpper(name) {
	case "KDR": // more than one derivation is nothing that we do
		return strings.Trim(value, "0") == ""
	case "WSH": // a hint how large our window shall be
		n, err := strconv.ParseUint(value, 10, 32)
		return err == nil && n >= 64
	case "FEC_ORDER", "FEC_KEY": // of a stream that we do not agree to
		return true
	}
	// An extension that may be left aside begins with "-" (RFC 4568 §6.3.7). All
	// others must be understood, and UNENCRYPTED_SRTP, UNENCRYPTED_SRTCP and
	// UNAUTHENTICATED_SRTP are understood well enough to be refused.
	return strings.HasPrefix(name, "-")
}

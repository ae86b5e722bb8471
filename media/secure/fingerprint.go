package secure

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// fingerprint is one a=fingerprint of a peer (RFC 8122 §5).
type fingerprint struct {
	hash func(certificate []byte) []byte
	sum  []byte
}

// parseFingerprint reads "sha-256 AB:CD:…", in any case. ok is false for a hash
// weaker than SHA-256, or one that we do not know.
func parseFingerprint(value string) (f fingerprint, ok bool) {
	name, digits, _ := strings.Cut(strings.TrimSpace(value), " ")
	size := 0
	switch strings.ToLower(name) {
	case "sha-256":
		f.hash, size = sum256, sha256.Size
	case "sha-384":
		f.hash, size = sum384, sha512.Size384
	case "sha-512":
		f.hash, size = sum512, sha512.Size
	default:
		return fingerprint{}, false
	}
	sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(digits), ":", ""))
	if err != nil || len(sum) != size {
		return fingerprint{}, false
	}
	f.sum = sum
	return f, true
}

// of tells whether the fingerprint is that of a certificate in DER.
func (f fingerprint) of(certificate []byte) bool {
	return subtle.ConstantTimeCompare(f.hash(certificate), f.sum) == 1
}

// formatFingerprint is the value of a=fingerprint of a certificate in DER.
func formatFingerprint(certificate []byte) string {
	var out strings.Builder
	out.WriteString("sha-256 ")
	for i, b := range sum256(certificate) {
		if i > 0 {
			out.WriteByte(':')
		}
		out.WriteString(strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return out.String()
}

func sum256(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sum384(b []byte) []byte { s := sha512.Sum384(b); return s[:] }
func sum512(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

package wire

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"

	"github.com/emiago/sipgo/sip"
)

// NewBranch returns a fresh unguessable branch (RFC 3261 §8.1.1.7).
func NewBranch() string { return string(AppendBranch(nil)) }

// AppendBranch appends what [NewBranch] returns to dst.
func AppendBranch(dst []byte) []byte {
	var raw [12]byte
	rand.Read(raw[:]) // never fails
	return hex.AppendEncode(append(dst, magicCookie...), raw[:])
}

// NewTag returns a fresh unguessable tag (RFC 3261 §19.3).
func NewTag() string { return random(8) }

// NewCallID returns a fresh unguessable Call-ID (RFC 3261 §8.1.1.4).
func NewCallID() string { return random(16) }

// random returns n bytes of randomness in hexadecimal.
func random(n int) string {
	var raw [16]byte
	var text [32]byte
	rand.Read(raw[:n]) // never fails
	hex.Encode(text[:], raw[:n])
	return string(text[:2*n])
}

// tagSeed makes tags that nobody outside the process can foretell.
var tagSeed = maphash.MakeSeed()

// stableTag derives a To tag from what identifies a transaction, so that the
// stateless answers to a retransmission carry the same one. The method is left
// out: an INVITE and its CANCEL are answered with one tag (RFC 3261 §9.2).
func stableTag(req *sip.Request) (tag [16]byte) {
	var room [192]byte
	id := room[:0]
	seen := false
	for _, header := range req.Headers() {
		value := header.Value()
		switch header.Name() {
		case "Via":
			if seen {
				continue
			}
			seen = true
			value, _ = findParam(value, "branch")
		case "From":
			value, _ = findParam(value, "tag")
		case "CSeq":
			value, _ = cutAt(value, ' ', '\t')
		case "Call-ID":
		default:
			continue
		}
		id = append(append(id, header.Name()...), value...)
	}
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], maphash.Bytes(tagSeed, id))
	hex.Encode(tag[:], raw[:])
	return tag
}

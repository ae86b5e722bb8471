package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"math/rand/v2"
	"sync"
	"time"
)

// A nonce is 16 bytes that say when, by which run of the program and in which
// order it was made, and 16 bytes of HMAC over them and the realm, all in
// base64. Nothing is kept of one that was given out.
//
//	0      6 7          12       16              32
//	| time | random     | epoch  | HMAC-SHA256 … |
const (
	nonceBody = 16
	nonceTag  = 16
	nonceSize = nonceBody + nonceTag
)

var nonceText = base64.RawURLEncoding.Strict()

// nonceID names a good nonce: its body.
type nonceID [nonceBody]byte

// nonceMint makes and opens nonces.
type nonceMint struct {
	realm    string
	epoch    uint32 // of this run: nonce counts do not survive a restart, so no nonce may
	lifetime time.Duration
	macs     sync.Pool // of hash.Hash, keyed
}

func newNonceMint(key []byte, realm string, lifetime time.Duration) *nonceMint {
	return &nonceMint{
		realm: realm, epoch: rand.Uint32(), lifetime: lifetime,
		macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
	}
}

// make returns a fresh nonce.
func (m *nonceMint) make() string {
	var b [nonceSize]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	random := rand.Uint64() // uniqueness is enough: the tag makes it unguessable
	binary.BigEndian.PutUint16(b[6:], uint16(random>>32))
	binary.BigEndian.PutUint32(b[8:], uint32(random))
	binary.BigEndian.PutUint32(b[12:], m.epoch)
	tag := m.tag(b[:nonceBody])
	copy(b[nonceBody:], tag[:])
	var text [43]byte // of 32 bytes, without padding
	nonceText.Encode(text[:], b[:])
	return string(text[:])
}

// open checks a nonce that came back and says when it was made. One that is
// too old, damaged, from an earlier run or somebody else's is not good.
func (m *nonceMint) open(s string) (id nonceID, issued time.Time, good bool) {
	var b [nonceSize + 1]byte
	if nonceText.DecodedLen(len(s)) != nonceSize {
		return id, issued, false
	}
	n, err := nonceText.Decode(b[:], []byte(s))
	if err != nil || n != nonceSize {
		return id, issued, false
	}
	tag := m.tag(b[:nonceBody])
	if !hmac.Equal(tag[:], b[nonceBody:nonceSize]) {
		return id, issued, false
	}
	id = nonceID(b[:nonceBody])
	issued = time.UnixMilli(int64(binary.BigEndian.Uint64(b[:8]) >> 16))
	age := time.Since(issued)
	// A clock that was set back makes nonces from the future: no good either.
	good = binary.BigEndian.Uint32(b[12:]) == m.epoch && age <= m.lifetime && age > -time.Minute
	return id, issued, good
}

// tag authenticates the body of a nonce for our realm.
func (m *nonceMint) tag(body []byte) (tag [nonceTag]byte) {
	mac := m.macs.Get().(hash.Hash)
	defer m.macs.Put(mac)
	mac.Reset()
	mac.Write(body)
	mac.Write([]byte(m.realm))
	var sum [sha256.Size]byte
	copy(tag[:], mac.Sum(sum[:0]))
	return tag
}

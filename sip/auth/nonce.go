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

	nonceTextSize = (nonceSize*8 + 5) / 6 // without padding
)

var nonceText = base64.RawURLEncoding.Strict()

// nonceID names a good nonce: its body.
type nonceID [nonceBody]byte

// nonceMint makes and opens nonces.
type nonceMint struct {
	realm    string
	epoch    uint32 // of this run: nonce counts do not survive a restart, so no nonce may
	lifetime time.Duration
	pads     sync.Pool // *pad
}

// pad is what one sealing needs, kept for the next: the keyed hash, and room for
// what goes through it.
type pad struct {
	mac   hash.Hash
	nonce [nonceSize]byte
	text  [nonceTextSize]byte
	in    []byte // sealed: a body and the realm
	sum   []byte
}

func newNonceMint(key []byte, realm string, lifetime time.Duration) *nonceMint {
	return &nonceMint{
		realm: realm, epoch: rand.Uint32(), lifetime: lifetime,
		pads: sync.Pool{New: func() any { return &pad{mac: hmac.New(sha256.New, key)} }},
	}
}

// make returns the text of a fresh nonce.
func (m *nonceMint) make() (text [nonceTextSize]byte) {
	p := m.pads.Get().(*pad)
	defer m.pads.Put(p)
	b := p.nonce[:]
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	random := rand.Uint64() // uniqueness is enough: the tag makes it unguessable
	binary.BigEndian.PutUint16(b[6:], uint16(random>>32))
	binary.BigEndian.PutUint32(b[8:], uint32(random))
	binary.BigEndian.PutUint32(b[12:], m.epoch)
	copy(b[nonceBody:], p.tag(b[:nonceBody], m.realm))
	nonceText.Encode(p.text[:], b)
	return p.text
}

// open checks a nonce that came back and says when it was made. One that is
// too old, damaged, from an earlier run or somebody else's is not good.
func (m *nonceMint) open(s string) (id nonceID, issued time.Time, good bool) {
	if len(s) != nonceTextSize {
		return id, issued, false
	}
	p := m.pads.Get().(*pad)
	defer m.pads.Put(p)
	copy(p.text[:], s)
	b := p.nonce[:]
	if n, err := nonceText.Decode(b, p.text[:]); err != nil || n != nonceSize {
		return id, issued, false
	}
	if !hmac.Equal(p.tag(b[:nonceBody], m.realm), b[nonceBody:nonceSize]) {
		return id, issued, false
	}
	id = nonceID(b[:nonceBody])
	issued = time.UnixMilli(int64(binary.BigEndian.Uint64(b[:8]) >> 16))
	age := time.Since(issued)
	// A clock that was set back makes nonces from the future: no good either.
	good = binary.BigEndian.Uint32(b[12:]) == m.epoch && age <= m.lifetime && age > -time.Minute
	return id, issued, good
}

// tag authenticates the body of a nonce for a realm. It is good until the next.
func (p *pad) tag(body []byte, realm string) []byte {
	p.in = append(append(p.in[:0], body...), realm...)
	p.mac.Reset()
	p.mac.Write(p.in)
	p.sum = p.mac.Sum(p.sum[:0])
	return p.sum[:nonceTag]
}

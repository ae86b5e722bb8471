package secure

import (
	"crypto/sha1"
	"encoding"
	"errors"
	"hash"
)

// mac is HMAC-SHA1 (RFC 2104) for several keys with one hash: a key is no more
// than the two states of the hash that it leads to. crypto/hmac would keep two
// hashes and six buffers for each of the two keys of a context.
type mac struct {
	hash resumable
	sum  [sha1.Size]byte
}

// resumable is what [sha1.New] returns.
type resumable interface {
	hash.Hash
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// macKey are the states of the hash after the inner and the outer padded key.
type macKey struct{ inner, outer []byte }

func newMAC() (*mac, error) {
	h, ok := sha1.New().(resumable)
	if !ok {
		return nil, errors.New("secure: SHA-1 of this build cannot be resumed")
	}
	return &mac{hash: h}, nil
}

// key prepares a key of at most 64 bytes.
func (m *mac) key(k []byte) (states macKey, err error) {
	block := make([]byte, sha1.BlockSize)
	copy(block, k)
	for i := range block {
		block[i] ^= 0x36
	}
	if states.inner, err = m.after(block); err != nil {
		return macKey{}, err
	}
	for i := range block {
		block[i] ^= 0x36 ^ 0x5c
	}
	states.outer, err = m.after(block)
	return states, err
}

// after is the state of the hash after a block.
func (m *mac) after(block []byte) ([]byte, error) {
	m.hash.Reset()
	m.hash.Write(block)
	return m.hash.MarshalBinary()
}

// of is the tag of a followed by b; it holds until the next call.
func (m *mac) of(k macKey, a, b []byte) []byte {
	m.hash.UnmarshalBinary(k.inner) // its own state
	m.hash.Write(a)
	m.hash.Write(b)
	inner := m.hash.Sum(m.sum[:0])
	m.hash.UnmarshalBinary(k.outer) // its own state
	m.hash.Write(inner)
	return m.hash.Sum(m.sum[:0])
}

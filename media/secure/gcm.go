package secure

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// gcm is AES in Galois/counter mode (RFC 7714).
type gcm struct {
	rtp, rtcp gcmKeys
	mki       []byte

	// Scratch space of the packet in hand: on the stack it would escape to the
	// heap through the interfaces of crypto.
	nonce [12]byte
	clear [rtcpHeader + 4]byte
}

// gcmKeys are the session keys of RTP or of RTCP.
type gcmKeys struct {
	aead cipher.AEAD
	salt [12]byte
}

func newGCM(s Suite, k Key, mki []byte) (*gcm, error) {
	d, err := newDerivation(s, k)
	if err != nil {
		return nil, err
	}
	c := &gcm{mki: mki}
	if err := c.rtp.derive(&d, s, labelRTPKey, labelRTPSalt); err != nil {
		return nil, err
	}
	return c, c.rtcp.derive(&d, s, labelRTCPKey, labelRTCPSalt)
}

func (k *gcmKeys) derive(d *derivation, s Suite, key, salt byte) error {
	copy(k.salt[:], d.key(salt, len(k.salt)))
	block, err := aes.NewCipher(d.key(key, s.keyLen()))
	if err != nil {
		return err
	}
	k.aead, err = cipher.NewGCM(block)
	return err
}

func (c *gcm) protectRTP(b []byte, header int, index uint64) []byte {
	c.setNonce(&c.rtp, binary.BigEndian.Uint32(b[8:]), index)
	sealed := c.rtp.aead.Seal(b[header:header], c.nonce[:], b[header:], b[:header])
	return append(b[:header+len(sealed)], c.mki...)
}

func (c *gcm) unprotectRTP(b []byte, header int, index uint64) ([]byte, bool) {
	b, mki := cut(b, len(c.mki))
	if string(mki) != string(c.mki) {
		return nil, false
	}
	c.setNonce(&c.rtp, binary.BigEndian.Uint32(b[8:]), index)
	plain, err := c.rtp.aead.Open(b[header:header], c.nonce[:], b[header:], b[:header])
	return b[:header+len(plain)], err == nil
}

func (c *gcm) protectRTCP(b []byte, index uint32) []byte {
	c.setNonceRTCP(b, index)
	sealed := c.rtcp.aead.Seal(b[rtcpHeader:rtcpHeader], c.nonce[:], b[rtcpHeader:], c.clear[:])
	b = binary.BigEndian.AppendUint32(b[:rtcpHeader+len(sealed)], index)
	return append(b, c.mki...)
}

func (c *gcm) unprotectRTCP(b []byte, index uint32) ([]byte, bool) {
	b, mki := cut(b, len(c.mki))
	if string(mki) != string(c.mki) {
		return nil, false
	}
	b, _ = cut(b, 4) // the index
	c.setNonceRTCP(b, index)
	plain, err := c.rtcp.aead.Open(b[rtcpHeader:rtcpHeader], c.nonce[:], b[rtcpHeader:], c.clear[:])
	return b[:rtcpHeader+len(plain)], err == nil
}

// setNonce makes the IV of a packet: 00 00, SSRC, ROC and SEQ, with the salt
// (RFC 7714 §8.1). An SRTCP index in the place of ROC and SEQ gives that of §9.1.
func (c *gcm) setNonce(k *gcmKeys, ssrc uint32, index uint64) {
	c.nonce = k.salt
	xor32(c.nonce[2:], ssrc)
	xor32(c.nonce[6:], uint32(index>>16))
	xor32(c.nonce[8:], uint32(index&0xffff))
}

// setNonceRTCP makes the IV and the associated data, which is the header and the
// word of the index (RFC 7714 §9.2 and §9.3).
func (c *gcm) setNonceRTCP(b []byte, index uint32) {
	c.setNonce(&c.rtcp, binary.BigEndian.Uint32(b[4:]), uint64(index&^encrypted))
	copy(c.clear[:], b[:rtcpHeader])
	binary.BigEndian.PutUint32(c.clear[rtcpHeader:], index)
}

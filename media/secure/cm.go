package secure

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
)

// cm is AES in counter mode with HMAC-SHA1 (RFC 3711 §4.1.1 and §4.2.1, RFC 6188).
type cm struct {
	rtp, rtcp cmKeys
	tag       int // bytes of an SRTP tag
	mki       []byte
	mac       *mac

	// Scratch space of the packet in hand: on the stack it would escape to the
	// heap through the interfaces of crypto.
	iv     [aes.BlockSize]byte
	stream [8 * aes.BlockSize]byte
	roc    [4]byte
}

// cmKeys are the session keys of RTP or of RTCP.
type cmKeys struct {
	block cipher.Block
	auth  macKey
	salt  [14]byte
}

func newCM(s Suite, k Key, mki []byte) (*cm, error) {
	d, err := newDerivation(s, k)
	if err != nil {
		return nil, err
	}
	m, err := newMAC()
	if err != nil {
		return nil, err
	}
	c := &cm{tag: s.tagLen(), mki: mki, mac: m}
	if err := c.rtp.derive(&d, m, s, labelRTPKey, labelRTPAuth, labelRTPSalt); err != nil {
		return nil, err
	}
	return c, c.rtcp.derive(&d, m, s, labelRTCPKey, labelRTCPAuth, labelRTCPSalt)
}

func (k *cmKeys) derive(d *derivation, m *mac, s Suite, key, auth, salt byte) (err error) {
	copy(k.salt[:], d.key(salt, len(k.salt)))
	if k.auth, err = m.key(d.key(auth, sha1.Size)); err != nil {
		return err
	}
	k.block, err = aes.NewCipher(d.key(key, s.keyLen()))
	return err
}

func (c *cm) protectRTP(b []byte, header int, index uint64) []byte {
	c.crypt(&c.rtp, b[header:], binary.BigEndian.Uint32(b[8:]), index)
	tag := c.sumRTP(b, index)
	return append(append(b, c.mki...), tag...)
}

func (c *cm) unprotectRTP(b []byte, header int, index uint64) ([]byte, bool) {
	b, tag := cut(b, c.tag)
	b, mki := cut(b, len(c.mki))
	if string(mki) != string(c.mki) || subtle.ConstantTimeCompare(tag, c.sumRTP(b, index)) != 1 {
		return nil, false
	}
	c.crypt(&c.rtp, b[header:], binary.BigEndian.Uint32(b[8:]), index)
	return b, true
}

func (c *cm) protectRTCP(b []byte, index uint32) []byte {
	c.crypt(&c.rtcp, b[rtcpHeader:], binary.BigEndian.Uint32(b[4:]), uint64(index&^encrypted))
	b = binary.BigEndian.AppendUint32(b, index)
	tag := c.sumRTCP(b)
	return append(append(b, c.mki...), tag...)
}

func (c *cm) unprotectRTCP(b []byte, index uint32) ([]byte, bool) {
	b, tag := cut(b, rtcpTag)
	b, mki := cut(b, len(c.mki))
	if string(mki) != string(c.mki) || subtle.ConstantTimeCompare(tag, c.sumRTCP(b)) != 1 {
		return nil, false
	}
	b, _ = cut(b, 4) // the index
	c.crypt(&c.rtcp, b[rtcpHeader:], binary.BigEndian.Uint32(b[4:]), uint64(index&^encrypted))
	return b, true
}

// sumRTP is the tag of header and encrypted payload, followed by the ROC (RFC
// 3711 §4.2).
func (c *cm) sumRTP(b []byte, index uint64) []byte {
	binary.BigEndian.PutUint32(c.roc[:], uint32(index>>16))
	return c.mac.of(c.rtp.auth, b, c.roc[:])[:c.tag]
}

// sumRTCP is the tag of header, encrypted rest and index.
func (c *cm) sumRTCP(b []byte) []byte {
	return c.mac.of(c.rtcp.auth, b, nil)[:rtcpTag]
}

// longPacket is from where on a CTR stream, which encrypts several blocks at
// once but costs 512 bytes of garbage, is much cheaper than block after block.
const longPacket = 320

// crypt encrypts or decrypts in place (RFC 3711 §4.1.1):
//
//	IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)
func (c *cm) crypt(k *cmKeys, b []byte, ssrc uint32, index uint64) {
	copy(c.iv[:], k.salt[:])
	c.iv[14], c.iv[15] = 0, 0
	xor32(c.iv[4:], ssrc)
	xor32(c.iv[8:], uint32(index>>16))
	xor32(c.iv[10:], uint32(index&0xffff))
	if len(b) > longPacket {
		cipher.NewCTR(k.block, c.iv[:]).XORKeyStream(b, b)
		return
	}
	for counter := uint16(0); len(b) > 0; {
		n := 0
		for ; n < len(b) && n < len(c.stream); n += aes.BlockSize {
			binary.BigEndian.PutUint16(c.iv[14:], counter)
			k.block.Encrypt(c.stream[n:], c.iv[:])
			counter++
		}
		b = b[subtle.XORBytes(b, b, c.stream[:n]):]
	}
}

// cut splits the last n bytes off.
func cut(b []byte, n int) (rest, last []byte) { return b[:len(b)-n], b[len(b)-n:] }

// xor32 does so to the first four bytes of b, in network order.
func xor32(b []byte, v uint32) {
	binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)^v)
}

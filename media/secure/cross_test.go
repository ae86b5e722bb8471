package secure

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pion/srtp/v3"
)

// suites are all of ours, with the name that the independent peer has for them.
var suites = map[Suite]srtp.ProtectionProfile{
	AEAD_AES_128_GCM:        srtp.ProtectionProfileAeadAes128Gcm,
	AEAD_AES_256_GCM:        srtp.ProtectionProfileAeadAes256Gcm,
	AES_CM_128_HMAC_SHA1_80: srtp.ProtectionProfileAes128CmHmacSha1_80,
	AES_CM_128_HMAC_SHA1_32: srtp.ProtectionProfileAes128CmHmacSha1_32,
	AES_256_CM_HMAC_SHA1_80: srtp.ProtectionProfileAes256CmHmacSha1_80,
	AES_256_CM_HMAC_SHA1_32: srtp.ProtectionProfileAes256CmHmacSha1_32,
}

// rtpPacket has one CSRC, an extension, and a payload of n bytes.
func rtpPacket(ssrc uint32, seq uint16, n int) []byte {
	b := []byte{0x91, 96, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	for i := range n {
		b = append(b, byte(i)+byte(seq))
	}
	return b
}

// rtcpPacket is a receiver report with n bytes of something behind it.
func rtcpPacket(ssrc uint32, n int) []byte {
	b := []byte{0x80, 201, 0, 1, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(b[4:], ssrc)
	return append(b, bytes.Repeat([]byte{0xab}, n)...)
}

// TestIndependentPeer exchanges packets of many lengths with another
// implementation, in both directions, with and without MKI.
func TestIndependentPeer(t *testing.T) {
	for suite, profile := range suites {
		for _, mki := range [][]byte{nil, {1}, {0, 0, 0, 7}} {
			t.Run(suite.String(), func(t *testing.T) {
				key := NewKey(suite)
				b := key.bytes()
				peer := func() *srtp.Context {
					options := []srtp.ContextOption{srtp.SRTPReplayProtection(128), srtp.SRTCPReplayProtection(128)}
					if mki != nil {
						options = append(options, srtp.MasterKeyIndicator(mki))
					}
					c, err := srtp.CreateContext(b[:suite.keyLen()], b[suite.keyLen():], profile, options...)
					if err != nil {
						t.Fatal(err)
					}
					return c
				}
				in, err := NewInbound(suite, key, mki)
				if err != nil {
					t.Fatal(err)
				}
				out, err := NewOutbound(suite, key, mki)
				if err != nil {
					t.Fatal(err)
				}
				decrypt, encrypt := peer(), peer()
				seq := uint16(65000) // the counter rolls over on the way
				for n := 0; n < 1200; n++ {
					plain := rtpPacket(7, seq, n)
					seq++
					sent, err := encrypt.EncryptRTP(nil, plain, nil)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := in.RTP(sent); err != nil || !bytes.Equal(got, plain) {
						t.Fatalf("%d bytes from the peer: %v", n, err)
					}
					ours, err := out.RTP(bytes.Clone(plain))
					if err != nil {
						t.Fatal(err)
					}
					if got, err := decrypt.DecryptRTP(nil, ours, nil); err != nil || !bytes.Equal(got, plain) {
						t.Fatalf("%d bytes to the peer: %v", n, err)
					}
				}
				for n := 0; n < 400; n += 4 {
					plain := rtcpPacket(7, n)
					sent, err := encrypt.EncryptRTCP(nil, plain, nil)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := in.RTCP(sent); err != nil || !bytes.Equal(got, plain) {
						t.Fatalf("RTCP of %d bytes from the peer: %v", n, err)
					}
					ours, err := out.RTCP(bytes.Clone(plain))
					if err != nil {
						t.Fatal(err)
					}
					if got, err := decrypt.DecryptRTCP(nil, ours, nil); err != nil || !bytes.Equal(got, plain) {
						t.Fatalf("RTCP of %d bytes to the peer: %v", n, err)
					}
				}
			})
		}
	}
}

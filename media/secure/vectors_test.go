package secure

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKeyDerivation has the examples of RFC 3711 appendix B.3 and RFC 6188 §7.2.
func TestKeyDerivation(t *testing.T) {
	for _, c := range []struct {
		suite                               Suite
		master, masterSalt, key, salt, auth string
	}{
		{
			AES_CM_128_HMAC_SHA1_80,
			"E1F97A0D3E018BE0D64FA32C06DE4139", "0EC675AD498AFEEBB6960B3AABE6",
			"C61E7A93744F39EE10734AFE3FF7A087", "30CBBC08863D8C85D49DB34A9AE1",
			"CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
		},
		{
			AES_256_CM_HMAC_SHA1_80,
			"f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6", "3b04803de51ee7c96423ab5b78d2",
			"5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4", "fa31791685ca444a9e07c6c64e93",
			"fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
		},
	} {
		d, err := newDerivation(c.suite, newKey(unhex(t, c.master+c.masterSalt)))
		if err != nil {
			t.Fatal(err)
		}
		for label, want := range map[byte]string{labelRTPKey: c.key, labelRTPSalt: c.salt, labelRTPAuth: c.auth} {
			if got := d.key(label, len(want)/2); !bytes.Equal(got, unhex(t, want)) {
				t.Errorf("%v, label %d: %x, want %s", c.suite, label, got, want)
			}
		}
	}
}

// TestKeystream has the examples of RFC 3711 appendix B.2 and RFC 6188 §7.1. That
// of RFC 3711 goes on to the end of the 16-bit counter.
func TestKeystream(t *testing.T) {
	const salt = "f0f1f2f3f4f5f6f7f8f9fafbfcfd"
	for _, c := range []struct {
		key    string
		blocks map[int]string
	}{
		{"2B7E151628AED2A6ABF7158809CF4F3C", map[int]string{
			0:      "E03EAD0935C95E80E166B16DD92B4EB4",
			1:      "D23513162B02D0F72A43A2FE4A5F97AB",
			2:      "41E95B3BB0A2E8DD477901E4FCA894C0",
			0xfeff: "EC8CDF7398607CB0F2D21675EA9EA1E4",
			0xff00: "362B7C3C6773516318A077D7FC5073AE",
			0xff01: "6A2CC3787889374FBEB4C81B17BA6C44",
		}},
		{"57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98", map[int]string{
			0: "92bdd28a93c3f52511c677d08b5515a4",
			1: "9da71b2378a854f67050756ded165bac",
			2: "63c4868b7096d88421b563b8c94c9a31",
		}},
	} {
		block, err := aes.NewCipher(unhex(t, c.key))
		if err != nil {
			t.Fatal(err)
		}
		keys := cmKeys{block: block, salt: [14]byte(unhex(t, salt))}
		for _, size := range []int{3 * aes.BlockSize, 0xff02 * aes.BlockSize} { // of a short and a long packet
			b := make([]byte, size)
			new(cm).crypt(&keys, b, 0, 0)
			for at, want := range c.blocks {
				if at*aes.BlockSize < size && !bytes.Equal(b[at*aes.BlockSize:][:aes.BlockSize], unhex(t, want)) {
					t.Errorf("block %d of %d bytes: %x, want %s", at, size, b[at*aes.BlockSize:][:aes.BlockSize], want)
				}
			}
		}
	}
}

// TestHMAC has two of the published test cases of HMAC-SHA1.
func TestHMAC(t *testing.T) {
	m, err := newMAC()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, a, b, want string }{
		{strings.Repeat("\x0b", 20), "Hi There", "", "b617318655057264e28bc0b6fb378c8ef146be00"},
		{"Jefe", "what do ya want ", "for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	} {
		k, err := m.key([]byte(c.key))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // a key may be used again
			if got := m.of(k, []byte(c.a), []byte(c.b)); !bytes.Equal(got, unhex(t, c.want)) {
				t.Errorf("%q: %x, want %s", c.a, got, c.want)
			}
		}
	}
}

// TestGCM has the examples of RFC 7714 §16 and §17, which give session keys.
func TestGCM(t *testing.T) {
	const (
		plainRTP = `8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
			69736120 696e2070 61727465 73207472 6573`
		plainRTCP = `81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
			deadbeef deadbeef deadbeef deadbeef deadbeef`
	)
	for _, c := range []struct{ key, rtp, rtcp string }{
		{
			"000102030405060708090a0b0c0d0e0f",
			`8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
			0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`,
			`81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
			c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
			45d9eade 800005d4`,
		},
		{
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			`8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
			9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13`,
			`81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
			a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c
			b26ac3be 800005d4`,
		},
	} {
		block, err := aes.NewCipher(unhex(t, c.key))
		if err != nil {
			t.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		keys := gcmKeys{aead: aead, salt: [12]byte([]byte("Quid pro quo"))}
		g := &gcm{rtp: keys, rtcp: keys}
		if got := g.protectRTP(slices.Grow(unhex(t, plainRTP), 16), 12, 0xf17b); !bytes.Equal(got, unhex(t, c.rtp)) {
			t.Errorf("SRTP: %x", got)
		}
		if got, ok := g.unprotectRTP(unhex(t, c.rtp), 12, 0xf17b); !ok || !bytes.Equal(got, unhex(t, plainRTP)) {
			t.Errorf("RTP: %x", got)
		}
		if got := g.protectRTCP(slices.Grow(unhex(t, plainRTCP), 20), 0x5d4|encrypted); !bytes.Equal(got, unhex(t, c.rtcp)) {
			t.Errorf("SRTCP: %x", got)
		}
		if got, ok := g.unprotectRTCP(unhex(t, c.rtcp), 0x5d4|encrypted); !ok || !bytes.Equal(got, unhex(t, plainRTCP)) {
			t.Errorf("RTCP: %x", got)
		}
	}
}

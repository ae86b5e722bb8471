package secure

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// Keys of the examples: of 30, 46, 28 and 44 bytes.
const (
	key30 = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
	key46 = "gsRHxK6Pu3yZxqxvoa4tnoQC2KfpXmUM6J/TbkP9Hd1lDMJJQhZm6GbWUEmBlg=="
	key28 = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMg=="
	key44 = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY3ODkwMTIzNDU2Nzg="
)

// TestParseCrypto has the examples of RFC 4568 §9.2 and appendix A, what phones
// send, and what must not be used.
func TestParseCrypto(t *testing.T) {
	for _, c := range []struct {
		value string
		tag   int
		suite Suite // NoSuite: passed over
		key   string
		mki   []byte
	}{
		// RFC 4568
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:4 FEC_ORDER=FEC_SRTP", 1, AES_CM_128_HMAC_SHA1_80, key30, []byte{0, 0, 0, 1}},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|1066:4", 1, AES_CM_128_HMAC_SHA1_80, key30, []byte{0, 0, 4, 42}},
		{"1 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:32", 0, NoSuite, "", nil}, // an MKI longer than any real one
		{"2 F8_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:4;inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:4", 1, AES_CM_128_HMAC_SHA1_80, "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR", []byte{0, 0, 0, 1}},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:4;inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4", 1, AES_CM_128_HMAC_SHA1_80, key30, []byte{0, 0, 0, 1}},
		// RFC 6188, RFC 7714
		{"3 AES_256_CM_HMAC_SHA1_80 inline:" + key46, 3, AES_256_CM_HMAC_SHA1_80, key46, nil},
		{"4 AES_256_CM_HMAC_SHA1_32 inline:" + key46, 4, AES_256_CM_HMAC_SHA1_32, key46, nil},
		{"5 AES_192_CM_HMAC_SHA1_80 inline:" + key30, 0, NoSuite, "", nil},
		{"6 AEAD_AES_128_GCM inline:" + key28, 6, AEAD_AES_128_GCM, key28, nil},
		{"7 AEAD_AES_256_GCM inline:" + key44, 7, AEAD_AES_256_GCM, key44, nil},
		// tolerated
		{"3 AES_256_CM_HMAC_SHA1_80 inline:" + strings.TrimRight(key46, "="), 3, AES_256_CM_HMAC_SHA1_80, key46, nil},
		{" 1\taes_cm_128_hmac_sha1_80  INLINE:" + key30 + " ", 1, AES_CM_128_HMAC_SHA1_80, key30, nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^48", 1, AES_CM_128_HMAC_SHA1_80, key30, nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|16777216", 1, AES_CM_128_HMAC_SHA1_80, key30, nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "||1:1", 1, AES_CM_128_HMAC_SHA1_80, key30, []byte{1}},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key28 + ";inline:" + key30, 1, AES_CM_128_HMAC_SHA1_80, key30, nil},
		{"1 AES_CM_128_HMAC_SHA1_80 other:" + key30 + ";inline:" + key30, 1, AES_CM_128_HMAC_SHA1_80, key30, nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " KDR=0 WSH=128 FEC_KEY=inline:" + key30 + " -NEW=1", 1, AES_CM_128_HMAC_SHA1_80, key30, nil},
		// session parameters that we do not do
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNENCRYPTED_SRTP", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNENCRYPTED_SRTCP", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " unauthenticated_srtp", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " KDR=23", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " WSH=0", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " NEW=1", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + strings.Repeat(" -NEW=1", 20), 0, NoSuite, "", nil},
		// broken
		{"", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80", 0, NoSuite, "", nil},
		{"x AES_CM_128_HMAC_SHA1_80 inline:" + key30, 0, NoSuite, "", nil},
		{"-1 AES_CM_128_HMAC_SHA1_80 inline:" + key30, 0, NoSuite, "", nil},
		{"1234567890 AES_CM_128_HMAC_SHA1_80 inline:" + key30, 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 " + key30, 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key28, 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:*" + key30[1:], 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^64", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|never", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:0", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|256:1", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|:1", 0, NoSuite, "", nil},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:1|1:1", 0, NoSuite, "", nil},
	} {
		got, ok := ParseCrypto(c.value)
		if ok != (c.suite != NoSuite) {
			t.Errorf("%q: used %v", c.value, ok)
			continue
		}
		if !ok {
			continue
		}
		want, err := base64.StdEncoding.DecodeString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		if got.Tag != c.tag || got.Suite != c.suite || !got.Key.Equal(newKey(want)) || !bytes.Equal(got.MKI, c.mki) {
			t.Errorf("%q: %v", c.value, got)
		}
	}
}

// TestCryptoValue writes what it reads.
func TestCryptoValue(t *testing.T) {
	for _, want := range []string{
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30,
		"2 AES_256_CM_HMAC_SHA1_32 inline:" + key46,
		"3 AEAD_AES_128_GCM inline:" + key28 + "|1066:4",
		"4 AEAD_AES_256_GCM inline:" + key44,
	} {
		c, ok := ParseCrypto(want)
		if got := c.Value(); !ok || got != want {
			t.Errorf("%q became %q", want, got)
		}
	}
	for suite := range suites {
		made := Crypto{Tag: 1, Suite: suite, Key: NewKey(suite)}
		read, ok := ParseCrypto(made.Value())
		if !ok || read.Suite != suite || !read.Key.Equal(made.Key) {
			t.Errorf("a new key of %v is not read", suite)
		}
	}
}

func FuzzParseCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1066:4;inline:" + key30 + " KDR=0 WSH=64 -X")
	f.Add("2 AEAD_AES_256_GCM inline:" + key44 + "||1:16")
	f.Fuzz(func(t *testing.T, value string) {
		c, ok := ParseCrypto(value)
		if !ok {
			return
		}
		again, ok := ParseCrypto(c.Value())
		if !ok || again.Tag != c.Tag || again.Suite != c.Suite || !again.Key.Equal(c.Key) || !bytes.Equal(again.MKI, c.MKI) {
			t.Fatalf("%q became %q", value, c.Value())
		}
		if _, err := NewInbound(c.Suite, c.Key, c.MKI); err != nil {
			t.Fatalf("%q was accepted: %v", value, err)
		}
	})
}

package secure

import (
	"strings"
	"testing"
)

// FuzzRecords: what may enter a handshake has records that end where the datagram
// ends, and no plaintext but that of handshakes.
func FuzzRecords(f *testing.F) {
	hello := []byte{handshake, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2}
	ccs := []byte{changeCipherSpec, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1}
	sealed := []byte{alert, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9}
	f.Add(hello)
	f.Add(append(ccs, sealed...))
	f.Add([]byte{alert, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40})
	f.Fuzz(func(t *testing.T, b []byte) {
		if plaintextAlert(b) != "" && harmless(b) {
			t.Fatal("an alert may enter")
		}
		if !harmless(b) {
			return
		}
		for _, rest := range [][]byte{hello, ccs, sealed} {
			if !harmless(append(b[:len(b):len(b)], rest...)) {
				t.Fatal("two harmless datagrams do harm together")
			}
		}
		if harmless(append(b[:len(b):len(b)], handshake)) {
			t.Fatal("a record may be cut off")
		}
	})
}

func FuzzParseFingerprint(f *testing.F) {
	f.Add("sha-256 " + strings.Repeat("AB:", 31) + "cd")
	f.Add("SHA-512 00")
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := parseFingerprint(value)
		if ok && len(got.sum) != len(got.hash(nil)) {
			t.Fatalf("%q has %d bytes", value, len(got.sum))
		}
	})
}

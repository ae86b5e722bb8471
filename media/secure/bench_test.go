package secure

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// BenchmarkRTP is what a relay pays for one packet of G.711 and one of video.
func BenchmarkRTP(b *testing.B) {
	for _, suite := range []Suite{AES_CM_128_HMAC_SHA1_80, AEAD_AES_128_GCM} {
		for _, size := range []int{172, 1200} {
			key := NewKey(suite)
			plain := append([]byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, make([]byte, size-12)...)
			b.Run(fmt.Sprintf("Protect/%v/%d", suite, size), func(b *testing.B) {
				out, err := NewOutbound(suite, key, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				buffer := make([]byte, 1500)
				seq := uint16(0)
				for b.Loop() {
					p := buffer[:copy(buffer, plain)]
					binary.BigEndian.PutUint16(p[2:], seq)
					seq++
					if _, err := out.RTP(p); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("Unprotect/%v/%d", suite, size), func(b *testing.B) {
				out, err := NewOutbound(suite, key, nil)
				if err != nil {
					b.Fatal(err)
				}
				sent := make([][]byte, 1<<12) // as many as fit before the ROC would have to follow
				for i := range sent {
					p := append(make([]byte, 0, 1500), plain...)
					binary.BigEndian.PutUint16(p[2:], uint16(i))
					if sent[i], err = out.RTP(p); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				buffer := make([]byte, 1500)
				in, err := NewInbound(suite, key, nil)
				if err != nil {
					b.Fatal(err)
				}
				i := 0
				for b.Loop() {
					if i == len(sent) {
						i, in.rtp = 0, sources{list: in.rtp.list[:0]}
					}
					if _, err := in.RTP(buffer[:copy(buffer, sent[i])]); err != nil {
						b.Fatal(err)
					}
					i++
				}
			})
		}
	}
}

// BenchmarkNewInbound is what setting up one direction of a stream costs.
func BenchmarkNewInbound(b *testing.B) {
	for _, suite := range []Suite{AES_CM_128_HMAC_SHA1_80, AEAD_AES_128_GCM} {
		b.Run(suite.String(), func(b *testing.B) {
			key := NewKey(suite)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NewInbound(suite, key, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

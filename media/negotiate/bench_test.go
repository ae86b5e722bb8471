package negotiate_test

import (
	"testing"

	"github.com/sparkleim/sparkle/media/negotiate"
	"github.com/sparkleim/sparkle/media/secure"
)

// BenchmarkCall is all that a call between two legs costs here: two descriptions
// read, two written, and the streams joined. Keys come ready made.
func BenchmarkCall(b *testing.B) {
	for _, test := range []struct {
		name, offer string
		callee      negotiate.Profile
	}{
		{"plain to plain", "baresip-plain", carrier},
		{"SDES to SDES", "linphone-srtp", user},
		{"browser to phone", "chromium", user},
	} {
		b.Run(test.name, func(b *testing.B) {
			anything := negotiate.Profile{SRTP: negotiate.Prefer, Secure: true}
			offer := []byte(captured(b, test.offer))
			keys := map[secure.Suite]secure.Key{}
			for s := secure.AEAD_AES_128_GCM; s <= secure.AES_256_CM_HMAC_SHA1_32; s++ {
				keys[s] = secure.NewKey(s)
			}
			locals := negotiate.Locals{
				Line: func(w negotiate.Want) (negotiate.Local, error) {
					return negotiate.Local{Address: relay, RTP: 16384, RTCP: 16385, Ufrag: "user", Pwd: "passwordpasswordpassword", Fingerprint: relayPrint}, nil
				},
				Key: func(s secure.Suite) secure.Key { return keys[s] },
			}
			preview := newLeg(b, 1, anything)
			preview.takeOffer(string(offer))
			other := newLeg(b, 2, test.callee)
			answer := []byte(phone(other.makeOffer(preview), nil))
			b.ReportAllocs()
			for b.Loop() {
				caller, err := negotiate.New(1, relay).ReadOffer(&anything, offer)
				if err != nil {
					b.Fatal(err)
				}
				callee, _, err := negotiate.New(2, relay).WriteOffer(&test.callee, caller, locals)
				if err != nil {
					b.Fatal(err)
				}
				if callee, err = callee.ReadAnswer(&test.callee, answer); err != nil {
					b.Fatal(err)
				}
				if caller, _, err = caller.WriteAnswer(callee, locals); err != nil {
					b.Fatal(err)
				}
				if len(negotiate.Join(caller, callee)) != 2 {
					b.Fatal("not joined")
				}
			}
		})
	}
}

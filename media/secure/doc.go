// Package secure keys, encrypts and decrypts: SRTP and SRTCP (RFC 3711, RFC
// 6188, RFC 7714), their keys in SDP (SDES, RFC 4568) and by DTLS (RFC 5763, RFC
// 5764) over pion/dtls.
//
// An [Inbound] and an [Outbound] are the contexts of one direction of one media
// stream, RTP and RTCP of it. Each belongs to one goroutine:
//
//	crypto, ok := secure.ParseCrypto(value) // of the peer's a=crypto
//	in, err := secure.NewInbound(crypto.Suite, crypto.Key, crypto.MKI)
//	packet, err = in.RTP(packet)            // in place
//
// A DTLS association runs over a [Pipe], which a loop that owns the socket feeds:
//
//	pipe := secure.NewPipe(func(b []byte) { … send b … })
//	go func() { keys, err := identity.Handshake(ctx, pipe, client, fingerprints); … }()
//	pipe.Push(datagram) // each that came, also after the handshake
//	pipe.Close()
//
// Promises:
//
//   - Every inbound context checks for replays, of SRTP and of SRTCP, in a window
//     of at least 192 packets, and learns a source only from a packet whose tag
//     verified.
//   - Work on a packet allocates nothing, with two exceptions: a source that is
//     new, and AES-CM of more than 320 bytes (512 bytes of garbage make the
//     cipher four times faster).
//   - A key never prints, whatever the verb, the encoder or the logger.
//   - Keys by DTLS exist only if the peer has shown a certificate of the
//     fingerprint that signalling told.
//   - After the handshake an association has no goroutine and no timer.
//
// What it does not do: key derivation rates, several master keys in one context,
// AES-192, F8, NULL ciphers, encrypted header extensions.
package secure

// Package secure keys, encrypts and decrypts: SRTP and SRTCP (RFC 3711, RFC
// 6188, RFC 7714) over pion/srtp, their keys in SDP (SDES, RFC 4568) and by DTLS
// (RFC 5763, RFC 5764) over pion/dtls.
//
// An [Inbound] and an [Outbound] belong to one goroutine each. Every context
// checks for replays. A key never prints.
package secure

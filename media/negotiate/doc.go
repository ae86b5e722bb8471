// Package negotiate is offer and answer (RFC 3264) of one leg of a relay as pure
// functions: from the description of one side, the profile of the other and what
// we have for it (addresses, ports, keys) to the description that we send, and
// from the answer to the plan by which packets are moved. No sockets, no clock.
//
// The rules are those of experience with real phones: m-lines keep number and order
// for ever; the version in o= moves only with the text; payload numbers belong
// to a leg; SDES (RFC 4568), opportunistic SRTP (RFC 8643), DTLS-SRTP (RFC 5763,
// RFC 8842), ICE (RFC 8839), rtcp-mux (RFC 5761), BUNDLE (RFC 9143), feedback
// (RFC 4585, RFC 5104), telephone events (RFC 4733), T.38 as opaque UDP.
package negotiate

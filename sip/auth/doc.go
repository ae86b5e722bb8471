// Package auth decides who sent a request: digest (RFC 8760), mutual TLS, the
// identity a TLS flow has already proved, and bans for those who guess.
//
//   - Every request is authenticated except ACK and CANCEL, which cannot be
//     challenged (RFC 3261 §22.1), and requests inside a dialog that carry the
//     dialog token of sip/proxy.
//   - A TLS or WSS flow that has proved a user stays that user's until it
//     closes or the credential changes, for requests with the same From: a
//     softphone uses one connection for all its accounts. UDP and TCP are
//     challenged every time.
//   - Nonces are stateless: time and realm under an HMAC. Nonce counts are
//     remembered in a bounded window; a nonce from before a restart is stale.
//     A copy of the last REGISTER over UDP may hear its answer again.
//   - Unknown users, disabled users and wrong passwords give the same answer
//     after the same work.
//   - Who fails too often is banned by address, not by user: the real user,
//     from elsewhere or on a proven flow, is never locked out. A success at the
//     same address keeps a NAT full of good phones alive.
package auth

// Package server is the chain that every request passes, and the table that
// gives it to the service that owns it.
//
// The chain, in this order (chain.go reads like this list):
//
//   - overload: 503 when the system is nearly full, the least urgent first:
//     requests in dialogs and those that end something always pass, then
//     refreshes of proven flows, calls and messages, the rest;
//   - rate: 503 for an address that asks too often before it proved who it is;
//   - hops: Max-Forwards 0 is answered, not forwarded;
//   - border: what carriers send goes to the border, which judges it itself;
//   - extensions: 420 for what Require and Proxy-Require insist on in vain;
//   - transaction: ACK and CANCEL that met no transaction;
//   - self: OPTIONS and other requests for the server itself;
//   - dialog: requests that the proxy's dialog token lets in, and a BYE to a
//     conference from the device that is in its dialog;
//   - relay: 404 from outside for outside, 403 for a Route that is not ours;
//   - authenticate: everything else proves who sent it;
//   - identity: From must be the sender's own;
//   - route: REGISTER to the registrar, MESSAGE for our users to chat, INVITE to
//     the calls, what is left to the proxy.
//
// An agent of ours inside this process is trusted: neither rate, authentication
// nor identity stop it.
//
// Requests of one flow pass in the order of their arrival. Where the sender of
// one must be looked up first, those behind it wait, at most 256 of them. What
// the chain turns away is answered without keeping state, and so is a REGISTER
// over UDP that succeeds at once: a copy of it is recognised by its credentials.
//
// A service is a [Handler]. It answers with Reply or ReplyError; a protocol
// error is a value ([Error]) that one table turns into a response. A panic in a
// handler answers 500, is counted and logged with the request's trace id, and
// hurts nobody else.
//
// Identity headers that a user writes himself (P-Asserted-Identity and its kin)
// are not the chain's business: the proxy drops them when it forwards.
//
// Standards: RFC 3261 §8.2, §11, §16.3, §22; RFC 7339's aims for overload.
package server

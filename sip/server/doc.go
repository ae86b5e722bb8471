// Package server is the chain that every request passes, and the table that
// gives it to the service that owns it.
//
// The chain, in this order (chain.go reads like this list): overload, version
// and extension checks, OPTIONS and other requests for the server itself,
// authentication, identity (From must be the sender's own), route: REGISTER to
// the registrar, MESSAGE for our users to chat, what is left to the proxy.
//
// A service is a [Handler]. It answers with Reply or ReplyError; a protocol
// error is a value ([Error]) that one table turns into a response. A panic in a
// handler answers 500, is counted and logged with the request's trace id, and
// hurts nobody else.
package server

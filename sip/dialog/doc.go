// Package dialog is user agents of our own: dialogs (RFC 3261 §12) in which the
// server is one end, as UAC and as UAS.
//
// A [Dialog] knows its tags, targets, route set and sequence numbers and makes
// the requests inside it; it repeats a 2xx until its ACK comes (§13.3.1.4), and
// acknowledges each 2xx it gets (§13.2.2.4).
//
// An [Agent] is a user agent inside this process, a client of the server like a
// softphone at the end of a cable: two flows without a socket, one seen by the
// server, one by the agent, and a transaction layer of its own. What an agent
// sends passes the chain and the proxy, so a call of the border or one that
// the server places itself is watched, relayed and recorded as any other. The
// chain trusts the flow of an agent as it does nobody else's: what it asserts
// about the caller holds.
//
// What it does not do: sessions. Bodies pass as they are.
package dialog

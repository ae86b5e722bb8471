// Package transaction is the transaction layer of RFC 3261 §17 with the
// corrections of RFC 6026: four state machines, one timer wheel, and no
// goroutine for a transaction.
//
// It sits between transport (it is the transport's Handler) and one [User].
// What matches a transaction is absorbed here: retransmissions, ACK to a
// negative final response, CANCEL (answered 200 here, reported to the user,
// who decides what becomes of the INVITE). Everything else goes up, in the
// order of its flow, on the goroutine of the flow.
//
// A request is first an [Incoming]: nothing is kept for it until its user calls
// Begin, so a challenge or a refusal can be stateless (RFC 3261 §8.2.7).
//
// Every response to a client transaction reaches its user: each 2xx of each
// fork too (RFC 6026 §7.2). Over unreliable transports the last response is
// kept in wire form until Timer J, I or L; over reliable ones a finished
// non-INVITE transaction keeps nothing. What outlives a message never pins it.
//
// Who calls whom: a user's functions are called on the goroutine of a flow or
// of the timer wheel, outside all locks, and must not block. Those of one client
// transaction are called one at a time, in the order of the events. A panic in
// one is logged and counted, and hurts nobody else.
//
// What it does not do: resend a 2xx to INVITE (RFC 3261 §13.3.1.4, the business
// of a user agent), limit how long an INVITE may ring (Timer C, of a proxy), or
// find another way when a flow is gone.
//
// Standards: RFC 3261 §9 and §17, RFC 4320, RFC 6026.
package transaction

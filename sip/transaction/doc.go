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
// non-INVITE transaction keeps nothing.
package transaction

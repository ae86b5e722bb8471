// Package registrar is the registrar of RFC 3261 §10 and the location service
// that it feeds.
//
//   - The location table is in memory. What survives a restart is written
//     behind, Relaxed; a refresh that changes nothing but the time is seldom
//     written.
//   - A binding is reachable while the flow it came by is alive (TCP, TLS,
//     WebSocket) or until it expires (UDP). After a restart bindings over
//     connections are known but unreachable until their device registers again.
//   - A REGISTER happens as a whole or not at all, and is answered before the
//     next one of its flow is read. Only a device or a number that has not been
//     seen makes it wait for the store, and then the next ones of the same user
//     wait behind it.
//   - A copy of a REGISTER whose answer was lost is told what is bound now; it
//     changes nothing.
//   - Those who look for a user share one list of targets, which is made anew
//     when something has changed; a mere refresh changes none of it.
//   - A user registers his own address only; an address that does not exist and
//     one of somebody else get the same answer.
//   - A device is known by its +sip.instance. A phone without one is known by
//     its address and kind, so that it is the same device when it starts again.
//   - A public GRUU carries the instance; a temporary one is sealed and carries
//     what it means. There is no table of them.
//   - Contact headers, Path and push parameters are kept as written; headers
//     inside a Contact URI never become headers of a request.
//
// Standards: RFC 3261 §10, RFC 5626 (outbound), RFC 5627 (GRUU, public and
// temporary), RFC 3327 (Path).
package registrar

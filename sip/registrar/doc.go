// Package registrar is the registrar of RFC 3261 §10 and the location service
// that it feeds.
//
// The location table is in memory; what survives a restart is written behind,
// Relaxed, and a refresh that changes nothing but the time is not written for
// flows. A binding is reachable while the flow it came by is alive (TCP, TLS,
// WebSocket) or until it expires (UDP). After a restart bindings over
// connections are known but unreachable until their device registers again.
//
// Standards: RFC 3261 §10, RFC 5626 (outbound), RFC 5627 (GRUU, public and
// temporary), RFC 3327 (Path).
package registrar

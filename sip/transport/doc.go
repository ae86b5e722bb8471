// Package transport owns sockets: listeners for UDP, TCP, TLS and WebSocket,
// the flows on them, their limits, and the way to a peer that has none.
//
// A [Flow] is what RFC 5626 calls a flow: a connection, or a UDP socket and a
// remote address. Whatever is sent to a device goes through the flow that the
// device opened; a flow that is gone is an error at once, never a new dial to
// an address behind somebody's NAT.
//
// Promises:
//
//   - Messages of one flow reach the [Handler] one after the other, in the
//     order of arrival, on the goroutine that reads the flow. A handler must
//     not block: nothing else of that flow (for UDP: of that socket) is read
//     meanwhile. One that panics loses its message and costs its peer the
//     connection; nobody else notices.
//   - Send never waits for a peer or another flow. A flow whose queue (MaxQueue
//     bytes) is full is closed and counted: a slow reader harms nobody else.
//   - The end of a flow is reported once, after its last message.
//   - Silent, slow and half-open peers cost bounded memory for bounded time:
//     handshake, first message, message completion, writes and idleness have
//     limits ([Limits]) that are checked once a second, so a peer may be late by
//     that much. Addresses and the whole have connection limits.
//   - UDP keeps no state for a source, and what cannot be SIP is dropped before
//     anything is spent on it.
//   - Certificates are read again when their files change; flows that are open
//     keep the one they were opened with.
//
// An idle connection has one goroutine and a read buffer of 16 bytes. Buffers
// for a message that is partly received and for what waits to be written are
// borrowed, and a goroutine that writes exists only while there is something to
// write.
//
// [Stack.Dial] opens flows to the hops that a [Resolver] finds (RFC 3263);
// trying the next hop and telling the resolver about a failed one is the
// caller's business. [Stack.Trace] shows what goes over the wires, without
// credentials and media keys. [Stack.WebSocket] is mounted on whatever HTTP
// server shares its port with SIP.
//
// What it does not do: STUN on the SIP port (RFC 5626 §3.5.2), dialling over
// WebSocket, choosing another transport for a request that is too large for UDP
// (RFC 3261 §18.1.1 leaves that to who chooses the hop), SIP identities in
// subjectAltName URIs (RFC 5922 §7.1; a server must show the host name as DNS
// name or IP address).
//
// Standards: RFC 3261 §18, RFC 3263, RFC 3581, RFC 5626 §3.5.1 and §4.4.1,
// RFC 7118.
package transport

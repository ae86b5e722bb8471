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
//     meanwhile.
//   - Send never blocks and never waits for another flow. A flow whose queue
//     (MaxQueue bytes) is full is closed and counted: a slow reader harms
//     nobody else.
//   - The end of a flow is reported once, after its last message.
//   - Silent, slow and half-open peers cost bounded memory for bounded time:
//     handshake, first message, message completion and idleness have deadlines,
//     addresses and the whole have connection limits.
//   - UDP keeps no state for a source.
//
// Standards: RFC 3261 §18, RFC 3263, RFC 3581, RFC 5626 §3.5 and §5, RFC 5922,
// RFC 7118.
package transport

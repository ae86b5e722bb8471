// Package transport is the sockets of the relay: port pairs, the loops that read
// them, and who may be sent to.
//
// A [Network] has some [Loop]s, each an operating system thread that waits for
// all its sockets (epoll on Linux) and hands every datagram to the [Handler] of
// its socket. A session lives on one loop: what it does for a packet, and what
// changes it (Loop.Do), never runs at once, so none of it needs a lock. A handler
// that panics loses its packet; the loop tells whose it was and goes on.
//
// The way of a packet has two system calls and no allocation. A loop with many
// packets looks for them twice a millisecond instead of waking up for each, so a
// packet may wait for half a millisecond. A socket is never cut off for what it
// receives: bursts are read in batches, others are served between them.
//
// Ports come in pairs, RTP even and RTCP odd (RFC 3550 §11), at random places of
// the range; one that was given back rests for 30 s, or for 2 s when no other is
// left, so that late packets of a call do not reach the next one. A pair costs 250
// bytes here and 6 kB of the Linux kernel's memory.
//
// A [Latch] decides where the peer of a socket is, and who else is ignored: by
// packets that were proven (SRTP), by the strict rules for plain RTP (RTP bleed),
// or by ICE, and then it follows the peer whose NAT forgot him by either proof.
// [ICE] is the responder of ICE-lite (RFC 8445 §2.5), with both components. Nobody can make the relay send more than a second of packets to
// who never sent one himself.
//
// Loops use the scheduler in a way of their own: each adds a processor to
// GOMAXPROCS while it has packets and asks for a higher priority where the system
// allows it.
//
// What it does not do: send many datagrams by one call, link-local IPv6 addresses
// (zones), connectivity checks of our own, TURN.
package transport

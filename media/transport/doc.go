// Package transport is the sockets of the relay: port pairs, the loops that read
// them, and who may be sent to.
//
// A [Network] has some [Loop]s, each an operating system thread that waits for
// all its sockets (epoll on Linux) and hands every datagram to the [Handler] of
// its socket. A session lives on one loop: what it does for a packet, and what
// changes it (Loop.Do), never runs at once, so none of it needs a lock.
//
// Ports come in pairs, RTP even and RTCP odd (RFC 3550 §11), at random places of
// the range; one that was given back rests for 30 s, so that late packets of a
// call never reach the next one.
//
// A [Latch] decides where the peer of a socket is: by packets that were proven
// (SRTP), by the strict rules for plain RTP (RTP bleed), or by ICE. [ICE] is the
// responder of ICE-lite (RFC 8445 §2.5), with both components.
package transport

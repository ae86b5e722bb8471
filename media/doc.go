// Package media relays the packets of calls between their two sides: RTP, SRTP
// keyed by SDES or DTLS, with and without ICE, audio, video and whatever else
// an offer names, each side with its own addresses, ports, keys and payload
// numbers. It knows neither SIP nor the store and could be a process of its own.
//
// An [Engine] owns the sockets. A [Session] is one call; it has a [Leg] for each
// party and for each branch that rings. A leg speaks offer/answer (RFC 3264)
// with its peer:
//
//	caller.TakeOffer(sdp)             // INVITE of the caller
//	offer := branch.MakeOffer(caller) // for this branch, in its own profile
//	branch.TakeAnswer(sdp)            // 183 or 200 of the branch
//	answer := caller.MakeAnswer(branch)
//	session.Connect(caller, branch)   // packets flow
//
// Either side may offer anew (hold, video, another codec), the first offer may
// come from the callee (an INVITE without SDP), and an answer may be replaced by
// a later one to the same offer (early media, then the final answer).
//
// Promises:
//
//   - The packets of a session are handled by one loop: no lock, no goroutine and
//     no allocation a packet. Offers, answers and [Session.Connect] hand their
//     changes to that loop and do not wait for it; the changes of one call happen
//     between two packets.
//   - What an offer or answer leaves as it is keeps its ports, its keys with their
//     roll-over counters, its associations and the address that was learned. What
//     is refused or taken back leaves nothing behind.
//   - A leg with SRTP learns where its peer is only from packets whose tag
//     verified, one with ICE first from checks that carry its credentials. A leg
//     with plain RTP follows the strict rules of media/transport, with ICE only
//     checks. Nothing unauthenticated reaches the other side of a leg with SRTP.
//   - RTCP ends here and is made anew for each side; feedback that asks
//     something of a sender (PLI, FIR, NACK, REMB, TMMBR) is translated.
//   - Between two plain legs of the same payload numbers packets pass untouched,
//     so that ZRTP inside them works from end to end.
//   - Of a browser's header extensions only those pass that both legs agreed to.
//   - What goes wrong in one session ends that session only.
//   - A two-way call of voice costs less than 60 kB of memory.
//   - Keys are in no error, log or report.
//
// What it does not do: transcode, mix, record.
package media

// Package rtp is what a relay does to RTP and RTCP packets (RFC 3550), as small
// machines without input or output:
//
//   - [Rewriter]: one continuous stream towards a peer whatever the source is:
//     SSRC, sequence number, timestamp and payload type;
//   - [Receiver]: loss, jitter and sequence of what a peer sends (RFC 3550 A.1,
//     A.3, A.8);
//   - [Reports]: the sender and receiver reports that a relay writes itself, and
//     the round trip it reads from those of a peer;
//   - [Feedback]: what a peer asks of the sender (PLI, FIR, NACK, SLI, REMB,
//     TMMBR, picture loss), translated to the other side's SSRCs and numbers;
//   - [Events]: telephone events (RFC 4733) between payload numbers and clock
//     rates;
//   - [Quality]: MOS by the E-model (ITU-T G.107).
package rtp

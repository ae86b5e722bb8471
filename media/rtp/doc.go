// Package rtp is what a relay does to RTP and RTCP packets (RFC 3550), as small
// machines without input or output: time and bytes come in, bytes go out. None
// allocates for a packet, starts a goroutine or takes a lock; all machines of a
// call belong to one goroutine. Times are nanoseconds of one monotonic clock.
//
// A relay has, for each stream of each of its two sides, one of each:
//
//   - [Receiver]: loss, jitter and sequence of what the peer sends (RFC 3550
//     A.1, A.3, A.8);
//   - [Rewriter]: one continuous stream towards the peer whatever its source
//     is: SSRC, sequence number, timestamp, payload number, and the clock of
//     telephone events (RFC 4733);
//   - [Reports]: the sender and receiver reports that the relay writes itself,
//     and the round trip and loss that it reads from those of the peer;
//   - [Feedback]: what the peer asks of the sender (PLI, FIR, NACK, SLI, RPSI,
//     REMB, TMMBR), translated to the SSRC and numbers of the other side.
//
// [Judge] turns what they measured into a MOS by the E-model (ITU-T G.107).
//
// A packet from a to b goes this way:
//
//	n, ok := rtp.Check(packet)                // is it RTP at all
//	p := a.payloads.Lookup(rtp.PayloadType(packet))
//	a.receiver.Receive(packet, n, p, at)
//	b.rewriter.Rewrite(packet, n, p, at)      // rtp.Pass: encrypt and send it to b
//
// and an RTCP packet of a:
//
//	heard, ok := a.reports.Read(packet, at)
//	if heard.Feedback != 0 {
//		request := a.feedback.Translate(b.reports.Prefix(buffer), packet, b.feedback, at)
//	}
//	…
//	if b.reports.Due(now) {
//		report := b.reports.Append(buffer, now, a.receiver)
//	}
//
// Promises:
//
//   - One outgoing SSRC never carries two packets of different content under the
//     same sequence number, whatever the sources do: SRTP would be broken by it.
//   - RTCP that is short or malformed has no effect at all.
//   - The memory of a stream is 1 kB, and 4 kB more where lost packets are asked
//     for again.
//
// What it does not do: decrypt, keep packets, decode media. Transport-wide
// congestion control ends here: it is neither answered nor passed on.
package rtp

// Package negotiate is offer and answer (RFC 3264) of one leg of a relay as pure
// functions: from the description of one side, the profile of the other and what
// we have for it (addresses, ports, keys) to the description that we send, and
// from the answer to the plan by which packets are moved. No sockets, no clock.
//
// A [State] is what one leg has agreed so far. It never changes; every step
// gives the next one, so that an offer which failed leaves nothing behind:
//
//	caller, err = caller.ReadOffer(profile, sdp)                   // the caller's INVITE
//	branch, text, err = branch.WriteOffer(profile, caller, locals) // to this branch
//	branch, err = branch.ReadAnswer(profile, sdp)                  // again for a later answer to the same offer
//	caller, text, err = caller.WriteAnswer(branch, locals)
//
// After an answer, [State.Plan] has all that is needed to move the packets of
// the leg, and [Join] how those of two legs become each other's.
//
// The rules are those of experience with real phones: m-lines keep number and order
// for ever; the version in o= moves only with the text; payload numbers belong
// to a leg; SDES (RFC 4568), opportunistic SRTP (RFC 8643), DTLS-SRTP (RFC 5763,
// RFC 8842), ICE (RFC 8839), rtcp-mux (RFC 5761), BUNDLE (RFC 9143), feedback
// (RFC 4585, RFC 5104), telephone events (RFC 4733), T.38 as opaque UDP.
//
// Nothing of one peer that tells who or where it is reaches the other: o=, s=,
// c=, i=, ports, candidates, SSRCs, CNAMEs, keys and fingerprints are ours or
// left out. What describes the media passes: formats and their parameters,
// feedback, packet times, bandwidth, labels.
package negotiate

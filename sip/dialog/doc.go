// Package dialog is user agents of our own: INVITE sessions (RFC 3261 §12 to
// §15) in which the server is one end, as caller and as callee.
//
// A [UA] sends by a transaction layer and finds the dialog that a request
// belongs to. [UA.Call] places a call, [UA.Accept] takes one; both give a
// [Session], and a session has a [Dialog] for every peer that rings or answers
// (forks, RFC 3261 §13.2.2.4). Package dialog does what the RFCs leave no choice
// about: tags, sequence numbers, route sets and targets, ACK for each 2xx and 2xx
// again until its ACK, BYE for answers that came too late, PRACK and reliable
// provisional responses, glare, session timers, challenges when the caller can
// answer them. What has a choice is told to the [Events] of the session.
//
// An [Agent] is a user agent inside this process, a client of the server like a
// softphone at the end of a cable: two flows without a socket, one seen by the
// server, one by the agent, and a transaction layer of its own. What an agent
// sends passes the chain and the proxy, so a call of the border or one that
// the server places itself is watched, relayed and recorded as any other. The
// chain trusts the flow of an agent as it does nobody else's: what it asserts
// about the caller holds. A call in five lines:
//
//	call := agent.Call(dialog.Call{To: uri, From: "<sip:desk@example.com>", Content: dialog.SDP(offer)}, dialog.Events{
//		Answered: func(d *dialog.Dialog, res *sip.Response) { d.Ack(dialog.Content{}); use(res.Body()) },
//		Ended:    func(d *dialog.Dialog, why dialog.End) { done() },
//	})
//	...
//	call.Do(func() { call.HangUp("") })
//
// Everything of a session happens on its [Strand]: one function after the other,
// in the order of the events, without a goroutine or a lock of its own. Events
// are told there; methods of Session, Dialog and Incoming are called there, from
// an event or by [Session.Do]. Two sessions that share a strand, the sides of a
// back-to-back user agent, see each other in peace.
//
// What it does not do: sessions in the sense of media. Bodies pass as they are.
//
// Standards: RFC 3261 §8.1, §12 to §15; RFC 3262, RFC 3311, RFC 3326, RFC 4028,
// RFC 6026 §7.
package dialog

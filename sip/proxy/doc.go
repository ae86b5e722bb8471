// Package proxy is the stateful forking proxy of RFC 3261 §16, one file a step:
// target set (target.go, §16.5), forwarding (forward.go, §16.6), response
// context (response.go and its pure half fork.go, §16.7), Timer C (timerc.go,
// §16.8), CANCEL (cancel.go, §16.10), loops (loop.go, RFC 5393), requests
// inside a dialog (indialog.go, nexthop.go, §16.4 and RFC 5626 §5.3).
//
// It serves our own domains only: a request from outside for outside is never
// relayed, and no address that a peer named is ever dialled; a request leaves
// through the flow of a registered device or through the flow of its dialog.
// A request for a user goes to all of the user's devices: those of the same q
// at once, those of a lower q after them, further flows of one device only when
// its better one has failed.
//
// It record-routes dialogs with two values, one for each side (RFC 5658); the
// user part of each is a token that names the flow of that side, sealed
// together with the Call-ID (dialogtoken.go). A request inside the dialog that
// presents it needs no challenge ([Proxy.Claims]) and goes out by that flow;
// when the flow is gone, the proxy looks for the same user's device by its GRUU
// or Contact and answers 430 otherwise.
//
// A redirection goes back to the caller; the proxy does not follow it, since
// nobody has authorised the place that a device names (RFC 3261 §16.5).
//
// An INVITE may have a watcher ([Proxy.Fork], watch.go), who chooses the targets,
// changes what goes to each and what comes back, and names more of them when all
// have failed; requests inside its dialog have one too ([Dialogs]). What a watcher
// has to say to one side of a dialog goes there by [Proxy.Originate].
//
// What a user's device claims about identity is left out of what is forwarded
// (identity.go); the sender that was proved is asserted instead (RFC 3325).
//
// A response without a transaction is not forwarded (RFC 6026 §7.3): late 2xx
// are what the Accepted state of the client transaction is for.
//
// The proxy keeps no state of a dialog. It needs a response context from a
// request to its final response, without a goroutine of its own.
package proxy

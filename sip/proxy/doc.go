// Package proxy is the stateful forking proxy of RFC 3261 §16, one file a step:
// target set (target.go, §16.5), forwarding (forward.go, §16.6), response
// context (response.go, §16.7), Timer C (§16.8), CANCEL (§16.10), loops
// (RFC 5393).
//
// It serves our own domains only: a request from outside for outside is never
// relayed. It record-routes dialogs with two values, one for each side; the
// user part of each is a token that names the flow of that side, sealed
// together with the Call-ID. A request inside the dialog that presents it needs
// no challenge and goes out by that flow; when the flow is gone, the proxy looks
// for the same device's new one (GRUU or Contact) and answers 430 otherwise.
//
// Other packages watch and change what passes through the hooks of [Watcher];
// the media relay of package call is the first.
package proxy

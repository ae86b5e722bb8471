// Package trunk is the border to carriers: trunks with their gateways,
// registrations, numbers, health and limits, and the back-to-back user agent
// between a call inside and a call at a carrier.
//
// Outward: package call asks [Border.Routes] where a number may go for a caller
// (number plan, class of service, limits, emergency numbers) and lets the proxy
// fork to [Border.Target]. The INVITE reaches the border's agent inside the
// process, and the border calls the gateways of the trunk in their order, in
// dialogs of its own, until one takes the call (RFC 3261 §16.7's rules for what
// is tried next do not matter here: 408, 5xx, a refused connection and silence
// of 4 s are failures of the gateway, everything else is the carrier's answer).
//
// Inward: a request from a gateway's addresses, or over a TLS connection with
// its certificate, is the border's ([Border.Claims]). It maps the number called
// to one of ours and calls it through its agent; [Border.Inbound] tells package
// call who is calling.
//
// Nothing of the inside is seen outside: own Call-ID, tags, Contact, Via and
// user agent; REFER and redirections of a carrier are refused, those of users
// are decided by package call.
package trunk

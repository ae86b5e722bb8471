// Package trunk is the border to carriers: trunks with their gateways,
// registrations, numbers, health and limits, and the back-to-back user agent
// between a call inside and a call at a carrier.
//
// Outward: package call asks [Border.Routes] where a number may go for a caller
// (number plan, class of service, limits, emergency numbers) and lets the proxy
// fork to [Border.Target]. The INVITE reaches the border's agent inside the
// process, and the border calls the gateways of the trunk in their order, in
// dialogs of its own, until one takes the call (RFC 3261 §16.7's rules for what
// is tried next do not matter here: 408, 5xx, redirections, refused credentials
// or connections, and silence of 3.5 s are failures of the gateway, everything
// else is the carrier's answer). A gateway that fails three calls or two probes
// is left alone until a probe succeeds.
//
// Inward: a request from a gateway's addresses, or over a TLS connection with
// its certificate, is the border's ([Border.Claims]). It maps the number called
// to one of ours and calls it through its other agent; [Border.Inbound] tells
// package call who is calling. Of what a carrier says, the caller's number is
// believed (RFC 3325), everything else about identity is left outside. UDP is as
// trustworthy as its source addresses are: TLS, or networks that are kept from
// being forged, is for who wants more.
//
// Between the two sides pass bodies, statuses, hops and the causes of Reason
// headers, and requests inside the dialog: re-INVITE, UPDATE, INFO with keys.
// PRACK, session timers and credentials belong to each side alone. Nothing of
// the inside is seen outside: own Call-ID, tags, Contact, Via and user agent.
// A number leaves as + and digits in the trunk's format and in no other way; what
// could be read as another number is refused before.
//
// A user's REFER is carried out by the border (transfer.go): the carrier hears
// only a re-INVITE. REFER and redirections of a carrier are refused; those of
// users are decided by package call.
//
// What it does not do: choose by price, rewrite headers by rules, History-Info,
// overlap dialling, and join two calls at carriers by Replaces.
//
// Standards: RFC 3261 §11, §22 and §10.2; RFC 3263, RFC 3323, RFC 3325, RFC 3326,
// RFC 3515, RFC 3725 §4.1, RFC 3966, RFC 5806, RFC 5922, RFC 7616, RFC 8760.
package trunk

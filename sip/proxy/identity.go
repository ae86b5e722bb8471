package proxy

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

// leftOut lists what no copy of a request takes along as it came.
//
// Credentials are put back where they belong: [Proxy.appendForeignCredentials].
// The others are the fields by which one trusted server tells another who is
// calling and how the call came here. Our users are not servers: theirs are
// dropped (RFC 3325 §5, RFC 5806, RFC 7044 §10, RFC 7315 §4), those of an agent
// of ours stay. Identity stays, it is signed.
func leftOut() []string {
	return append(credentials(),
		"P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID",
		"P-Charging-Vector", "P-Charging-Function-Addresses",
		"History-Info", "Diversion",
	)
}

func credentials() []string { return []string{"Authorization", "Proxy-Authorization"} }

// appendAsserted appends what is told to the callee about the sender that was
// proved (RFC 3325 §5 and §7), unless the sender wants to stay unknown.
func appendAsserted(hs []sip.Header, r *server.Request) []sip.Header {
	if r.Sender.Username == "" || wantsPrivacy(r) {
		return hs
	}
	return append(hs, wire.H("P-Asserted-Identity", "<sip:"+wire.EscapeUser(r.Sender.Username)+"@"+r.Sender.Domain+">"))
}

// wantsPrivacy tells whether the sender asks not to be named (RFC 3325 §9.3).
// The values of Privacy stand between semicolons (RFC 3323 §4.2).
func wantsPrivacy(r *server.Request) bool {
	for list := range wire.All(r.Request, "Privacy") {
		for value := range strings.SplitSeq(list, ";") {
			if strings.EqualFold(strings.TrimSpace(value), "id") {
				return true
			}
		}
	}
	return false
}

// appendForeignCredentials appends the credentials of r for other realms than
// ours: the only ones that go on (RFC 3261 §22.3).
func (p *Proxy) appendForeignCredentials(hs []sip.Header, r *server.Request) []sip.Header {
	for _, h := range r.Headers() {
		switch name := h.Name(); name {
		case "Authorization", "Proxy-Authorization":
			if !p.ourRealm(h.Value()) {
				hs = append(hs, wire.H(name, h.Value()))
			}
		}
	}
	return hs
}

// clean returns a device's response without what only a trusted server may say,
// and without challenges in our realm: with the answer to one, a device could
// guess the caller's password.
func (p *Proxy) clean(res *sip.Response) *sip.Response {
	if !slices.ContainsFunc(res.Headers(), p.untrusted) {
		return res
	}
	out := copyResponse(res)
	for _, h := range res.Headers() {
		if p.untrusted(h) {
			continue
		}
		out.AppendHeader(h)
	}
	return out
}

func (p *Proxy) untrusted(h sip.Header) bool {
	switch h.Name() {
	case "P-Asserted-Identity", "Remote-Party-ID":
		return true
	case "WWW-Authenticate", "Proxy-Authenticate":
		return p.ourRealm(h.Value())
	}
	return false
}

// ourRealm tells whether a challenge or credentials name one of our domains as
// their realm.
func (p *Proxy) ourRealm(value string) bool {
	for param := range strings.SplitSeq(value, ",") {
		name, realm, ok := strings.Cut(param, "=")
		name = strings.TrimSpace(name)
		if i := strings.LastIndexAny(name, " \t"); i >= 0 {
			name = name[i+1:] // behind the scheme: Digest realm=…
		}
		if ok && strings.EqualFold(name, "realm") {
			return p.serves(strings.Trim(strings.TrimSpace(realm), `"`))
		}
	}
	return false
}

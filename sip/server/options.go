package server

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// What a request to the server itself is told (RFC 3261 §11.2).
const (
	allow     = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, INFO, UPDATE, PRACK, REFER, NOTIFY, SUBSCRIBE, PUBLISH"
	accept    = "application/sdp, text/plain, message/cpim, message/imdn+xml, application/im-iscomposing+xml"
	supported = "path, outbound, gruu"
)

func (r *Request) replyOptions() {
	r.Incoming.Reply(wire.NewResponse(r.Request, 200, "",
		wire.H("Allow", allow),
		wire.H("Accept", accept),
		wire.H("Accept-Language", "zh, en"),
		wire.H("Supported", supported),
	))
}

// extensions refuses what a client insists on and we do not have.
func (s *Server) extensions(r *Request) verdict {
	if r.Method == sip.ACK || r.Method == sip.CANCEL {
		return pass // RFC 3261 §8.2.2.3, §16.3 step 5
	}
	// No extension that we know asks anything of a proxy.
	missing := wire.Values(r.Request, "Proxy-Require")
	if s.isUAS(r) {
		for _, tag := range wire.Values(r.Request, "Require") {
			if !slices.Contains(extensionsOf(r.Method), strings.ToLower(tag)) {
				missing = append(missing, tag)
			}
		}
	}
	if len(missing) == 0 {
		return pass
	}
	return s.turnAway(r, &Error{Status: 420, Headers: []sip.Header{
		wire.H("Unsupported", strings.Join(missing, ", ")),
	}})
}

// extensionsOf lists what we are as a user agent server of the method.
func extensionsOf(method sip.RequestMethod) []string {
	switch method {
	case sip.REGISTER:
		return []string{"path", "outbound", "gruu"}
	case sip.SUBSCRIBE:
		return []string{"recipient-list-subscribe", "eventlist"} // RFC 5367 §4, RFC 4662 §4.5
	}
	return nil
}

// self answers what is asked of the server and not of a user.
func (s *Server) self(r *Request) verdict {
	if r.Recipient.User != "" || !s.Owns(r.Recipient.Host) || s.inDialog(r) {
		return pass
	}
	switch r.Method {
	case sip.OPTIONS:
		r.replyOptions()
		return done
	case sip.REGISTER, sip.SUBSCRIBE, sip.PUBLISH:
		return pass
	}
	status := 405
	if !slices.Contains(strings.Split(allow, ", "), string(r.Method)) {
		status = 501
	}
	return s.turnAway(r, &Error{Status: status, Headers: []sip.Header{wire.H("Allow", allow)}})
}

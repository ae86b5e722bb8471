package server

import (
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// isOurs tells whether a Request-URI belongs to our domains; telephone numbers
// are ours to judge.
func (s *Server) isOurs(u *sip.Uri) bool { return u.Scheme == "tel" || s.Owns(u.Host) }

// isUAS tells whether we answer r ourselves instead of forwarding it, as far as
// somebody may know who has not said who he is: conferences are not told from users.
func (s *Server) isUAS(r *Request) bool {
	switch r.Method {
	case sip.REGISTER:
		return true
	case sip.MESSAGE, sip.SUBSCRIBE, sip.PUBLISH:
		return s.isOurs(&r.Recipient)
	}
	return false
}

// toFocus tells whether r is for a conference that its sender knows.
func (s *Server) toFocus(r *Request) bool {
	return s.cfg.Focus != nil && s.isOurs(&r.Recipient) && s.cfg.Focus.Claims(&r.Recipient, r.Sender.User)
}

// relay turns away what comes from outside for outside, and routes that the
// sender made up: we are nobody's open relay.
func (s *Server) relay(r *Request) verdict {
	if !s.isOurs(&r.Recipient) && !s.isOurs(&r.From.URI) {
		return s.turnAway(r, &Error{Status: 404})
	}
	for _, value := range wire.Values(r.Request, "Route") {
		hop, err := wire.ParseNameAddr(value)
		if err != nil || !s.Owns(hop.URI.Host) {
			return s.turnAway(r, &Error{Status: 403, Warning: "a Route to another host is not accepted; leave it out"})
		}
	}
	return pass
}

// identity lets a user speak in his own name only (sip.md S3).
func (s *Server) identity(r *Request) verdict {
	if r.Trusted || s.isSelf(r) {
		return pass
	}
	return s.turnAway(r, &Error{Status: 403, Warning: "From must be your own address: use " + r.Sender.AOR()})
}

func (s *Server) isSelf(r *Request) bool {
	from := &r.From.URI
	if !s.isOurs(from) {
		return false
	}
	if from.User == r.Sender.Username && from.Scheme != "tel" {
		return true
	}
	user, _, _ := strings.Cut(wire.AOR(from), "@")
	return strings.EqualFold(user, r.Sender.Username) ||
		s.cfg.Owns != nil && s.cfg.Owns(r.Sender, user)
}

// route gives the request to the service that owns it.
func (s *Server) route(r *Request) verdict {
	ours := s.isOurs(&r.Recipient)
	switch {
	case r.Method == sip.REGISTER && ours:
		s.cfg.Registrar.ServeSIP(r) // it begins a transaction if it cannot answer at once
	case r.Method == sip.REGISTER:
		return s.turnAway(r, &Error{Status: 403, Warning: "not our domain"})
	case r.Method == sip.MESSAGE && ours:
		r.handTo(s.cfg.Chat)
	case r.Method == sip.SUBSCRIBE && ours && s.cfg.Events != nil:
		r.handTo(s.cfg.Events)
	case (r.Method == sip.SUBSCRIBE || r.Method == sip.PUBLISH) && ours:
		// RFC 6665 §7.2, RFC 3903 §6 step 2: nobody serves it.
		return s.turnAway(r, &Error{Status: 489, Headers: []sip.Header{wire.H("Allow-Events", "")}})
	case s.toFocus(r):
		r.handTo(s.cfg.Focus)
	case (r.Method == sip.INVITE || r.Method == sip.REFER) && r.ToTag == "" && ours && s.cfg.Calls != nil:
		r.handTo(s.cfg.Calls)
	case ours || r.ToTag != "":
		r.handTo(s.cfg.Proxy)
	default:
		return s.turnAway(r, &Error{Status: 403, Warning: "no route to other domains"})
	}
	return done
}

// handTo gives r to its service. Over UDP the transaction begins before, so that
// it absorbs what is repeated while the service thinks.
func (r *Request) handTo(service Handler) {
	if !r.Flow.Reliable() && r.Transaction() == nil {
		return
	}
	service.ServeSIP(r)
}

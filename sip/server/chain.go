package server

import (
	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/auth"
)

// step is one link of the chain.
type step struct {
	name    string
	do      func(r *Request) verdict
	refused prometheus.Counter
}

// verdict of a step.
type verdict uint8

const (
	pass verdict = iota // on to the next step
	done                // answered, handed over or dropped
	wait                // the step goes on by itself when it knows more
)

// steps is the chain, in the order of the package documentation.
func (s *Server) steps() []step {
	steps := []step{
		{name: "overload", do: s.admit},
		{name: "rate", do: s.limit},
		{name: "hops", do: s.hops},
		{name: "border", do: s.border},
		{name: "extensions", do: s.extensions},
		{name: "transaction", do: s.unmatched},
		{name: "self", do: s.self},
		{name: "dialog", do: s.dialog},
		{name: "relay", do: s.relay},
		{name: "authenticate", do: s.authenticate},
		{name: "identity", do: s.identity},
		{name: "route", do: s.route},
	}
	for i := range steps {
		steps[i].refused = s.counters.refused(steps[i].name)
	}
	return steps
}

// walk takes r through the chain from where it stands.
func (s *Server) walk(r *Request) (v verdict) {
	defer s.caught(r)
	if r.at == 0 {
		r.foreign = s.cfg.Border != nil && !r.Trusted && s.cfg.Border.Claims(r)
	}
	for v = pass; v == pass && r.at < len(s.chain); {
		r.at++
		v = s.chain[r.at-1].do(r)
	}
	return v
}

// turnAway answers without state and ends the chain.
func (s *Server) turnAway(r *Request, e *Error) verdict {
	s.chain[r.at-1].refused.Inc()
	r.refuse(e)
	return done
}

// hops, RFC 3261 §16.3 step 3: who sends OPTIONS with no hop left asks us.
func (s *Server) hops(r *Request) verdict {
	switch {
	case r.MaxForwards > 0 || r.Method == sip.ACK:
		return pass
	case r.Method == sip.OPTIONS:
		r.replyOptions()
		return done
	}
	return s.turnAway(r, &Error{Status: 483})
}

// border hands over what carriers send; they are no users, and the border judges
// them itself.
func (s *Server) border(r *Request) verdict {
	if !r.foreign {
		return pass
	}
	if r.Method == sip.ACK {
		s.cfg.Border.ServeSIP(r)
	} else {
		r.handTo(s.cfg.Border)
	}
	return done
}

// unmatched deals with what should have met a transaction.
func (s *Server) unmatched(r *Request) verdict {
	switch r.Method {
	case sip.CANCEL:
		return s.turnAway(r, &Error{Status: 481})
	case sip.ACK:
		switch {
		case s.inDialog(r):
			s.cfg.Proxy.ServeSIP(r)
		case s.cfg.Focus != nil && s.isOurs(&r.Recipient): // which knows what it waits for
			s.cfg.Focus.ServeSIP(r)
		}
		return done // RFC 3261 §17: nobody answers an ACK
	}
	return pass
}

// dialog lets requests in that the proxy's token opens a dialog for, and a BYE to a
// conference that comes from where its dialog leads.
func (s *Server) dialog(r *Request) verdict {
	if s.inDialog(r) {
		r.handTo(s.cfg.Proxy)
		return done
	}
	if r.Method != sip.BYE || r.ToTag == "" || s.cfg.Focus == nil || !s.isOurs(&r.Recipient) {
		return pass
	}
	sender, known := s.cfg.Focus.Knows(r)
	if !known {
		return pass
	}
	r.Sender = sender
	r.handTo(s.cfg.Focus)
	return done
}

func (s *Server) inDialog(r *Request) bool {
	if r.ToTag == "" || s.cfg.InDialog == nil {
		return false
	}
	if !r.asked {
		r.asked, r.claimed = true, s.cfg.InDialog.Claims(r)
	}
	return r.claimed
}

// authenticate challenges everything that came this far. While a credential is
// read, a connection waits, and what is pipelined behind stays in its order and
// in its socket. A datagram goes on by itself: UDP promises no order.
func (s *Server) authenticate(r *Request) verdict {
	if r.Trusted {
		return pass
	}
	var resume func(auth.Result) // nil: Check waits
	if !r.Flow.Reliable() {
		resume = func(result auth.Result) { s.resume(r, result) }
	}
	result, ok := s.cfg.Auth.Check(r.Flow, r.Request, &r.Core, !s.isUAS(r), resume)
	if !ok {
		return wait
	}
	return s.authenticated(r, result)
}

// resume goes on with a request whose sender was looked up.
func (s *Server) resume(r *Request, result auth.Result) {
	defer s.caught(r)
	if s.authenticated(r, result) == pass {
		s.walk(r)
	}
}

func (s *Server) authenticated(r *Request, result auth.Result) verdict {
	switch result.Verdict {
	case auth.Proven:
		r.Sender, r.Repeated = result.Identity, result.Repeated
		return pass
	case auth.Drop:
		s.counters.refused("ban").Inc()
		return done
	}
	return s.turnAway(r, &Error{Status: result.Status, Headers: result.Headers})
}

package call

import "github.com/emiago/sipgo/sip"

// side is a party of a call.
type side uint8

const (
	nobody side = iota
	caller
	callee
)

func (s side) other() side {
	switch s {
	case caller:
		return callee
	case callee:
		return caller
	}
	return nobody
}

func (s side) String() string { return [...]string{"nobody", "caller", "callee"}[s] }

// exchange is the offer and answer (RFC 3264) of one dialog of a call, as its
// messages show them: which of them carries an offer, which an answer
// (RFC 6337 §2, table 1). It is pure; what is done about it is elsewhere.
type exchange struct {
	offerer side              // whose offer is pending
	method  sip.RequestMethod // of the transaction that the offer belongs to
	cseq    uint32
	heard   bool   // answered by an unreliable provisional response: the final one says it again
	empty   uint32 // CSeq of an INVITE without description: its response brings an offer; 0 for none
	acked   uint32 // CSeq of the ACK that brought the last answer; 0 for none
}

// message is what an exchange must know of a request or a response.
type message struct {
	from     side              // who sent it
	method   sip.RequestMethod // of a response, that of its request
	cseq     uint32
	status   int  // 0 for a request
	reliable bool // a provisional response that will be acknowledged (RFC 3262)
	sdp      bool // it has a session description
}

// verb is what a message does to the exchange.
type verb uint8

const (
	pass     verb = iota // nothing to do with it
	offer                // its description is an offer
	answer               // its description is the answer to the other side's offer
	repeated             // its description was seen before; say again what was said
	strip                // its description has no place here: take it out
	rollback             // the pending offer has failed
	missing              // the answer that had to come with it is not there
	glare                // RFC 3261 §14.2: refuse with 491
	busy                 // RFC 3261 §14.2: refuse with 500 and Retry-After
)

// step takes a message and tells what it is.
func (x *exchange) step(m message) verb {
	switch {
	case m.status == 0:
		return x.request(m)
	case m.status >= 300:
		return x.failure(m)
	case m.status < 200:
		return x.provisional(m)
	}
	return x.success(m)
}

func (x *exchange) request(m message) verb {
	switch m.method {
	case sip.ACK:
		return x.acknowledged(m)
	case sip.PRACK:
		return x.pracked(m)
	case sip.INVITE, sip.UPDATE: // RFC 3311 §5
	default:
		return pass
	}
	begins := m.sdp || m.method == sip.INVITE // which asks for an offer when it brings none
	switch {
	case !begins:
		return pass
	case x.offerer == m.from:
		return busy
	case x.offerer != nobody:
		return glare
	case !m.sdp:
		*x = exchange{empty: m.cseq}
		return pass
	}
	x.begin(m)
	return offer
}

// begin makes m's offer the pending one.
func (x *exchange) begin(m message) {
	*x = exchange{offerer: m.from, method: m.method, cseq: m.cseq}
}

// settle ends the exchange.
func (x *exchange) settle() { *x = exchange{} }

// pracked is RFC 3262 §5: a PRACK answers the offer of its provisional response,
// or offers anew once the first offer is answered.
func (x *exchange) pracked(m message) verb {
	switch {
	case !m.sdp:
		return pass
	case x.offerer == m.from.other() && x.method == sip.INVITE:
		x.settle()
		return answer
	case x.offerer == nobody:
		x.begin(m)
		return offer
	}
	return strip
}

// acknowledged is RFC 3261 §13.2.2.4: an ACK answers the offer of its 2xx.
func (x *exchange) acknowledged(m message) verb {
	awaited := x.offerer == m.from.other() && x.method == sip.INVITE
	switch {
	case awaited && m.sdp:
		*x = exchange{acked: m.cseq}
		return answer
	case awaited:
		x.settle()
		return missing
	case m.sdp && x.acked == m.cseq:
		return repeated // for a 2xx that was repeated
	case m.sdp:
		return strip
	}
	return pass
}

// answers tells whether m belongs to the request that carried the pending offer.
func (x *exchange) answers(m message) bool {
	return x.offerer == m.from.other() && x.method == m.method && x.cseq == m.cseq
}

// offers tells whether m answers an INVITE without description.
func (x *exchange) offers(m message) bool {
	return m.method == sip.INVITE && x.empty != 0 && x.empty == m.cseq
}

func (x *exchange) provisional(m message) verb {
	switch {
	case !m.sdp:
		return pass
	case x.answers(m):
		if m.reliable {
			x.settle()
		} else {
			x.heard = true
		}
		return answer
	case !m.reliable:
		return strip // RFC 3261 §13.2.1: an offer or a second answer must be reliable
	case x.offers(m):
		x.begin(m)
		return offer
	}
	return repeated
}

func (x *exchange) success(m message) verb {
	switch {
	case x.answers(m) && m.sdp:
		x.settle()
		return answer
	case x.answers(m):
		heard := x.heard
		x.settle()
		if heard {
			return pass // it thinks that the provisional response was enough
		}
		return missing
	case !m.sdp && x.offers(m):
		x.settle()
		return missing
	case !m.sdp:
		return pass
	case x.offers(m):
		x.begin(m)
		return offer
	}
	return repeated
}

// failure takes an offer back: that of the request, or that of a reliable
// provisional response before.
func (x *exchange) failure(m message) verb {
	late := x.offerer == m.from && x.method == sip.INVITE && m.method == sip.INVITE && x.cseq == m.cseq
	if x.answers(m) || late {
		x.settle()
		return rollback
	}
	if x.offers(m) {
		x.settle()
	}
	if m.sdp {
		return strip
	}
	return pass
}

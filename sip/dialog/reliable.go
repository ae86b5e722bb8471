package dialog

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// maxProvisional bounds the reliable responses that wait for a PRACK.
const maxProvisional = 8

// reliable is the sending of reliable provisional responses, RFC 3262 §3: one at
// a time, again and again until its PRACK comes.
type reliable struct {
	supported bool // by the caller
	required  bool
	rseq      uint32
	sent      *unacknowledged   // nil: none
	waiting   []*unacknowledged // behind it
}

// unacknowledged is a reliable provisional response without PRACK.
type unacknowledged struct {
	dialog    *Dialog
	build     func(rseq []sip.Header) *sip.Response
	described bool // it carries a session description
	res       *sip.Response
	wait      time.Duration
	giveUp    time.Time
	clock     *time.Timer
}

func (r *reliable) init(invite *sip.Request) {
	r.required = wire.Has(invite, "Require", "100rel")
	r.supported = r.required || wire.Has(invite, "Supported", "100rel")
	r.rseq = rand.Uint32N(1<<20) + 1
}

func (r *reliable) wanted(described bool) bool { return r.required || r.supported && described }

// holdsAnswer tells whether a 2xx has to wait for a PRACK.
func (r *reliable) holdsAnswer() bool {
	return r.sent != nil && (r.sent.described || len(r.waiting) > 0)
}

func (r *reliable) stop() {
	if r.sent != nil && r.sent.clock != nil {
		r.sent.clock.Stop()
	}
	r.sent, r.waiting = nil, nil
}

// reliably sends what build makes, when what was sent before is acknowledged.
func (s *Session) reliably(d *Dialog, build func([]sip.Header) *sip.Response, described bool) {
	r := &s.incoming.reliable
	if len(r.waiting) >= maxProvisional {
		s.ua.metrics.dropped.Inc()
		return
	}
	r.waiting = append(r.waiting, &unacknowledged{dialog: d, build: build, described: described})
	if r.sent == nil {
		s.nextReliable()
	}
}

func (s *Session) nextReliable() {
	r := &s.incoming.reliable
	r.sent = nil
	if len(r.waiting) == 0 {
		if answer := s.incoming.answer; answer != nil {
			s.incoming.answer = nil
			answer()
		}
		return
	}
	u := r.waiting[0]
	r.sent, r.waiting = u, r.waiting[1:]
	r.rseq++
	u.res = u.build([]sip.Header{wire.H("Require", "100rel"), wire.H("RSeq", strconv.FormatUint(uint64(r.rseq), 10))})
	u.wait, u.giveUp = t1, time.Now().Add(64*t1)
	u.dialog.describedBy(u.res)
	_ = s.incoming.request.tx.Respond(u.res)
	u.clock = s.strand.After(u.wait, func() { s.provisionalAgain(u) })
}

func (s *Session) provisionalAgain(u *unacknowledged) {
	r := &s.incoming.reliable
	if r.sent != u || s.phase != ringing {
		return
	}
	if !time.Now().Before(u.giveUp) { // RFC 3262 §3: the caller is gone, or lies
		s.ua.metrics.noACK.Inc()
		s.Reject(sip.StatusGatewayTimeout, "")
		if s.on.Cancelled != nil {
			s.on.Cancelled("")
		}
		return
	}
	_ = s.incoming.request.tx.Respond(u.res)
	u.wait *= 2
	u.clock.Reset(min(u.wait, time.Until(u.giveUp)))
}

// prack takes the PRACK for a response of ours. One that brings an offer is the
// owner's to answer.
func (d *Dialog) prack(in *Incoming) {
	s := d.s
	r := &s.incoming.reliable
	u := r.sent
	if u == nil || u.dialog != d || !matches(wire.Header(in.Request, "RAck"), r.rseq, s.incoming.request.CSeq) {
		in.Reply(sip.StatusCallTransactionDoesNotExists, "") // RFC 3262 §3
		return
	}
	u.clock.Stop()
	if len(in.Body()) > 0 {
		d.pass(in)
	} else {
		in.Reply(sip.StatusOK, "")
	}
	s.nextReliable()
}

// matches compares a RAck value with what it must name: RSeq, CSeq, method.
func matches(rack string, rseq, cseq uint32) bool {
	f := strings.Fields(rack)
	return len(f) == 3 && f[2] == "INVITE" &&
		f[0] == strconv.FormatUint(uint64(rseq), 10) && f[1] == strconv.FormatUint(uint64(cseq), 10)
}

// inOrder acknowledges a reliable provisional response of the peer and tells
// whether it is the next one (RFC 3262 §4). Those that are not reliable have no
// order.
func (d *Dialog) inOrder(res *sip.Response) bool {
	if !wire.Has(res, "Require", "100rel") {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimSpace(wire.Header(res, "RSeq")), 10, 31)
	if err != nil || n == 0 {
		return true
	}
	if d.rseq != 0 && uint32(n) != d.rseq+1 {
		return false // repeated, or a gap that the next repetition fills
	}
	d.rseq = uint32(n)
	rack := strconv.FormatUint(n, 10) + " " + strconv.FormatUint(uint64(d.s.outgoing.seq), 10) + " INVITE"
	d.exchange(&exchange{method: "PRACK", headers: []sip.Header{wire.H("RAck", rack)}, then: func(*sip.Response, error) {}})
	return true
}

package dialog

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
)

// maxRetries is how often one request is sent again because of what its response
// says: with credentials, with those for another nonce, with another interval.
const maxRetries = 3

// Call is an INVITE that we send.
type Call struct {
	URI    sip.Uri         // whom it is for
	Flow   *transport.Flow // by which it leaves
	From   string          // name-addr, without tag
	To     string          // name-addr; "" the URI
	Routes []string        // preloaded

	CallID      string // "" a fresh one
	MaxForwards int    // 0: 70
	Reliable    bool   // offer reliable provisional responses (RFC 3262)
	Expires     int    // session interval in seconds to ask for (RFC 4028), 0: 1800
	Headers     []sip.Header
	Content     Content

	// Authorize answers challenges: it returns the header to send with a request
	// after challenge, nil when it knows no answer. With a nil challenge it may
	// return credentials in advance. nil: nothing is answered.
	Authorize func(challenge *sip.Response, method, uri string) []sip.Header

	Strand *Strand // of another session of the same call; nil: an own one
}

// outgoing is the part of a session that we began.
type outgoing struct {
	call    Call
	tag     string
	seq     uint32
	proof   []sip.Header // credentials of the INVITE
	request *sip.Request // nil: this session came from outside
	client  *transaction.Client
	given   bool // hung up before it was answered
	reason  string
	heard   bool
	retried int
	proved  bool   // a challenge was answered
	minSE   string // of a 422
}

// Call sends an INVITE. c.URI, c.Flow and c.From are needed.
func (u *UA) Call(c Call, on Events) *Session {
	if c.CallID == "" {
		c.CallID = wire.NewCallID()
	}
	if c.To == "" {
		c.To = "<" + wire.URIString(&c.URI) + ">"
	}
	if c.MaxForwards == 0 {
		c.MaxForwards = 70
	}
	if c.Expires == 0 {
		c.Expires = defaultExpires
	}
	s := u.newSession(c.CallID, c.Strand, on, "out")
	s.outgoing = outgoing{call: c, tag: wire.NewTag()}
	s.outgoing.request = s.invite(nil)
	u.enter(s.outgoing.tag, s)
	s.strand.Do(s.transmit)
	return s
}

// invite makes the next INVITE, with credentials.
func (s *Session) invite(credentials []sip.Header) *sip.Request {
	o, u := &s.outgoing, s.ua
	o.seq++
	if credentials == nil && o.call.Authorize != nil {
		credentials = o.call.Authorize(nil, "INVITE", wire.URIString(&o.call.URI))
	}
	o.proof = credentials
	supported := "timer"
	if o.call.Reliable {
		supported = "100rel, timer"
	}
	hs := make([]sip.Header, 0, 20+len(o.call.Headers))
	hs = append(hs, wire.H("Via", u.Via(o.call.Flow)), wire.H("Max-Forwards", strconv.Itoa(o.call.MaxForwards)))
	for _, r := range o.call.Routes {
		hs = append(hs, wire.H("Route", r))
	}
	hs = append(hs,
		wire.H("From", o.call.From+";tag="+o.tag),
		wire.H("To", o.call.To),
		wire.H("Call-ID", o.call.CallID),
		wire.H("CSeq", strconv.FormatUint(uint64(o.seq), 10)+" INVITE"),
		wire.H("Contact", "<"+u.Contact(o.tag, o.call.Flow)+">"),
		wire.H("Allow", u.cfg.Allow),
		wire.H("Supported", supported),
		wire.H("Session-Expires", strconv.Itoa(o.call.Expires)),
	)
	if o.minSE != "" {
		hs = append(hs, wire.H("Min-SE", o.minSE))
	}
	hs = u.agent("User-Agent", hs)
	hs = append(append(append(hs, credentials...), o.call.Headers...), o.call.Content.Headers...)
	return wire.NewRequest("INVITE", o.call.URI, o.call.Content.Body, hs...)
}

// transmit sends the INVITE that was made last.
func (s *Session) transmit() {
	if s.phase != ringing {
		return // given up in the same moment
	}
	o := &s.outgoing
	seq := o.seq
	o.client = s.ua.cfg.Transactions.Send(o.request, o.call.Flow, func(_ *transaction.Client, res *sip.Response, err error) {
		s.strand.Do(func() { s.response(seq, res, err) })
	})
}

// response takes what the INVITE numbered seq brought.
func (s *Session) response(seq uint32, res *sip.Response, err error) {
	switch {
	case seq != s.outgoing.seq:
		return // of a try that was challenged
	case err != nil:
		s.failed(nil, err)
		return
	}
	if !s.outgoing.heard {
		s.outgoing.heard = true
		if s.on.Trying != nil && s.phase == ringing {
			s.on.Trying()
		}
	}
	switch {
	case res.StatusCode == sip.StatusTrying:
	case res.StatusCode < 200:
		s.provisional(res)
	case res.StatusCode < 300:
		s.success(res)
	case s.retries(res):
	default:
		s.failed(res, nil)
	}
}

// retries sends the INVITE again where a response asks for that and something
// is to be changed: credentials (RFC 3261 §22.2), or a longer session interval
// (RFC 4028 §7.3).
func (s *Session) retries(res *sip.Response) bool {
	o := &s.outgoing
	if o.given || o.retried >= maxRetries {
		return false
	}
	var credentials []sip.Header
	switch {
	case isChallenge(res.StatusCode) && o.call.Authorize != nil && (!o.proved || IsStale(res)):
		credentials = o.call.Authorize(res, "INVITE", wire.URIString(&o.call.URI))
		if credentials == nil {
			return false
		}
		o.proved = true
	case res.StatusCode == 422:
		least, err := strconv.Atoi(strings.TrimSpace(wire.Header(res, "Min-SE")))
		if err != nil || least <= o.call.Expires || least > maxExpires {
			return false
		}
		o.call.Expires, o.minSE = least, strconv.Itoa(least)
	default:
		return false
	}
	o.retried++
	s.forgetEarly()
	o.request = s.invite(credentials)
	s.transmit()
	return true
}

// forgetEarly drops the dialogs of a try that failed.
func (s *Session) forgetEarly() {
	for _, d := range s.dialogs {
		d.stop()
	}
	s.dialogs = nil
}

func isChallenge(status int) bool {
	return status == sip.StatusUnauthorized || status == sip.StatusProxyAuthRequired
}

// IsStale tells whether only the nonce of our credentials was too old
// (RFC 7616 §3.3). Without that they were wrong, and saying them again does not
// help.
func IsStale(res *sip.Response) bool {
	for _, name := range [...]string{"WWW-Authenticate", "Proxy-Authenticate"} {
		for value := range wire.All(res, name) {
			if strings.Contains(strings.ToLower(strings.ReplaceAll(value, `"`, "")), "stale=true") {
				return true
			}
		}
	}
	return false
}

// provisional takes 101 to 199 (RFC 3261 §13.2.2.1).
func (s *Session) provisional(res *sip.Response) {
	d, _ := s.dialogFor(res)
	if s.phase != ringing || d != nil && !d.inOrder(res) {
		return
	}
	if s.on.Progress != nil && !s.outgoing.given {
		s.on.Progress(d, res)
	}
}

// maxEarly bounds the phones that ring for one INVITE. Of further ones the owner
// hears as of those without a tag; they can answer nevertheless.
const maxEarly = 64

// dialogFor finds or makes the dialog of a response; nil when it has no To tag, or
// when there are too many that ring.
func (s *Session) dialogFor(res *sip.Response) (d *Dialog, isNew bool) {
	to, err := wire.ParseNameAddr(wire.Header(res, "To"))
	if err != nil {
		return nil, false
	}
	tag, _ := to.Param("tag")
	if tag == "" && res.StatusCode < 200 {
		return nil, false
	}
	i := slices.IndexFunc(s.dialogs, func(d *Dialog) bool { return d.remoteTag == tag })
	if i >= 0 {
		return s.dialogs[i], false
	}
	if len(s.dialogs) >= maxEarly && res.StatusCode < 200 {
		return nil, false
	}
	return s.dialogOfResponse(tag, res), true
}

// success takes each 2xx of each fork (RFC 3261 §13.2.2.4).
func (s *Session) success(res *sip.Response) {
	d, isNew := s.dialogFor(res)
	switch {
	case d == nil:
		return
	case d.ackSeq != 0 && d.ackSeq >= s.outgoing.seq:
		if d.ackSeq == s.outgoing.seq {
			d.acknowledgeAgain()
		}
		return
	}
	if !isNew {
		d.learn(res) // RFC 3261 §13.2.2.4: the route set of the 2xx counts
	}
	d.ackSeq = s.outgoing.seq
	if s.phase != ringing || s.outgoing.given {
		s.lateAnswer(d)
		return
	}
	s.phase, s.chosen = answered, d
	d.description = s.outgoing.call.Content
	d.startTimer(res)
	if s.on.Answered == nil {
		d.Ack(Content{})
		return
	}
	s.on.Answered(d, res)
}

// lateAnswer ends a dialog that nobody wants any more: of another fork, or after
// a CANCEL that came too late.
func (s *Session) lateAnswer(d *Dialog) {
	s.ua.metrics.late.Inc()
	d.Ack(Content{})
	d.bye("")
	if s.phase == ringing {
		s.failed(nil, ErrOver)
	}
}

// failed ends a call that nobody answered.
func (s *Session) failed(res *sip.Response, err error) {
	if s.phase != ringing {
		return
	}
	s.finish()
	if s.on.Failed != nil {
		s.on.Failed(res, err)
	}
}

// cancel gives a ringing call up (RFC 3261 §9.1). Where the peer has not
// answered at all, the end is told at once; what it still says is dealt with.
func (s *Session) cancel(reason string) {
	o := &s.outgoing
	if o.given {
		return
	}
	o.given, o.reason = true, reason
	if o.client != nil {
		o.client.Cancel(reason)
	}
	if !o.heard {
		s.failed(nil, errCancelled)
	}
}

var errCancelled = errors.New("dialog: given up before the peer said anything")

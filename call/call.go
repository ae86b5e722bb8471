package call

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/sip/proxy"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// call is one INVITE and the dialog that came of it. It is the watcher of the
// INVITE's fork (setup.go); the requests inside its dialogs are watched by
// [refresh] (indialog.go).
//
// Its methods take mu, and call the proxy only after they have given it back: the
// proxy calls them in turn.
type call struct {
	service   *Service
	callID    string
	cseq      uint32 // of the INVITE
	content   body   // of the INVITE
	anonymous bool   // the caller does not want to be known
	replaces  string // Call-ID of the call whose place this one takes (RFC 3891), "" for none
	timer     sessionTimer
	fork      proxy.Fork
	sameName  *call                // another one with the same Call-ID; behind Service.mu
	deadline  atomic.Int64         // when the session timer runs out, unix nanoseconds; 0: never
	heir      atomic.Pointer[call] // the other half of a click, once it has taken over
	patience  atomic.Int64         // when others are tried instead of those who ring; 0: never

	mu       sync.Mutex
	phase    phase
	caller   party
	session  Session   // nil before there was somebody to call
	branches []*branch // by the index of the proxy; nil for those that did not start
	early    *branch   // whose early media the caller hears
	answered *branch
	route    route
	stage    stage                       // that is tried now
	ways     map[string]*trunk.Route     // that targets stand for, by their Contact
	known    map[store.UserID]string     // addresses of users that were tried instead of the callee
	spent    []payer                     // who has a call outside because of this one
	half     half                        // of a call that the server places
	request  *server.Request             // the INVITE, nil when it was answered
	verdict  *server.Error               // for the caller when nobody could be tried
	retries  map[*registrar.Target]retry // of devices that are asked again, by the target that named them first
	ending   *ending                     // why it is being ended, when that is not the caller's or callee's doing
	record   store.CallRecord
}

type phase uint8

const (
	setup phase = iota
	talking
	over
)

// party is what a call knows of one of its sides: enough to speak to it in the
// name of the other.
type party struct {
	user    store.UserID
	flow    *transport.Flow
	name    string // its From or To, with tag
	tag     string
	contact string
	routes  []string // between us and it
	cseq    uint32   // the highest of its requests
	leg     Leg
}

// branch is one device or carrier that a call tries.
type branch struct {
	party
	target  *registrar.Target
	way     *trunk.Route // that target stands for, nil for a user's device
	rung    payer        // the user of the stage that it belongs to, nobody in a group
	kind    deviceKind
	manner  manner    // of our offer
	shift   uint32    // how far the CSeq of the caller's requests is ahead at the device, see retry.go
	x       exchange  // in the dialog with it
	speaks  string    // tag of the dialog that x is about, "" before a description
	told    [3][]byte // the last description that each side was sent, by side
	attempt int       // its index in the record, -1: it is not one
	failed  bool
	acked   bool // a 2xx that cannot be used was acknowledged and ended
	rivalry rivalry
}

// of returns the party at one side of the dialog with b.
func (c *call) of(b *branch, s side) *party {
	if s == caller {
		return &c.caller
	}
	return &b.party
}

// branchOf finds the branch whose device has that tag.
func (c *call) branchOf(tag string) *branch {
	for _, b := range c.branches {
		if b != nil && b.tag == tag {
			return b
		}
	}
	return nil
}

// ServeSIP takes an INVITE or a REFER outside of dialogs. An INVITE that describes
// no session that could be relayed is forwarded as it is.
func (s *Service) ServeSIP(r *server.Request) {
	if r.Method == sip.REFER {
		s.serveRefer(r)
		return
	}
	content, err := bodyOf(r.Request)
	if err == nil && content.foreign {
		s.cfg.Proxy.ServeSIP(r)
		return
	}
	if err == nil {
		err = s.refuseNow(&r.Recipient)
	}
	var timer sessionTimer
	if err == nil {
		timer, err = readTimer(r.Request, s.cfg.SessionExpires)
	}
	if err != nil {
		r.ReplyError(err)
		return
	}
	var c *call
	if k := s.clickOf(r); k != nil {
		c, err = k.newCall(r, content)
	} else {
		c = s.newCall(r, content, s.newRecord(r))
		c.route.stages[0].own, c.replaces = namesDevice(r), replaced(r)
		c.transferred(r)
	}
	if err == nil {
		c.timer = timer
		err = s.enter(c)
	}
	if err != nil {
		r.ReplyError(err)
		return
	}
	c.begin(r)
}

func (s *Service) newCall(r *server.Request, content body, record store.CallRecord) *call {
	return &call{
		service: s, callID: r.CallID, cseq: r.CSeq, content: content, anonymous: isAnonymous(r),
		route: routeTo(&r.Recipient),
		caller: party{
			user: r.Sender.User, flow: r.Flow, name: wire.Header(r.Request, "From"), tag: r.FromTag,
			contact: wire.Header(r.Request, "Contact"), routes: wire.Values(r.Request, "Record-Route"), cseq: r.CSeq,
		},
		record: record,
	}
}

// begin opens the record and starts with the first stage.
func (c *call) begin(r *server.Request) {
	s := c.service
	if c.half != talks {
		s.metrics.started.WithLabelValues(c.record.Direction).Inc()
	}
	s.cfg.Records.SaveCall(c.snapshot())
	fork, err := s.cfg.Proxy.Fork(r, c)
	if err != nil { // it was answered
		c.finish(ending{by: "server", status: err.Status, reason: wire.Reason(err.Status)})
		return
	}
	c.mu.Lock()
	c.fork, c.request = fork, r
	early := c.ending
	c.mu.Unlock()
	if early != nil {
		c.end(early)
		return
	}
	c.advance(outcome{})
}

// end tells the caller that a call which was not answered is over.
func (c *call) end(e *ending) {
	c.fork.End(&server.Error{Status: sip.StatusTemporarilyUnavailable, Warning: e.reason})
}

// caught is deferred where the store calls instead of the chain: a panic costs
// one call (DESIGN.md law 6).
func (c *call) caught() {
	if v := recover(); v != nil {
		c.service.log.Error("a call panicked", "panic", fmt.Sprint(v), "trace", c.record.TraceID, "stack", string(debug.Stack()))
		c.fork.End(&server.Error{Status: sip.StatusInternalServerError, Warning: "internal error, trace " + c.record.TraceID})
	}
}

// ending is why a call is over.
type ending struct {
	by     string // for the record
	status int    // of a call that was not answered; 0: 480
	cause  int    // Q.850; 0: that of status
	reason string // readable
}

// hangUp ends a call for both sides: the caller is told, what rings is
// cancelled, who talks gets a BYE. It returns false when it is over already.
func (c *call) hangUp(e ending) bool {
	c.mu.Lock()
	was, b := c.phase, c.answered
	if was == setup && c.ending == nil {
		c.ending = &e
	}
	begun := c.fork != proxy.Fork{}
	c.mu.Unlock()
	switch was {
	case setup:
		if !begun {
			return true // begin ends it
		}
		c.end(&e)
		c.mu.Lock()
		was, b = c.phase, c.answered
		c.mu.Unlock()
		if was != talking { // it is, when somebody answered in this moment
			return true
		}
	case over:
		return false
	}
	if !c.finish(e) {
		return false
	}
	c.mu.Lock()
	dialogs := []*branch{b, c.rival(b)}
	c.mu.Unlock()
	reason := reasonHeader(e.cause, e.reason)
	for _, b := range dialogs {
		if b != nil {
			c.originate("BYE", b, caller, reason)
			c.originate("BYE", b, callee, reason)
		}
	}
	return true
}

// originate sends a request inside the dialog with b to one of its sides, in the
// name of the other.
func (c *call) originate(method string, b *branch, to side, hs ...sip.Header) {
	c.mu.Lock()
	target, sender := *c.of(b, to), c.of(b, to.other())
	cseq := c.cseq // of an ACK, RFC 3261 §13.2.2.4
	if method != "ACK" {
		sender.cseq++
		cseq = sender.cseq
	}
	if to == callee {
		cseq += b.shift
	}
	name := sender.name
	c.mu.Unlock()
	contact, err := wire.ParseNameAddr(target.contact)
	if err != nil {
		return // it told no address: nothing can reach it
	}
	req := wire.NewRequest(method, contact.URI, nil, append([]sip.Header{
		wire.H("Max-Forwards", "70"), wire.H("From", name), wire.H("To", target.name),
		wire.H("Call-ID", c.callID), wire.H("CSeq", fmt.Sprint(cseq, " ", method)),
	}, hs...)...)
	c.service.cfg.Proxy.Originate(req, proxy.Peer{
		Flow: target.flow, User: target.user, Target: contact.URI, Routes: target.routes,
	}, nil)
}

// finish ends a call, once.
func (c *call) finish(e ending) bool {
	c.mu.Lock()
	if c.phase == over {
		c.mu.Unlock()
		return false
	}
	heir := c.heir.Load()
	if heir == nil {
		closeRecord(&c.record, e, time.Now())
	}
	talked := c.phase == talking
	c.phase, c.request = over, nil
	c.mu.Unlock()
	c.deadline.Store(0)
	// The relay takes its time to say what it measured. Whoever ends the call,
	// the goroutine of a flow, does not wait for it.
	s := c.service
	s.leave(c)
	s.running.Go(func() {
		defer c.caught()
		c.close(talked && heir == nil)
		if heir == nil { // otherwise that has the record, and the media
			s.metrics.finished(&c.record)
			s.cfg.Records.SaveCall(c.snapshot())
		}
		c.release()
	})
	return true
}

// release lets go of what no late response needs in a call that is over: the
// transactions hold it for half a minute, and a busy server thousands of them,
// which the garbage collector looks through again and again.
func (c *call) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.caller.leg, c.content = nil, nil, body{}
	c.route, c.stage = route{}, stage{}
	c.ways, c.known, c.retries = nil, nil, nil
	r := &c.record // it is in the store
	r.Caller, r.Callee, r.Dialled = store.CallParty{}, store.CallParty{}, ""
	r.Answered, r.Ended, r.Attempts, r.Quality = nil, nil, nil, nil
	for _, b := range c.branches {
		if b != nil {
			b.leg, b.target, b.told, b.rung = nil, nil, [3][]byte{}, payer{}
		}
	}
}

// close gives the media back, and takes from it how the call sounded.
func (c *call) close(measured bool) {
	c.mu.Lock()
	session, legs := c.session, c.legs()
	c.mu.Unlock()
	if session != nil {
		session.Close()
	}
	if !measured {
		return
	}
	quality := legs.quality() // takes until the relay comes by: not under mu
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record.Quality = quality
}

// silent ends a call of which one side is not heard. While it rings a caller may
// well say nothing to the early media that he hears: silence counts from the
// answer, which connects him once more.
func (c *call) silent() {
	c.mu.Lock()
	talks := c.phase == talking
	c.mu.Unlock()
	if talks {
		c.hangUp(ending{by: "media", cause: causeTimer, reason: "nothing was heard of one side"})
	}
}

// heard takes what the relay tells about the media of a call.
func (c *call) heard(e media.Event) {
	if heir := c.heir.Load(); heir != nil {
		c = heir
	}
	switch e.Kind {
	case media.EventSilent:
		go c.silent()
	case media.EventFailed:
		go c.hangUp(ending{by: "media", status: sip.StatusInternalServerError, cause: causeTemporary, reason: "the media failed: " + e.Text})
	case media.EventAttack:
		c.service.log.Warn("packets from elsewhere arrive at a call", "trace", c.record.TraceID,
			"call_id", c.callID, slog.String("what", e.Text))
	}
}

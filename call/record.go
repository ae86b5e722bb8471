package call

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/trunk"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Directions of a record.
const (
	internal = "internal"
	inward   = "in"
	outward  = "out"
	clicked  = "click"
)

// newRecord opens the record of an INVITE.
func (s *Service) newRecord(r *server.Request) store.CallRecord {
	rec := store.CallRecord{
		ID: s.cfg.Records.NewCallID(), CallID: r.CallID, TraceID: r.TraceID, Direction: internal,
		Dialled: wire.URIString(&r.Recipient), Started: time.Now(),
		Caller: store.CallParty{
			User: r.Sender.User, Address: r.Sender.AOR(), Shown: r.Sender.AOR(),
			Device: wire.Header(r.Request, "User-Agent"),
		},
	}
	if r.Trusted {
		if in, ok := s.border(r.CallID); ok {
			rec.Direction, rec.Dialled, rec.Number = inward, in.Dialled, in.Number
			rec.Caller = store.CallParty{Address: in.Caller, Shown: in.Caller, Trunk: in.Trunk}
		}
	}
	return rec
}

func (s *Service) border(callID string) (trunk.Inbound, bool) {
	if s.cfg.Border == nil {
		return trunk.Inbound{}, false
	}
	return s.cfg.Border.Inbound(callID)
}

// inbound is what the border knows of a call that came from a carrier.
func (s *Service) inbound(r *store.CallRecord) (trunk.Inbound, bool) {
	if r.Direction != inward {
		return trunk.Inbound{}, false
	}
	return s.border(r.CallID)
}

// carrierProfile is what holds for the media at a carrier's side.
func (s *Service) carrierProfile(f *transport.Flow, m trunk.Media) media.Profile {
	if m.Local.IsValid() { // f is that of the border's agent, in this process
		f = &transport.Flow{Local: netip.AddrPortFrom(m.Local, 0), Remote: netip.AddrPortFrom(m.Peer, 0)}
	}
	p := media.Profile{SRTP: media.Forbid, Secure: m.Secure, Local: s.local(f), Peer: f.Remote.Addr(), Networks: m.Networks}
	switch m.SRTP {
	case "prefer":
		p.SRTP = media.Prefer
	case "require":
		p.SRTP = media.Require
	}
	return p
}

// copyRecord is the record as it may be kept. c.mu is held.
func (c *call) copyRecord() *store.CallRecord {
	r := c.record
	r.Attempts = slices.Clone(r.Attempts)
	return &r
}

// snapshot is the record as it stands.
func (c *call) snapshot() *store.CallRecord {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.copyRecord()
}

// live is the record as it stands, with the quality so far; nil when the call is
// over.
func (c *call) live() *store.CallRecord {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == over {
		return nil
	}
	r := c.copyRecord()
	if c.phase == talking {
		r.Quality = c.legs().quality()
	}
	return r
}

// meant notes who was called. Where the call goes instead, that is told by the
// attempts, and by who answers. c.mu is held.
func (c *call) meant(found registrar.Resolved) {
	if found.User.ID == 0 {
		return // a device that was called by its own address
	}
	address := found.User.AOR()
	switch {
	case c.record.Callee.Address == "" && c.half != rings:
		c.record.Callee = store.CallParty{User: found.User.ID, Address: address, Shown: address}
	case c.record.Callee.User != found.User.ID:
		c.know(found.User.ID, address)
	}
}

// know notes the address of a user who is not, or no longer, the callee. c.mu is held.
func (c *call) know(u store.UserID, address string) {
	if c.known == nil {
		c.known = make(map[store.UserID]string)
	}
	c.known[u] = address
}

// addressOf is the address of a user who was tried. c.mu is held.
func (c *call) addressOf(u store.UserID) string {
	if u == c.record.Callee.User {
		return c.record.Callee.Address
	}
	return c.known[u]
}

// toCarrier notes that the call goes out. c.mu is held.
func (c *call) toCarrier(way *trunk.Route) {
	if c.record.Direction == internal {
		c.record.Direction = outward
	}
	if c.record.Direction != inward {
		c.record.Caller.Shown = way.Shown
	}
	c.record.Number = way.Number
	if c.record.Callee.User == 0 && !c.stage.payer.diverted() {
		c.record.Callee = calleeOutside(way)
	}
}

func calleeOutside(way *trunk.Route) store.CallParty {
	return store.CallParty{Address: way.Number, Shown: way.Number, Trunk: way.Trunk}
}

// diverted notes in the attempts that the call goes somewhere else. c.mu is held.
func (c *call) diverted(why, from string, to *sip.Uri) {
	now := time.Now()
	c.record.Attempts = append(c.record.Attempts, store.CallAttempt{
		Target: why + " of " + from + " to " + wire.URIString(to), Started: now, Ended: now,
		Status: statusForwarded, Cause: causeNormal, Reason: wire.Reason(statusForwarded),
	})
}

const statusForwarded = 181 // Call Is Being Forwarded

// rings notes the first sign of life. c.mu is held.
func (c *call) rings(status int) {
	if status > sip.StatusTrying {
		c.stage.rang = true
	}
	if c.record.Ringing != nil || status == sip.StatusTrying {
		return
	}
	now := time.Now()
	c.record.Ringing = &now
	c.service.metrics.began(c.record.Started, now)
}

// try notes that a device is called and returns the index of the attempt.
func (c *call) try(t *registrar.Target) int {
	c.record.Attempts = append(c.record.Attempts, store.CallAttempt{
		Target: "device " + wire.URIString(&t.Contact), Started: time.Now(),
	})
	return len(c.record.Attempts) - 1
}

// attemptEnded notes how an attempt ended. c.mu is held.
func (c *call) attemptEnded(b *branch, status int, reason string) {
	if b.attempt < 0 || c.phase == over {
		return
	}
	a := &c.record.Attempts[b.attempt]
	a.Ended, a.Status, a.Cause, a.Reason = time.Now(), status, causeOf(status), reason
}

// attempted notes what the border says of an attempt, when it begins and again
// when it ends.
func (c *call) attempted(a store.CallAttempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == over {
		return
	}
	if a.Cause == 0 && a.Status >= 300 { // the carrier has told none
		a.Cause = causeOf(a.Status)
	}
	for i := range c.record.Attempts {
		if old := &c.record.Attempts[i]; old.Target == a.Target && old.Started.Equal(a.Started) {
			*old = a
			return
		}
	}
	c.record.Attempts = append(c.record.Attempts, a)
}

// answeredBy notes who took the call. c.mu is held.
func (c *call) answeredBy(b *branch, res *sip.Response) {
	c.rings(res.StatusCode)
	if c.half == rings {
		c.record.Caller.Device = b.target.Device.UserAgent
		c.attemptEnded(b, res.StatusCode, res.Reason)
		return
	}
	now := time.Now()
	c.record.Answered, c.record.Status, c.record.Reason = &now, res.StatusCode, res.Reason
	c.takenBy(b, agentOf(res))
	c.attemptEnded(b, res.StatusCode, res.Reason)
}

// takenBy notes which device has the call, and its program. c.mu is held.
func (c *call) takenBy(b *branch, agent string) {
	was := c.record.Callee
	if b.way != nil {
		c.toCarrier(b.way)
		c.record.Callee = calleeOutside(b.way)
	} else if address := c.known[b.user]; b.user != was.User && address != "" {
		c.record.Callee = store.CallParty{User: b.user, Address: address, Shown: address}
	}
	if c.record.Callee.User != was.User && was.User != 0 { // his device may yet be the one that stays
		c.know(was.User, was.Address)
	}
	c.record.Callee.Device = agent
}

// agentOf is the program of a device that answers.
func agentOf(res *sip.Response) string {
	return cmp.Or(wire.Header(res, "User-Agent"), wire.Header(res, "Server"))
}

// closeRecord notes the end.
func closeRecord(r *store.CallRecord, e ending, now time.Time) {
	r.Ended, r.EndedBy, r.Reason, r.Cause = &now, e.by, e.reason, e.cause
	if r.Answered == nil {
		r.Status = cmp.Or(e.status, sip.StatusTemporarilyUnavailable)
	}
	if r.Cause == 0 {
		r.Cause = causeOf(r.Status)
	}
	for i := range r.Attempts { // of devices that ring until now
		if a := &r.Attempts[i]; a.Ended.IsZero() {
			a.Ended, a.Status, a.Cause, a.Reason = now, sip.StatusRequestTerminated, causeNormal, "cancelled"
		}
	}
}

// legs are the two that talk.
type legs struct{ caller, callee Leg }

// legs are those of a call that was answered, otherwise none. c.mu is held.
func (c *call) legs() legs {
	if c.caller.leg == nil || c.answered == nil {
		return legs{}
	}
	return legs{c.caller.leg, c.answered.leg}
}

// quality is what was measured on both legs.
func (l legs) quality() []store.CallQuality {
	if l.caller == nil {
		return nil
	}
	reports := l.caller.Report()
	list := make([]store.CallQuality, 0, 2*len(reports))
	list = appendQuality(list, caller, reports)
	return appendQuality(list, callee, l.callee.Report())
}

func appendQuality(list []store.CallQuality, s side, reports []media.StreamReport) []store.CallQuality {
	for i := range reports {
		r := &reports[i]
		q := store.CallQuality{
			Leg: s.String(), Kind: r.Kind, Codec: r.Codec, Security: r.Security,
			Received: r.PacketsReceived, Sent: r.PacketsSent, Lost: r.Lost, LostRemote: r.LostRemote,
			JitterMS: milliseconds(r.Jitter), RoundTripMS: milliseconds(r.RoundTrip), MOS: r.MOS,
		}
		for _, n := range r.Dropped {
			q.Dropped += n
		}
		list = append(list, q)
	}
	return list
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// tagOf is the tag of a From or To value, "" without one.
func tagOf(value string) string {
	_, params, ok := strings.Cut(value, ">")
	if !ok {
		params = value
	}
	for p := range strings.SplitSeq(params, ";") {
		if name, tag, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(name), "tag") {
			return strings.TrimSpace(tag)
		}
	}
	return ""
}

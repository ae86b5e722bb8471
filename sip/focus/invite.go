package focus

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// ringTime is how long a device may say that it rings: clients that know rooms
// answer by themselves.
const ringTime = 30 * time.Second

// invite makes the INVITE that brings a device into a room (RFC 4579 §5.4). The
// shard's lock is held; what it returns is called without it.
func (s *Service) invite(d *device, t *registrar.Target, g *group.Snapshot) (send func()) {
	r := &room{name: g.Name, RoomDevice: store.RoomDevice{Group: g.ID}}
	var hs []sip.Header
	if g.Kind == store.GroupPair {
		hs = append(hs, wire.H("One-To-One-Chat-Room", "true"))
	}
	if title := s.cfg.Groups.Title(g, d.user); title != "" {
		hs = append(hs, wire.H("Subject", title))
	}
	return s.inviteTo(d, t, r, hs)
}

// renew makes the INVITE for a device that has lost its dialog: only in one can it
// be told that it is out (RFC 3261 §15).
func (s *Service) renew(d *device, t *registrar.Target, left *room) (send func()) {
	r := &room{name: left.name, leaving: true, renewed: true, RoomDevice: store.RoomDevice{Group: left.Group}}
	return s.inviteTo(d, t, r, nil)
}

func (s *Service) inviteTo(d *device, t *registrar.Target, r *room, hs []sip.Header) (send func()) {
	r.User, r.Device = d.user, d.id
	r.CallID, r.LocalTag, r.LocalCSeq = wire.NewCallID()+"@"+s.cfg.Domain, newTag(d.user), 1
	req := s.request("INVITE", r, t, append(hs,
		wire.H("Contact", contactOf(s.uriOf(r))),
		wire.H("Record-Route", s.route(t.Flow)), // or the client asks DNS for the way back
		wire.H("Allow", allow),
	))
	d.tries++
	try, flow, routes := d.tries, t.Flow, t.Path
	var ringing *time.Timer // the transaction calls one at a time
	return func() {
		s.metrics.invites.Inc()
		s.cfg.Transactions.Send(req, flow, func(tx *transaction.Client, res *sip.Response, err error) {
			if res != nil && res.StatusCode < 200 {
				if ringing == nil {
					ringing = time.AfterFunc(ringTime, func() { tx.Cancel("") })
				}
				return
			}
			if ringing != nil {
				ringing.Stop()
			}
			if res != nil && res.StatusCode < 300 { // each of them, RFC 3261 §13.2.2.4
				s.acknowledge(r, res, flow, routes)
			}
			s.invited(d, try, r, res, err)
		})
	}
}

// invited is the end of an INVITE to a device.
func (s *Service) invited(d *device, try int, r *room, res *sip.Response, err error) {
	sh := s.devices.of(d.user)
	sh.mu.Lock()
	if d.tries != try || !d.sent {
		sh.mu.Unlock() // it comes too late, or once more
		return
	}
	s.over(d)
	verdict := judge(res, err)
	if verdict == accepted {
		r.RemoteTag = tagOf(wire.Header(res, "To"))
		if r.RemoteTag == "" { // nobody could be told BYE without one
			verdict = refused
		}
	}
	answered := s.settle(d, r, verdict)
	if verdict == away {
		s.rest(sh, d, true)
	} else {
		s.lineUp(d)
		sh.mu.Unlock()
	}
	s.metrics.invited(verdict)
	if answered {
		s.told(d.user, d.id)
	}
}

// settle notes what became of an INVITE, and tells whether the device's place is
// decided. The shard's lock is held.
func (s *Service) settle(d *device, r *room, v verdict) (decided bool) {
	switch {
	case v == accepted:
		_, member := s.memberOf(d.user)(r.Group)
		r.leaving = !member
		r.Since = time.Now()
		d.put(r)
		if member {
			s.arrived(r)
		}
		d.dirty = d.dirty || r.leaving
		s.cfg.Rooms.SaveRooms([]store.RoomDevice{r.RoomDevice}, nil)
		return member
	case r.leaving:
		if v != away { // it will hear nothing more of that room
			s.forget(d, r.Group)
		}
		return false
	}
	return d.failed(r.Group, v == refused).final
}

// forget ends a device's being in a room. The shard's lock is held.
func (s *Service) forget(d *device, g store.GroupID) {
	if r := d.rooms[g]; r != nil {
		delete(d.rooms, g)
		s.cfg.Rooms.SaveRooms(nil, []store.RoomDevice{r.RoomDevice})
	}
}

// bye makes the BYE for a device whose user is no member any more. The shard's lock
// is held; what it returns is called without it.
func (s *Service) bye(d *device, t *registrar.Target, r *room) (send func()) {
	r.LocalCSeq++
	s.cfg.Rooms.SaveRooms([]store.RoomDevice{r.RoomDevice}, nil)
	req := s.request("BYE", r, t, nil)
	d.tries++
	try, flow := d.tries, t.Flow
	return func() {
		s.metrics.byes.Inc()
		s.cfg.Transactions.Send(req, flow, func(_ *transaction.Client, res *sip.Response, err error) {
			if res == nil || res.StatusCode >= 200 {
				s.left(d, try, r, res, err)
			}
		})
	}
}

// left is the end of a BYE to a device.
func (s *Service) left(d *device, try int, r *room, res *sip.Response, err error) {
	sh := s.devices.of(d.user)
	sh.mu.Lock()
	if d.tries != try || !d.sent {
		sh.mu.Unlock()
		return
	}
	s.over(d)
	switch current := d.rooms[r.Group] == r; {
	case judge(res, err) == away:
		s.rest(sh, d, true)
		return
	case current && res != nil && res.StatusCode == 481 && !r.renewed:
		r.lost, d.dirty = true, true
	case current && res != nil:
		s.forget(d, r.Group)
	}
	s.lineUp(d)
	sh.mu.Unlock()
}

// verdict is what an answer means.
type verdict int8

const (
	accepted verdict = iota
	refused          // for good
	unable           // for now
	away             // nobody is there
)

// judge reads the end of a request.
func judge(res *sip.Response, err error) verdict {
	switch {
	case err == transaction.ErrOverload:
		return unable
	case err != nil, res.StatusCode == sip.StatusRequestTimeout:
		return away
	case res.StatusCode < 300:
		return accepted
	case res.StatusCode == 480, res.StatusCode == 487, res.StatusCode/100 == 5:
		return unable
	}
	return refused
}

// request makes a request in the dialog of a room, by the way of the moment. The
// device is addressed by its GRUU, also in To: by that clients find the room.
func (s *Service) request(method string, r *room, t *registrar.Target, more []sip.Header) *sip.Request {
	hs := wire.NewHeaders(16, 512)
	s.addVia(hs, t.Flow)
	hs.Add("Max-Forwards", "70")
	hs.Add("From", "<", s.uriOf(r), ">;tag=", r.LocalTag)
	if r.RemoteTag == "" {
		hs.Add("To", "<", t.GRUU, ">")
	} else {
		hs.Add("To", "<", t.GRUU, ">;tag=", r.RemoteTag)
	}
	hs.Add("Call-ID", r.CallID)
	hs.Add("CSeq", strconv.FormatUint(uint64(r.LocalCSeq), 10), " ", method)
	for _, p := range t.Path { // RFC 3327 §5.3
		hs.Add("Route", p)
	}
	uri, err := wire.ParseURI(t.GRUU)
	if err != nil {
		uri = t.Contact
	}
	return wire.NewRequest(method, uri, nil, append(hs.List(), more...)...)
}

// acknowledge sends the ACK to a 2xx (RFC 3261 §13.2.2.4).
func (s *Service) acknowledge(r *room, res *sip.Response, f *transport.Flow, routes []string) {
	contact, err := wire.ParseNameAddr(wire.Header(res, "Contact"))
	to := wire.Header(res, "To")
	if err != nil {
		contact, err = wire.ParseNameAddr(to)
	}
	if err != nil {
		return
	}
	hs := wire.NewHeaders(8, 384)
	s.addVia(hs, f)
	hs.Add("Max-Forwards", "70")
	hs.Add("From", "<", s.uriOf(r), ">;tag=", r.LocalTag)
	hs.Add("To", to)
	hs.Add("Call-ID", r.CallID)
	hs.Add("CSeq", "1 ACK")
	for _, p := range routes {
		hs.Add("Route", p)
	}
	_ = s.cfg.Transactions.SendACK(wire.NewRequest("ACK", contact.URI, nil, hs.List()...), f) // a broken flow shows elsewhere
}

func (s *Service) uriOf(r *room) string { return "sip:" + r.name + "@" + s.cfg.Domain }

// addVia adds our Via on a flow (RFC 3261 §18.1.1, RFC 3581 §3).
func (s *Service) addVia(hs *wire.Headers, f *transport.Flow) {
	rport := ""
	if f.Transport == transport.UDP {
		rport = ";rport"
	}
	host, port := s.cfg.Flows.Local(f)
	hs.Add("Via", "SIP/2.0/", f.Transport, " ", net.JoinHostPort(host, strconv.Itoa(port)), rport, ";branch=", wire.NewBranch())
}

// tagOf reads the tag of a From or To.
func tagOf(value string) string {
	a, err := wire.ParseNameAddr(value)
	if err != nil {
		return ""
	}
	tag, _ := a.Param("tag")
	return strings.Clone(tag)
}

package focus

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// inDialog takes a request in the dialog of a device and a room.
func (s *Service) inDialog(r *server.Request) error {
	g, ok := s.groupOf(&r.Recipient)
	if !ok {
		return &server.Error{Status: 404}
	}
	d, err := s.dialog(r, g.ID)
	if err != nil {
		return err
	}
	if r.Method == sip.BYE {
		s.leave(r, d, g)
		return nil
	}
	if _, member := g.Member(r.Sender.User); !member {
		return &server.Error{Status: 481}
	}
	switch r.Method {
	case sip.INVITE:
		return s.reinvite(r, g)
	case sip.REFER:
		return s.refer(r, g)
	case sip.OPTIONS:
		r.Reply(200, "", s.abilities(g.URI())...)
		return nil
	case sip.UPDATE, sip.INFO: // they keep the dialog alive
		r.Reply(200, "", wire.H("Contact", contactOf(g.URI())), wire.H("Allow", allow))
		return nil
	case sip.PRACK, sip.NOTIFY: // RFC 3262 §3, RFC 6665 §4.1.3: to nothing of ours
		return &server.Error{Status: 481}
	}
	return notAllowed()
}

// dialog finds the device of the sender that is in a room by this dialog. Its
// sequence number moves on.
func (s *Service) dialog(r *server.Request, g store.GroupID) (*device, error) {
	sh := s.devices.of(r.Sender.User)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	d := sh.inDialog(r.Sender.User, g, r)
	if d == nil {
		return nil, &server.Error{Status: 481}
	}
	in := d.rooms[g]
	if r.CSeq <= in.RemoteCSeq { // RFC 3261 §12.2.2
		return nil, &server.Error{Status: 500, Warning: "the request is older than one that was answered"}
	}
	in.RemoteCSeq = r.CSeq
	return d, nil
}

// inDialog finds the device of a user that is in a room by the dialog of a request,
// nil when none is. The lock is held.
func (sh *shard) inDialog(u store.UserID, g store.GroupID, r *server.Request) *device {
	for _, d := range sh.users[u] {
		in := d.rooms[g]
		if in != nil && in.CallID == r.CallID && in.LocalTag == r.ToTag && in.RemoteTag == r.FromTag {
			return d
		}
	}
	return nil
}

// newTag makes our tag of a dialog with a device of a user, from which he is known.
func newTag(u store.UserID) string { return wire.NewTag() + "." + strconv.FormatInt(int64(u), 36) }

// Knows implements server.Focus: the tags of a dialog are secrets of its two ends,
// and the flow is the one by which the device has registered.
func (s *Service) Knows(r *server.Request) (auth.Identity, bool) {
	_, name, _ := strings.Cut(r.ToTag, ".")
	number, err := strconv.ParseInt(name, 36, 64)
	g, ok := s.groupOf(&r.Recipient)
	if err != nil || !ok {
		return auth.Identity{}, false
	}
	u := store.UserID(number)
	targets := s.cfg.Locations.Lookup(u)
	sh := s.devices.of(u)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	d := sh.inDialog(u, g.ID, r)
	if d == nil || !slices.ContainsFunc(targets, func(t registrar.Target) bool {
		return t.Device.ID == d.id && t.Flow != nil && t.Flow.ID == r.Flow.ID
	}) {
		return auth.Identity{}, false
	}
	return auth.Identity{User: u, Username: r.From.URI.User, Domain: s.cfg.Domain}, true
}

// reinvite renames the group where the INVITE in a dialog has a Subject.
func (s *Service) reinvite(r *server.Request, g *group.Snapshot) error {
	if err := checkOffer(r); err != nil {
		return err
	}
	if err := s.rename(r, g); err != nil {
		return err
	}
	s.agree(r, g, r.ToTag)
	return nil
}

// leave takes a BYE: the user leaves the group with all his devices. Where he may
// not, as in a fixed group, only this dialog ends, which it does whatever we answer
// (RFC 3261 §15.1.1), and the device is invited again. A refusal would not make it
// stay: Linphone waits for a 200, and says BYE to whatever invites it meanwhile.
func (s *Service) leave(r *server.Request, d *device, g *group.Snapshot) {
	sh := s.devices.of(d.user)
	sh.mu.Lock()
	d.holds++
	stayed := time.Since(d.rooms[g.ID].Since)
	s.forget(d, g.ID)
	sh.mu.Unlock()
	defer s.release(d)
	var err error
	if _, member := g.Member(d.user); member {
		err = s.change(r, g, group.Remove{Users: []store.UserID{d.user}})
	}
	if err != nil {
		sh.mu.Lock()
		if t := d.failed(g.ID, stayed < shortStay); !t.final {
			time.AfterFunc(returnAfter, func() { s.retry(d, g.ID) })
		}
		sh.mu.Unlock()
	}
	if err != nil && !isDenied(err) {
		s.refuse(r, err)
		return
	}
	r.Reply(200, "")
}

// A device that has left a room where it must be is invited again after returnAfter:
// sooner it would refuse. One that leaves within shortStay does not want the room: it
// gets texts until it registers anew.
const (
	returnAfter = 5 * time.Second
	shortStay   = time.Minute
)

// retry invites a device again that is in trouble with a group.
func (s *Service) retry(d *device, g store.GroupID) {
	sh := s.devices.of(d.user)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if t := d.trouble[g]; t != nil && t.pause {
		t.pause, d.dirty = false, true
		s.lineUp(d)
	}
}

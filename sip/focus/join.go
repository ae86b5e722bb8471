package focus

import (
	"context"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// storeTimeout bounds how long a request waits for others who change its group.
const storeTimeout = 15 * time.Second

// create makes a group of an INVITE to the factory (RFC 4579 §5.4, RFC 5366 §4). The
// device that asked is in its room by that. Asked again with the same Call-ID, it
// gets the same group.
func (s *Service) create(r *server.Request) error {
	if err := checkOffer(r); err != nil {
		return err
	}
	t, err := s.deviceOf(r)
	if err != nil {
		return err
	}
	d := s.hold(t)
	defer s.release(d)
	if g := s.madeBy(d, r.CallID); g != nil {
		s.enter(r, d, g)
		return nil
	}
	wanted := store.Group{Subject: wire.Header(r.Request, "Subject")}
	if strings.EqualFold(wire.Header(r.Request, "One-To-One-Chat-Room"), "true") {
		wanted.Kind, wanted.Subject = store.GroupPair, ""
	}
	members, err := s.firstMembers(r, wanted.Kind)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	g, err := s.cfg.Groups.Create(ctx, group.Actor{User: r.Sender.User}, wanted, members)
	if err != nil {
		return err
	}
	s.log.Info("group made", "trace", r.TraceID, "group", g.ID, "name", g.Name, "by", r.Sender.User, "members", g.Size())
	s.enter(r, d, g)
	return nil
}

// firstMembers are whom the list of a new group names.
func (s *Service) firstMembers(r *server.Request, kind store.GroupKind) ([]store.UserID, error) {
	uris, err := s.listOf(r)
	if err != nil {
		return nil, err
	}
	members, err := s.usersOf(uris, r.Sender.User)
	switch {
	case err != nil:
		return nil, err
	case len(members) == 0:
		return nil, &server.Error{Status: 488, Warning: "a group needs somebody else in it: nobody on the list is a user of this server"}
	case kind == store.GroupPair && len(members) != 1:
		return nil, &server.Error{Status: 488, Warning: "a room of two needs exactly one other person"}
	}
	return members, nil
}

// madeBy finds the group whose room a device entered by an INVITE with a Call-ID.
func (s *Service) madeBy(d *device, callID string) *group.Snapshot {
	sh := s.devices.of(d.user)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for id, r := range d.rooms {
		if r.CallID == callID {
			if g, ok := s.memberOf(d.user)(id); ok {
				return g
			}
		}
	}
	return nil
}

// join takes an INVITE of a member to his group: his device has lost its dialog,
// or comes by itself. What it wants besides is done first.
func (s *Service) join(r *server.Request, g *group.Snapshot) error {
	if err := checkOffer(r); err != nil {
		return err
	}
	t, err := s.deviceOf(r)
	if err != nil {
		return err
	}
	d := s.hold(t)
	defer s.release(d)
	uris, err := s.listOf(r)
	if err != nil {
		return err
	}
	people, err := s.usersOf(uris, r.Sender.User)
	if err != nil {
		return err
	}
	if len(people) > 0 {
		if err := s.change(r, g, group.Add{Users: people}); err != nil {
			return err
		}
	}
	// Clients say the name that they know, also those who may not change it.
	if err := s.rename(r, g); err != nil && !isDenied(err) {
		return err
	}
	s.enter(r, d, g)
	return nil
}

// rename gives the group the name that an INVITE brings, if it does.
func (s *Service) rename(r *server.Request, g *group.Snapshot) error {
	subject := strings.TrimSpace(wire.Header(r.Request, "Subject"))
	if subject == "" || g.Kind == store.GroupPair || subject == s.cfg.Groups.Title(g, r.Sender.User) {
		return nil
	}
	return s.change(r, g, group.Rename{Subject: subject})
}

// change does what the sender of a request wants of his group.
func (s *Service) change(r *server.Request, g *group.Snapshot, changes ...group.Change) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	now, err := s.cfg.Groups.Change(ctx, group.Actor{User: r.Sender.User}, g.ID, changes...)
	if err != nil {
		return err
	}
	s.log.Info("group changed", "trace", r.TraceID, "group", g.ID, "by", r.Sender.User, "version", now.Version)
	return nil
}

// enter answers an INVITE of a device with 200, by which it is in the room.
func (s *Service) enter(r *server.Request, d *device, g *group.Snapshot) {
	in := &room{name: g.Name, RoomDevice: store.RoomDevice{
		Group: g.ID, User: d.user, Device: d.id, Since: time.Now(),
		CallID: strings.Clone(r.CallID), LocalTag: newTag(d.user), RemoteTag: strings.Clone(r.FromTag), RemoteCSeq: r.CSeq,
	}}
	sh := s.devices.of(d.user)
	sh.mu.Lock()
	if _, member := s.memberOf(d.user)(g.ID); !member { // taken out in this moment
		in.leaving, d.dirty = true, true
	}
	if was := d.rooms[g.ID]; !in.leaving && (was == nil || was.leaving) {
		s.arrived(in)
	}
	d.put(in)
	sh.mu.Unlock()
	s.cfg.Rooms.SaveRooms([]store.RoomDevice{in.RoomDevice}, nil)
	s.agree(r, g, in.LocalTag)
	s.told(d.user, d.id)
}

// deviceOf finds the device that sent a request: by its flow, else by the GRUU in
// its Contact.
func (s *Service) deviceOf(r *server.Request) (*registrar.Target, error) {
	targets := s.cfg.Locations.Lookup(r.Sender.User)
	instance := ""
	if contact, err := wire.ParseNameAddr(wire.Header(r.Request, "Contact")); err == nil {
		instance, _ = wire.URIParam(&contact.URI, "gr")
	}
	var own *registrar.Target
	for i := range targets {
		t := &targets[i]
		switch {
		case instance != "" && t.Instance == instance:
			own = t
		case own == nil && t.Flow != nil && t.Flow.ID == r.Flow.ID:
			own = t
		}
	}
	if own == nil || own.GRUU == "" || !capable(&own.Device) {
		return nil, &server.Error{Status: 403, Warning: "groups are made and entered by clients that know rooms and have registered with a GRUU (+sip.instance, +org.linphone.specs groupchat)"}
	}
	return own, nil
}

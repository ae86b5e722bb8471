package chat

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/focus"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// room is a group as its deliveries need it.
type room struct {
	id       store.GroupID
	uri      string
	subject  string // "" when each member sees another name
	size     int
	snapshot *group.Snapshot // nil when the group is no more, or not for whom it is delivered to
}

func roomOf(g *group.Snapshot) *room {
	return &room{id: g.ID, uri: g.URI(), subject: g.Subject, size: g.Size(), snapshot: g}
}

// findRoom finds a group by its number, as one of its members sees it; or as he saw
// it last, for he is still owed what was written while he was in it. Of what became
// of the group and its people since then he learns nothing.
func (s *Service) findRoom(ctx context.Context, id store.GroupID, viewer store.UserID) (*room, error) {
	if s.cfg.Groups != nil {
		if g, ok := s.cfg.Groups.ByID(id); ok && wasIn(g, viewer) {
			return roomOf(g), nil
		}
	}
	g, members, err := s.cfg.Archive.Group(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	subject, err := group.LastSubject(ctx, s.cfg.Archive, id, viewer)
	if err != nil {
		return nil, err
	}
	return &room{id: id, uri: "sip:" + g.AOR(), subject: subject, size: len(members)}, nil
}

// called is how a member is called in the group; to who is no longer in it, by his
// own name.
func (r *room) called(u *store.User) string {
	nickname := ""
	if r.snapshot != nil {
		m, _ := r.snapshot.Member(u.ID)
		nickname = m.Nickname
	}
	return cmp.Or(nickname, u.DisplayName, u.Username)
}

// standing is what a device is to a group. What is owed from a group that its user
// has left does not wait for him to come back.
func (s *Service) standing(g store.GroupID, d *store.Device) focus.Standing {
	if s.cfg.Rooms == nil {
		return focus.Outside
	}
	is := s.cfg.Rooms.Standing(g, d)
	if is == focus.Joining {
		if now, ok := s.cfg.Groups.ByID(g); !ok || !wasIn(now, d.User) {
			return focus.Outside
		}
	}
	return is
}

// formKind is what kinds of devices get of a message of a group.
type formKind int8

const (
	toInside     formKind = iota // CPIM, in the room
	toInsideOwn                  // of the sender's other devices
	toOutside                    // text
	toOutsideOwn                 // as above
	formKinds
)

// roomForm is how a device gets the message of a group that is under way, or a
// receipt for one; nil when it must wait until it is known whether the device is
// in the room.
func (s *Service) roomForm(d *device, t *registrar.Target, own bool) *rendering {
	a := &d.attempt
	standing := s.standing(a.room.id, &t.Device)
	inside := standing == focus.Inside && !a.text && !d.poison.suspects(a.msg.GID) &&
		(d.learned == nil || d.learned.shows(cpimType))
	switch {
	case standing == focus.Joining && !d.impatient.Load():
		return nil
	case a.msg.Kind == store.KindNotice && (standing == focus.Inside || showsRooms(&t.Device)):
		return &rendering{name: skipRoster, skip: true}
	case a.msg.Kind == store.KindReceipt && (!inside || a.room.size > s.cfg.Receipts):
		return &rendering{name: skipReceipt, skip: true}
	}
	kind := toOutside
	if inside {
		kind = toInside
	}
	if own {
		kind++
	}
	return s.shape(a.item, kind)
}

// showsRooms tells whether a device shows rooms, in one or not. It learns from the
// focus who comes and goes; the last notice of a room that it has left would open
// another one, with the group as its only member.
func showsRooms(d *store.Device) bool { return strings.Contains(d.Specs, "groupchat") }

// shape makes a form of a message once for all devices of a kind. What was sent
// compressed is made anew for each: forms that are kept could be 200 times what
// the queues count of the message.
func (s *Service) shape(it *item, kind formKind) *rendering {
	if f := it.forms[kind].Load(); f != nil {
		return f
	}
	f := s.words.roomForm(it, kind)
	if !f.skip {
		f.room = s.addressOf(it, f, kind)
	}
	if it.msg.Encoding == "" || f.name == asOriginal {
		it.forms[kind].Store(f)
	}
	return f
}

// roomForm renders a message of a group.
func (w *words) roomForm(it *item, kind formKind) *rendering {
	m := it.msg
	c, err := openContent(m.ContentType, m.Encoding, m.Body)
	inside := kind == toInside || kind == toInsideOwn
	switch {
	case err != nil: // it was checked when it was accepted; an import may differ
		return &rendering{name: asOriginal, contentType: m.ContentType, encoding: m.Encoding, body: m.Body}
	case inside && !c.fitsRoom():
		return wrapped(it, &c)
	case inside:
		return asItIs(m, ability{linphone: true}, &c)
	case m.Kind == store.KindNotice:
		return plainText(asText, "", w.noticeText(&c), &c)
	case kind == toOutsideOwn:
		return plainText(asCopy, "", w.groupText(&c, "", true), &c)
	}
	return plainText(asText, "", w.groupText(&c, it.room.called(it.from), false), &c)
}

// fitsRoom tells whether c is CPIM with all that Linphone refuses to do without.
func (c *content) fitsRoom() bool {
	return c.cpim != nil && c.typ != "" && c.cpim.header("From") != "" && c.cpim.header("To") != ""
}

// wrapped puts what was written without CPIM into it, as devices in rooms want
// everything: it tells who wrote it, when, and by which name it is confirmed.
// Only reading is asked for: it is what moves the position of the reader.
func wrapped(it *item, c *content) *rendering {
	at := it.msg.At.UTC()
	w := cpim{
		headers: []field{
			{"From", wire.QuoteString(it.room.called(it.from)) + "<sip:" + wire.EscapeUser(it.from.Username) + "@" + it.from.Domain + ">"}, // RFC 3862 §4.1: no blank after a string
			{"To", "<" + it.room.uri + ">"},
		},
		content: []field{{"Content-Type", c.typ}},
		body:    c.body,
	}
	if at.Month() != time.January { // see january
		w.headers = append(w.headers, field{"DateTime", at.Format(time.RFC3339)})
	}
	if it.msg.MessageID != "" {
		w.headers = append(w.headers, field{"NS", "imdn <" + nsIMDN + ">"},
			field{"imdn.Message-ID", it.msg.MessageID}, field{"imdn.Disposition-Notification", "display"})
	}
	switch {
	case c.typ == plainType || c.typ == "":
		w.content[0].value = "text/plain; charset=utf-8"
		w.body = []byte(c.plain())
	case c.cpim != nil:
		w.content = c.cpim.content
	case it.msg.ContentType != "":
		w.content[0].value = it.msg.ContentType
	}
	return &rendering{name: asWrapped, contentType: cpimType, body: w.bytes()}
}

// address is what the requests with one form of a message of a group have in
// common.
type address struct {
	inside  bool
	from    string       // without its tag; "" when each member sees another name
	uri     string       // of the group
	headers []sip.Header // all that do not name the device
}

// addressOf works out the headers around a form of a message. They come from the
// group; an identity is not asserted, for whoever files messages by it would file
// them with the writer. The Call-ID is of our making, the same for each attempt.
func (s *Service) addressOf(it *item, f *rendering, kind formKind) *address {
	a := &address{inside: kind == toInside || kind == toInsideOwn, uri: it.room.uri}
	switch {
	case a.inside:
		a.from = "<" + a.uri + ">"
	case it.room.subject != "":
		a.from = wire.QuoteString(it.room.subject) + " <" + a.uri + ">"
	}
	hs := wire.NewHeaders(12, 256)
	hs.Add("Max-Forwards", "70")
	if it.msg.GID != 0 {
		hs.Add("Call-ID", store.GIDString(it.msg.GID), "@", s.cfg.Domain)
		hs.Add(IDHeader, store.GIDString(it.msg.GID))
	} else {
		hs.Add("Call-ID", newMessageID())
	}
	hs.Add("CSeq", "1 MESSAGE")
	hs.Add("Date", it.msg.At.UTC().Format(sipDate))
	addKept(hs, it.msg.Headers, f, "Reply-To", "In-Reply-To", "X-fs-message-type") // they would lead out of the group
	if a.inside {
		hs.Add("Session-mode", "true")
	}
	if kind == toInsideOwn {
		hs.Add("X-fs-message-type", "chat-service")
	}
	hs.Add("Content-Type", f.contentType)
	if f.encoding != "" {
		hs.Add("Content-Encoding", f.encoding)
	}
	a.headers = hs.List()
	return a
}

// outOfRoom builds the MESSAGE of a group for one device. A room is known to
// Linphone by the group and by its own GRUU.
func (s *Service) outOfRoom(it *item, how *rendering, t *registrar.Target) *sip.Request {
	from, to := how.room.from, t.AOR
	if from == "" {
		from = s.titled(it.room, t.User)
	}
	if how.room.inside && t.GRUU != "" {
		to = t.GRUU
	}
	hs := wire.NewHeaders(4, 320)
	s.addVia(hs, t.Flow)
	hs.Add("From", from, ";tag=", wire.NewTag())
	hs.Add("To", "<", to, ">")
	for _, p := range t.Path { // RFC 3327 §5.3
		hs.Add("Route", p)
	}
	return wire.NewRequest("MESSAGE", t.Contact, how.body, hs.List(how.room.headers...)...)
}

// titled is the From of a group that each member sees under another name. Who is no
// longer in it sees its address.
func (s *Service) titled(r *room, viewer store.UserID) string {
	if r.snapshot == nil {
		return "<" + r.uri + ">"
	}
	return wire.QuoteString(s.cfg.Groups.Title(r.snapshot, viewer)) + " <" + r.uri + ">"
}

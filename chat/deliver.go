package chat

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/store"
)

// act does what the queue of d has decided, until something is under way.
func (s *Service) act(d *device, what action) {
	if what == actSend {
		s.actWith(d, what, s.cfg.Locations.Lookup(d.user))
	} else if what != actNothing {
		s.actWith(d, what, nil)
	}
}

// actWith is act for who has just looked up the user's targets.
func (s *Service) actWith(d *device, what action, targets []registrar.Target) {
	for what == actSend {
		o, underWay := s.try(d, targets)
		if underWay {
			return
		}
		if what = d.settle(o); o != settled {
			targets = s.cfg.Locations.Lookup(d.user) // it came back meanwhile
		}
	}
	switch what {
	case actDrain:
		s.drains.add(d)
	case actWait:
		s.metrics.retries.Inc()
		d.pauseThen(func() { s.act(d, d.retry()) })
	case actHold:
		d.pauseThen(func() { s.act(d, d.tired()) })
	}
}

// try sends the head of the queue over the next flow of the device. When
// nothing is under way afterwards it tells what became of it.
func (s *Service) try(d *device, targets []registrar.Target) (o outcome, underWay bool) {
	a := &d.attempt
	target := nextTarget(targets, d.id, a.tried)
	switch {
	case target == nil && reachableTarget(targets, d.id) == nil:
		return away, false
	case target == nil: // every flow failed
		return later, false
	}
	own := a.copyFor(d.user)
	a.how = s.form(d, target, own)
	switch {
	case a.how == nil:
		return held, false
	case a.how.skip:
		s.record(d, 0)
		s.metrics.skipped.Inc()
		return settled, false
	}
	req := s.outgoing(a.item, a.how, target, own)
	n := d.sending(target.Flow.ID)
	s.cfg.Transactions.Send(req, target.Flow, func(_ *transaction.Client, res *sip.Response, err error) {
		if res == nil || res.StatusCode >= 200 {
			s.answered(d, n, res, err)
		}
	})
	return 0, true
}

// nextTarget is the best flow of the device that was not tried (RFC 5626 §5.3:
// a device may keep several).
func nextTarget(targets []registrar.Target, id store.DeviceID, tried []uint64) *registrar.Target {
	for i := range targets {
		t := &targets[i]
		if t.Device.ID == id && t.Flow != nil && !slices.Contains(tried, t.Flow.ID) {
			return t
		}
	}
	return nil
}

// form is how the device gets the message under way; nil when it must wait for a
// room.
func (s *Service) form(d *device, t *registrar.Target, own bool) *rendering {
	a := &d.attempt
	switch {
	case a.written(d.user, d.id), own && s.cfg.OwnDevices != "thread":
		return &rendering{name: skipOwn, skip: true}
	case expired(a.msg, time.Now()):
		return &rendering{name: skipExpired, skip: true}
	case a.room != nil:
		return s.roomForm(d, t, own)
	}
	can := abilityOf(&t.Device)
	if d.learned != nil {
		can = *d.learned
	}
	return s.words.render(a.msg, can, own, a.text || d.poison.suspects(a.msg.GID))
}

// leastExpires is the time in which a message with Expires: 0 reaches the
// devices that are there.
const leastExpires = 10 * time.Second

// expired applies the sender's Expires (RFC 3428 §5), in seconds from the
// commit.
func expired(m *store.Message, now time.Time) bool {
	v, ok := keptHeader(m.Headers, "Expires")
	if !ok {
		return false
	}
	seconds, err := strconv.ParseInt(v, 10, 32)
	return err == nil && now.After(m.At.Add(max(leastExpires, time.Duration(seconds)*time.Second)))
}

// keptHeader finds a header among the lines kept with a message.
func keptHeader(lines, name string) (string, bool) {
	if lines == "" {
		return "", false
	}
	for line := range strings.SplitSeq(lines, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

// answered is the end of request n to a device.
func (s *Service) answered(d *device, n int, res *sip.Response, err error) {
	flow, ok := d.answer(n)
	if !ok {
		return
	}
	a := &d.attempt
	status, v := 0, flowBroken // also Timer F: nobody is there
	switch {
	case errors.Is(err, transaction.ErrOverload):
		v = retryLater
	case err == nil:
		status = res.StatusCode
		v = judge(status)
	}
	if status >= 500 || errors.Is(err, transaction.ErrTransport) {
		if d.poison.count(a.msg.GID); d.poison.enough() {
			v = never // it would stop everything behind it for ever
		}
	}
	switch {
	case v == took:
		s.tookIt(d, status)
		s.act(d, d.settle(settled))
	case v == flowBroken:
		a.tried = append(a.tried, flow)
		s.act(d, actSend)
	case v == unreadable && !a.text && a.how.original():
		s.learn(d, status, res)
		a.text = true
		s.act(d, actSend)
	case v == retryLater:
		s.act(d, d.settle(later))
	default:
		s.gaveUp(d, status)
		s.act(d, d.settle(settled))
	}
}

// tookIt records a delivery. When a text device took the rendering of a CPIM
// message whose sender asked for it, we tell him in the device's place.
func (s *Service) tookIt(d *device, status int) {
	a := &d.attempt
	s.record(d, status)
	s.metrics.delivered.Inc()
	s.metrics.delivery.Observe(time.Since(a.msg.At).Seconds())
	if a.how.name == asText && a.how.positive {
		s.notify(a.item, d, "delivered")
	}
}

// gaveUp records that the device will never show the message. Its sender is
// told when he asked for it and no other device is left to show it.
func (s *Service) gaveUp(d *device, status int) {
	a := &d.attempt
	s.record(d, status)
	s.metrics.failed.Inc()
	s.log.Info("device refused a message", "gid", store.GIDString(a.msg.GID), "trace", a.msg.TraceID,
		"device", d.id, "status", status, "rendering", a.how.name)
	only := true
	for _, t := range s.cfg.Locations.Lookup(d.user) {
		only = only && t.Device.ID == d.id
	}
	if a.how.negative && a.msg.From != d.user && only {
		s.notify(a.item, d, "failed")
	}
}

// record moves the device's cursor and keeps the trace.
func (s *Service) record(d *device, status int) {
	a := &d.attempt
	s.cfg.Archive.Delivered(a.msg.Conversation, a.msg.Seq, store.Delivery{
		GID: a.msg.GID, Device: d.id, Status: status, Rendering: a.how.name, At: time.Now(),
	})
}

// learn remembers what a device said of itself by refusing a type. 488 speaks
// of one message only.
func (s *Service) learn(d *device, status int, res *sip.Response) {
	if status != 415 && status != 406 {
		return
	}
	can := refusing(acceptOf(res))
	if typ, _ := mediaType(d.attempt.how.contentType); can.shows(typ) {
		return // it refused something inside
	}
	d.learned = &can
}

// notify archives and delivers a receipt in the name of a device. Its dedup key
// is the message's, and in a group the member's too: one receipt, however many
// devices, however often.
func (s *Service) notify(about *item, d *device, status string) {
	to := about.to
	if about.room != nil {
		if to = s.memberOf(d.user); to == nil || !s.confirms(about.room, d.user, about.msg.From) {
			return
		}
	}
	c, err := openContent(about.msg.ContentType, about.msg.Encoding, about.msg.Body)
	if err != nil || c.messageID() == "" {
		return
	}
	r := receipt{MessageID: c.messageID(), About: aboutDelivery, Status: status, At: time.Now()}
	id := newMessageID()
	name := "receipt\x00" + strconv.FormatInt(about.msg.GID, 16) + "\x00" + status
	m := &store.Message{NewMessage: store.NewMessage{
		Kind:        store.KindReceipt,
		From:        to.ID,
		To:          about.msg.From,
		Group:       about.msg.Group,
		FromDevice:  d.id,
		Dedup:       dedupKey([]byte(name)), // a key counts for one sender
		CallID:      id + "@" + s.cfg.Domain,
		MessageID:   id,
		ContentType: cpimType,
		Body:        r.wrap("sip:"+to.AOR(), about.returnAddress(), id),
		TraceID:     about.msg.TraceID,
		Source:      "sparkle",
	}}
	it := &item{msg: m, from: to, to: about.from, room: about.room}
	s.keep(it, s.located(*to), s.located(*about.from), time.Now(), func(_ store.Accepted, err error) {
		if err != nil {
			s.log.Warn("receipt not kept", "gid", store.GIDString(about.msg.GID), "err", err)
		}
	})
}

// confirms tells whether a writer in a group learns that a reader was given what he
// wrote: while it is small, and both are in it.
func (s *Service) confirms(r *room, reader, writer store.UserID) bool {
	g, ok := s.cfg.Groups.ByID(r.id)
	return ok && g.Size() <= s.cfg.Receipts && wasIn(g, reader) && wasIn(g, writer)
}

// memberOf names a user by his registrations; nil when he has none any more.
func (s *Service) memberOf(u store.UserID) *store.User {
	for _, t := range s.cfg.Locations.Lookup(u) {
		if name, domain, ok := strings.Cut(strings.TrimPrefix(t.AOR, "sip:"), "@"); ok {
			return &store.User{ID: u, Username: name, Domain: domain}
		}
	}
	return nil
}

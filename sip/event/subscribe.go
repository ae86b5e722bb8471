package event

import (
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// ServeSIP takes a SUBSCRIBE.
func (n *Notifier) ServeSIP(r *server.Request) {
	w, err := n.wish(r.Request)
	if err == nil {
		if r.ToTag == "" {
			err = n.begin(r, w)
		} else {
			err = n.refresh(r, w)
		}
	}
	if err != nil {
		n.metrics.refused.Inc()
		r.ReplyError(err)
	}
}

// begin makes a subscription (RFC 6665 §4.2.1). It is kept when the answer has been
// sent, so that no NOTIFY comes before it.
func (n *Notifier) begin(r *server.Request, w wish) error {
	if wire.Header(r.Request, "Contact") == "" { // RFC 3261 §8.1.1.8
		return &server.Error{Status: 400, Reason: "Missing Contact"}
	}
	device := deviceOf(n.cfg.Locations.Lookup(r.Sender.User), r)
	if device == 0 {
		return &server.Error{Status: 403, Warning: "register first: notifications go to registered devices only"}
	}
	key := deviceKey{r.Sender.User, device}
	older, most := n.table.of(key), MaxSubscriptions
	if w.list != nil {
		most += spareLists
	}
	if w.expires > 0 && len(older) >= most {
		return &server.Error{Status: 403, Warning: "this device has too many subscriptions; end some, or use a list"}
	}
	s := &subscription{pkg: w.pkg, Subscription: Subscription{Told: w.told, Subscription: store.Subscription{
		Package:    w.pkg.Name(),
		Resource:   strings.Clone(wire.AOR(&r.Recipient)),
		List:       w.list,
		User:       r.Sender.User,
		Device:     device,
		CallID:     strings.Clone(r.CallID),
		RemoteTag:  strings.Clone(r.FromTag),
		RemoteCSeq: r.CSeq,
		Subscriber: wire.URIString(&r.From.URI),
		Event:      strings.Clone(w.event),
		Expires:    time.Now().Add(w.expires),
	}}}
	if err := s.pkg.Subscribe(&s.Subscription, r); err != nil {
		return err
	}
	res := n.accepted(r, w.expires)
	if s.LocalTag = toTag(res); n.table.find(s.dialog()) != nil {
		return &server.Error{Status: 482} // RFC 3261 §8.2.2.2: the same request again
	}
	r.Respond(res)
	s.refresh()
	if w.expires == 0 { // RFC 6665 §4.4.3: it only fetches the state
		s.ending = "timeout"
	} else {
		n.keep(s, older)
	}
	n.ready.add(s)
	return nil
}

// keep takes a new subscription. What a list is about was, by the device that made
// it, often subscribed to before: those subscriptions are forgotten without a word.
func (n *Notifier) keep(s *subscription, older []*subscription) {
	if !n.table.add(s) {
		return
	}
	n.metrics.begun.Inc()
	n.cfg.Save([]store.Subscription{s.record()}, nil)
	if !s.isList() {
		return
	}
	gone := withdrawal{resources: make(map[string]bool, len(s.List))}
	for _, resource := range s.List {
		gone.resources[resource] = true
	}
	for _, o := range older {
		if o.Package == s.Package {
			o.in.withdraw(gone)
		}
	}
	n.ready.add(older...)
}

// refresh takes a SUBSCRIBE inside a dialog. Somebody else's does not exist for the
// sender.
func (n *Notifier) refresh(r *server.Request, w wish) error {
	s := n.table.find(dialogKey{r.CallID, r.ToTag, r.FromTag})
	if s == nil || s.User != r.Sender.User {
		return &server.Error{Status: 481}
	}
	if err := n.renew(s, r, w); err != nil {
		return err
	}
	r.Respond(n.accepted(r, w.expires))
	n.ready.add(s)
	return nil
}

// renew judges a refresh and owes the subscriber its NOTIFY.
func (n *Notifier) renew(s *subscription, r *server.Request, w wish) error {
	s.own.Lock()
	defer s.own.Unlock()
	switch {
	case s.over || s.ending != "":
		return &server.Error{Status: 481}
	case r.CSeq <= s.RemoteCSeq: // RFC 3261 §12.2.2
		return &server.Error{Status: 500, Warning: "this request came too late: CSeq is out of order"}
	case w.event != s.Event: // RFC 6665 §4.5.2
		return &server.Error{Status: 403, Warning: "one subscription a dialog: begin another dialog"}
	}
	s.RemoteCSeq = r.CSeq
	if w.expires == 0 {
		n.unsubscribe(s)
		return nil
	}
	if err := n.ask(s, r, w); err != nil {
		if isFinal(err) {
			s.over = true
			n.forget(s)
		}
		return err
	}
	s.Expires = time.Now().Add(w.expires)
	s.refresh()
	n.table.update(s, s.resources(), s.Expires)
	n.cfg.Save([]store.Subscription{s.record()}, nil)
	return nil
}

// ask lets the package judge a refresh. It may carry another list. What it says the
// subscriber knows is older than what we know.
func (n *Notifier) ask(s *subscription, r *server.Request, w wish) error {
	list, known := s.List, maps.Clone(s.Told)
	if s.isList() && len(w.list) > 0 {
		s.List = w.list
		maps.Copy(s.Told, w.told)
	}
	if err := s.pkg.Subscribe(&s.Subscription, r); err != nil {
		s.List, s.Told = list, known
		return err
	}
	told := make(map[string]int64, len(known))
	for _, resource := range s.resources() {
		if v, ok := known[resource]; ok {
			told[resource] = v
		} else if v, ok := s.Told[resource]; ok {
			told[resource] = v
		}
	}
	s.Told = told
	return nil
}

// isFinal tells whether a refusal ends what was to be refreshed (RFC 6665 §4.1.2.2).
func isFinal(err error) bool {
	if e, ok := errors.AsType[*server.Error](err); ok {
		return e.Status < 500 || e.Status >= 600
	}
	return errors.Is(err, store.ErrNotFound)
}

// unsubscribe ends a subscription as its subscriber wants: with what is new. Of a
// list, which ends because its program does, nothing more is told.
func (n *Notifier) unsubscribe(s *subscription) {
	s.end("timeout")
	if !s.isList() {
		s.owed = s.resources()
	}
}

// accepted makes the 200. It is record-routed by the listener where the SUBSCRIBE
// came in: some clients would look for the host of the Contact in the DNS else,
// which is our domain and perhaps not there (RFC 3261 §12.1.1).
func (n *Notifier) accepted(r *server.Request, expires time.Duration) *sip.Response {
	return wire.NewResponse(r.Request, sip.StatusOK, "",
		wire.H("Record-Route", "<sip:"+n.hostPort(r.Flow)+";transport="+uriTransport(r.Flow)+";lr>"),
		wire.H("Contact", "<"+wire.URIString(&r.Recipient)+">"),
		wire.H("Expires", seconds(expires)))
}

// toTag is our tag in a response of ours.
func toTag(res *sip.Response) string {
	to, err := wire.ParseNameAddr(wire.Header(res, "To"))
	if err != nil {
		return "" // no request gets here whose To cannot be read
	}
	tag, _ := to.Params.Get("tag")
	return tag
}

// uriTransport is the transport parameter of a URI: RFC 7118 §5.2.3 knows only
// ws, TLS below it or not.
func uriTransport(f *transport.Flow) string {
	switch f.Transport {
	case transport.UDP:
		return "udp"
	case transport.TCP:
		return "tcp"
	case transport.TLS:
		return "tls"
	}
	return "ws"
}

// deviceOf finds from which of the sender's devices a SUBSCRIBE came: the one
// registered over the same flow, the one whose GRUU or Contact it names, or one of
// the same program at the same address (phones send from another port over UDP).
// 0 when it is none of them.
func deviceOf(targets []registrar.Target, r *server.Request) store.DeviceID {
	for i := range targets {
		if f := targets[i].Flow; f != nil && f.ID == r.Flow.ID {
			return targets[i].Device.ID
		}
	}
	if contact, err := wire.ParseNameAddr(wire.Header(r.Request, "Contact")); err == nil {
		uri := wire.URIString(&contact.URI)
		for i := range targets {
			if t := &targets[i]; t.GRUU == uri || wire.EqualURI(&t.Contact, &contact.URI) {
				return t.Device.ID
			}
		}
	}
	userAgent := wire.Header(r.Request, "User-Agent")
	for i := range targets {
		t := &targets[i]
		if t.Flow != nil && t.Flow.Remote.Addr() == r.Flow.Remote.Addr() && t.Device.UserAgent == userAgent {
			return t.Device.ID
		}
	}
	return 0
}

package event

import (
	"net"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// verdict is what the answer to a NOTIFY means.
type verdict int8

const (
	took    verdict = iota
	broken          // this flow does not lead to the device
	later           // it may take it another time
	refused         // there is no such subscription: it ends
)

// judge reads the end of a NOTIFY (RFC 6665 §4.2.2, RFC 5057 §5.1).
func judge(res *sip.Response, err error) verdict {
	if err != nil {
		if err == transaction.ErrOverload {
			return later
		}
		return broken // also silence: nobody is there
	}
	switch status := res.StatusCode; {
	case status < 300:
		return took
	case status == 408, status == 430: // RFC 5626 §11.7: flow failed
		return broken
	case status == 480, status == 429, status == 491, status >= 500 && status < 600 && status != 501:
		return later
	}
	return refused
}

// decision is the request that is to be sent when a subscription is owned no more.
type decision struct {
	notify *sip.Request // nil for none
	flow   *transport.Flow
	n      int

	confirm func() // tells the package, nil for nothing
}

// work looks at the mail of a subscription and does what follows from it.
func (n *Notifier) work(s *subscription) {
	d := n.decide(s)
	if d.confirm != nil {
		d.confirm()
	}
	if d.notify == nil {
		return
	}
	n.metrics.notifies.Inc()
	n.cfg.Transactions.Send(d.notify, d.flow, func(_ *transaction.Client, res *sip.Response, err error) {
		if res == nil || res.StatusCode >= 200 {
			s.in.answered(answer{d.n, n.judged(res, err)})
			n.ready.add(s)
		}
	})
}

func (n *Notifier) judged(res *sip.Response, err error) verdict {
	v := judge(res, err)
	n.metrics.answer(v)
	return v
}

// decide owns s for a moment. A package that panics hurts one subscription.
func (n *Notifier) decide(s *subscription) (d decision) {
	s.own.Lock()
	defer s.own.Unlock()
	defer func() {
		if p := recover(); p != nil {
			n.log.Error("an event package panicked", "package", s.Package, "resource", s.Resource,
				"panic", p, "stack", string(debug.Stack()))
			s.over = true
			n.forget(s)
			d = decision{}
		}
	}()
	if s.over {
		return decision{}
	}
	told := s.Told[s.Resource]
	m := s.in.take()
	s.read(m, time.Now(), func(flow uint64) bool { return n.bound(s, flow) })
	if len(m.gone) > 0 {
		n.table.update(s, s.resources(), s.Expires)
	}
	d = n.advance(s)
	if c, ok := s.pkg.(Confirmer); ok && s.confirmed != "" {
		u, device, resource := s.User, s.Device, s.confirmed
		d.confirm = func() { c.Confirmed(u, device, resource) }
	}
	s.confirmed = ""
	switch {
	case s.over, s.ending != "": // nobody can refresh it any more
		n.forget(s)
	case s.Told[s.Resource] != told, s.LocalCSeq-s.savedAt >= saveEvery:
		n.cfg.Save([]store.Subscription{s.record()}, nil)
	}
	return d
}

// advance begins to send the next document, unless one is under way.
func (n *Notifier) advance(s *subscription) decision {
	if s.over || s.stalled || s.attempt.flow != 0 || !s.waiting() {
		return decision{}
	}
	t := n.target(s)
	if t == nil {
		s.stall()
		return decision{}
	}
	if !s.pick() {
		return decision{}
	}
	s.LocalCSeq++
	s.attempt.n++
	s.attempt.flow = t.Flow.ID
	return decision{notify: n.notify(s, t), flow: t.Flow, n: s.attempt.n}
}

// forget takes s out of the table and the store.
func (n *Notifier) forget(s *subscription) {
	if n.table.remove(s) {
		n.metrics.ended.Inc()
		n.cfg.Save(nil, []store.Subscription{s.record()})
	}
}

// target is the next flow of the device (RFC 5626 §5.3: it may keep several), nil
// when there is none that was not tried.
func (n *Notifier) target(s *subscription) *registrar.Target {
	targets := n.cfg.Locations.Lookup(s.User)
	for i := range targets {
		if t := &targets[i]; s.isAt(t) && !slices.Contains(s.attempt.tried, t.Flow.ID) {
			return t
		}
	}
	return nil
}

// bound tells whether the device of s still has a flow.
func (n *Notifier) bound(s *subscription, flow uint64) bool {
	return slices.ContainsFunc(n.cfg.Locations.Lookup(s.User), func(t registrar.Target) bool {
		return s.isAt(&t) && t.Flow.ID == flow
	})
}

// notify builds the NOTIFY for what is under way. Its dialog is known by its tags;
// its target is where the device is today.
func (n *Notifier) notify(s *subscription, t *registrar.Target) *sip.Request {
	d := s.underWay
	hs := wire.NewHeaders(14+len(d.Headers), 448)
	n.addVia(hs, t.Flow)
	hs.Add("Max-Forwards", "70")
	hs.Add("From", "<", addressOf(s.Resource), ">;tag=", s.LocalTag)
	hs.Add("To", "<", s.Subscriber, ">;tag=", s.RemoteTag)
	hs.Add("Call-ID", s.CallID)
	hs.Add("CSeq", strconv.FormatUint(uint64(s.LocalCSeq), 10), " NOTIFY")
	for _, p := range t.Path { // RFC 3327 §5.3
		hs.Add("Route", p)
	}
	hs.Add("Contact", "<", addressOf(s.Resource), ">")
	hs.Add("Event", s.Event)
	hs.Add("Subscription-State", s.state(time.Now()))
	if len(d.Body) > 0 {
		hs.Add("Content-Type", d.Type)
		for _, h := range d.Headers {
			hs.Add(h.Name(), h.Value())
		}
	}
	uri := t.Contact
	if s.usesGRUU() && t.GRUU != "" {
		if gruu, err := wire.ParseURI(t.GRUU); err == nil {
			uri = gruu
		}
	}
	return wire.NewRequest("NOTIFY", uri, d.Body, hs.List()...)
}

// addressOf writes an address without scheme as a URI.
func addressOf(resource string) string {
	for i := len(resource) - 1; i >= 0; i-- {
		if resource[i] == '@' {
			return "sip:" + wire.EscapeUser(resource[:i]) + resource[i:]
		}
	}
	return "sip:" + resource
}

// addVia adds our Via on a flow (RFC 3261 §18.1.1, RFC 3581 §3).
func (n *Notifier) addVia(hs *wire.Headers, f *transport.Flow) {
	rport := ""
	if !f.Reliable() {
		rport = ";rport"
	}
	hs.Add("Via", "SIP/2.0/", f.Transport, " ", n.hostPort(f), rport, ";branch=", wire.NewBranch())
}

// hostPort is where the peer of a flow reaches us.
func (n *Notifier) hostPort(f *transport.Flow) string {
	host, port := n.cfg.Flows.Local(f)
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(d.Round(time.Second)/time.Second), 10)
}
